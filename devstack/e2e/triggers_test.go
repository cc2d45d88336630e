package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
)

// A thousand triggers of one window, some of them records of real writes, start one
// execution, which searches the store no more than needed.
func TestThousandTriggersOneExecution(t *testing.T) {
	t.Parallel()
	const triggers, observations = 1_000, 250
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}})
	r.worker(t)
	r.worker(t)
	settings, err := config.Load(config.Worker, r.environment(), nil)
	require.NoError(t, err)

	atStart := r.Simulator.Stats().Datastores[r.datastore()] // each worker has looked whether it may search
	window := windowIn(r.datastore(), cdc.WindowWidth)
	c.pin(window.Start.Add(alone))
	for i := range observations {
		put(t, r.writer, "Observation", fmt.Sprintf("observation-%d", i))
	}
	others := 0
	for _, resourceType := range settings.ResourceTypes {
		if resourceType != "Observation" {
			put(t, r.writer, resourceType, "other")
			others++
		}
	}
	sink := r.Sink()
	for i := range triggers - observations - others {
		at := window.Start.Add(5*time.Second + time.Duration(i%5)*time.Second)
		sink(stack.WriteRecord(r.datastore(), settings.ResourceTypes[i%len(settings.ResourceTypes)], at))
	}
	c.release(0)
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, observations+others, report.Total.Published)
	require.Equal(t, triggers, r.Deliveries.Len())
	require.Equal(t, []string{window.ID()}, r.windows(t))

	// 250 Observations are three pages, in each pass.
	passes := len(settings.Passes)
	first := len(settings.ResourceTypes) * passes
	further := 2 * passes
	stats := r.Simulator.Stats().Datastores[r.datastore()]
	require.EqualValues(t, first+further, stats.Total.Searches-atStart.Total.Searches)
	require.EqualValues(t, further, stats.Total.FurtherPages)
	require.Zero(t, stats.Total.Failed+stats.Total.Throttled)
	pages := make(map[string]int64) // first pages by type, whatever they ask for
	for shape, n := range stats.Shapes {
		words := strings.Fields(shape)
		require.Equal(t, "GET", words[0])
		require.NotContains(t, words, "?", "a parameter that the service does not know")
		if !strings.HasSuffix(shape, " page") {
			pages[words[1]] += n - atStart.Shapes[shape]
		}
	}
	require.Len(t, pages, len(settings.ResourceTypes))
	for resourceType, n := range pages {
		require.EqualValues(t, passes, n, "first pages of %s", resourceType)
	}
	require.Equal(t, first+further, r.result(t, window.ID()).Counts.Searches)
	require.Zero(t, stats.Total.Reads, "a confirm reads no body that the ledger has")
	r.valid(t)
}

// Records are lost, repeated, late and out of order; while each window still has
// one, each version comes once.
func TestRepeatedShuffledTriggers(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{
		Seed: 8, Digits: simulator.MixedDigits, Limits: noLimits, SearchLag: simulator.RandomLag(simulator.Between(0, time.Second)),
	}}, fewTypes)
	require.NoError(t, r.Simulator.SetTrail(simulator.Trail{
		Sink: r.Sink(), Delay: simulator.Between(0, 5*time.Second), Loss: 0.3, Repeat: 0.3,
	}))

	// Forty seconds of the store's time: creates, and some updates and deletes of
	// what was written the second before.
	start := windowAgo(r.datastore(), 30*time.Second).Start
	types := strings.Split(strings.TrimPrefix(fewTypes, "CDC_RESOURCE_TYPES="), ",")
	for second := range 40 {
		c.pin(start.Add(time.Duration(second)*time.Second + 123*time.Millisecond))
		for i, resourceType := range types {
			put(t, r.writer, resourceType, fmt.Sprintf("shuffled-%d-%d", second, i))
		}
		before := fmt.Sprintf("shuffled-%d-", second-1)
		if second%10 == 3 {
			put(t, r.writer, types[0], before+"0")
		}
		if second%10 == 8 {
			require.NoError(t, r.writer.Delete(t.Context(), types[1], before+"1"))
		}
	}
	c.release(0)
	// Only now, so that no search shows a version before it is replaced.
	r.worker(t)
	r.worker(t)
	r.drained(t)
	// What lost every trigger gets one more: without any, a window is the audit's.
	known := touched(r.Deliveries.All())
	for _, write := range r.Simulator.WriteLog(r.datastore()) {
		window := cdc.WindowAt(write.Datastore, write.LastUpdated)
		if !known[window] {
			known[window] = true
			r.Sink()(stack.WriteRecord(write.Datastore, write.Type, window.Start.Add(alone)))
		}
	}
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, 3*40+4, report.Total.Written)
	require.Equal(t, 4+4, report.Total.Superseded)
	trail := r.Simulator.Stats().Trail
	require.Positive(t, trail.Lost)
	require.Positive(t, trail.Repeated)
	want := make([]string, 0, len(known))
	for window := range touched(r.Deliveries.All()) {
		want = append(want, window.ID())
	}
	require.ElementsMatch(t, want, r.windows(t), "one execution for each window that a trigger touches")
	r.valid(t)
}
