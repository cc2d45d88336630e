package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/fhirclient"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// One store hangs, with more windows than a worker searches in a store at a time; another
// forbids a type. The other types of the second store are published before any of the
// hanging searches times out. When the faults end, everything is published.
func TestTwoDatastores(t *testing.T) {
	t.Parallel()
	const forbidding, hanging = "aaaaaaaa11111111aaaaaaaa11111111", "bbbbbbbb22222222bbbbbbbb22222222"
	const windows, hangingWindows = 8, 30
	const types = 3   // fewTypes
	const places = 16 // activities/limits.go has hydratesPerStore
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{
		Datastores: []string{forbidding, hanging}, Limits: noLimits,
	}}, fewTypes, "CDC_SEARCH_RATE=1000")
	r.worker(t)
	for _, fault := range []simulator.Fault{
		{Kind: simulator.Forbid, Datastore: forbidding, Type: "Patient", Count: -1},
		{Kind: simulator.Hang, Datastore: hanging, Count: -1},
	} {
		require.NoError(t, r.Simulator.InjectFault(fault))
	}
	writers := map[string]*fhirclient.Client{hanging: writerOf(r.Stack, hanging), forbidding: writerOf(r.Stack, forbidding)}
	for _, writer := range writers {
		writer.Now = c.Now
	}
	r.silenced(t)
	atStart := r.Simulator.Stats().Datastores[hanging].Total.Searches
	write := func(datastore string, windows int) {
		begin := windowAgo(datastore, 30*time.Minute).Start
		var records []simulator.Record
		for window := range windows {
			at := begin.Add(time.Duration(window)*cdc.WindowWidth + alone)
			c.pin(at)
			for _, resourceType := range []string{"Patient", "Observation"} {
				put(t, writers[datastore], resourceType, fmt.Sprintf("window-%d", window))
			}
			records = append(records, stack.WriteRecord(datastore, "Patient", at))
		}
		c.release(0) // workers sign by the real time
		for _, record := range records {
			r.Sink()(record)
		}
	}
	write(hanging, hangingWindows)
	eventually(t, "all windows of the store that hangs are open, and as many as may are asking it", func(ctx context.Context) error {
		open, err := stack.Count(ctx, r.temporal, "WorkflowType='CaptureWindow' AND ExecutionStatus='Running'")
		asked := r.Simulator.Stats().Datastores[hanging].Total.Searches - atStart
		if err != nil || open < hangingWindows || asked < places*types {
			return errNotYet
		}
		return nil
	})
	write(forbidding, windows)

	came := func(datastore, resourceType string) (n int) {
		for _, event := range r.subscriber.Events() {
			if event.Meta.DatastoreID == datastore && event.Meta.ResourceType == resourceType {
				n++
			}
		}
		return n
	}
	until(t, "the other store's other type has come", func(context.Context) bool {
		return came(forbidding, "Observation") >= windows
	})
	require.Zero(t, came(forbidding, "Patient"), "that type is forbidden")
	require.Zero(t, came(hanging, "Patient")+came(hanging, "Observation"), "that store hangs")
	stats := r.Simulator.Stats().Datastores
	require.LessOrEqual(t, stats[hanging].Total.Searches-atStart, int64(places*types), "none has given up, and no more are asking")
	require.Positive(t, stats[forbidding].Types["Patient"].Failed)

	r.Simulator.ClearFaults()
	report := r.drained(t)
	complete(t, report)
	require.Equal(t, 2*(windows+hangingWindows), report.Total.Published)
	require.Len(t, r.windows(t), windows+hangingWindows)
	require.Greater(t, r.Simulator.Stats().Datastores[hanging].Total.Searches, atStart)
	r.valid(t)
}
