package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

// One version is found by the first pass; one with a longer lag by the second; and one only
// by the extra pass that follows the second one's find. The store's clock is advanced after
// each pass, so that each version becomes searchable between two passes.
func TestSearchLagLongerThanTheFirstPass(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{}, fewTypes)
	r.worker(t)
	atStart := r.searchesFor("Observation")
	window := windowIn(r.datastore(), 5*time.Second)
	c.pin(window.Start.Add(alone))
	for id, lag := range map[string]time.Duration{"prompt": 0, "slow": time.Minute, "slowest": 2 * time.Minute} {
		r.Simulator.SetSearchLag(simulator.FixedLag(lag))
		put(t, r.writer, "Observation", id)
	}
	c.release(0)
	r.searched(t, "Observation", atStart+1)
	c.release(90 * time.Second)
	r.searched(t, "Observation", atStart+2)
	c.release(3 * time.Minute)
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, 3, report.Total.Published)
	require.Equal(t, []string{window.ID()}, r.windows(t))
	hydrates := r.hydrates(t, window.ID())
	require.Len(t, hydrates, 4, "two passes, and extra ones until one finds nothing new")
	for pass, want := range [][]string{{"prompt/1"}, {"slow/1"}, {"slowest/1"}, nil} {
		require.Equal(t, want, found(hydrates[pass], "Observation"), "pass %d", pass+1)
	}
	require.Len(t, hydrates[1].Pages, 3)
	require.Len(t, hydrates[2].Pages, 1, "an extra pass is for the types that found something")
	r.valid(t)
}

// A trigger that comes ten minutes late is served at once, and is not kept by the
// pass that follows because something was found.
func TestLateTrigger(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{}, fewTypes)
	r.worker(t)
	r.silenced(t)
	window := windowAgo(r.datastore(), 10*time.Minute)
	c.pin(window.Start.Add(alone))
	for _, resourceType := range []string{"Patient", "Observation", "Condition"} {
		put(t, r.writer, resourceType, "late")
	}
	c.release(0)
	r.Sink()(stack.WriteRecord(r.datastore(), "Observation", window.Start.Add(alone)))
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, 3, report.Total.Published)
	require.Equal(t, []string{window.ID()}, r.windows(t))

	// Both passes were due: they run as one, before any timer. The only timer is
	// that of the extra pass, and by then everything is on the bus.
	events := r.events(t, window.ID())
	hydrated := first(events, enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, "Hydrate")
	published := first(events, enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, "Publish")
	slept := first(events, enumspb.EVENT_TYPE_TIMER_STARTED, "")
	woken := first(events, enumspb.EVENT_TYPE_TIMER_FIRED, "")
	require.Positive(t, hydrated)
	require.Less(t, hydrated, published)
	require.Less(t, published, slept)
	require.Less(t, slept, woken)
	hydrates := r.hydrates(t, window.ID())
	require.Len(t, hydrates, 2)
	require.Len(t, hydrates[0].Pages, 3)
	for _, event := range r.subscriber.Events() {
		require.True(t, event.Meta.PublishedAt.Before(events[slept].GetEventTime().AsTime()), "published before the window slept")
	}
	r.valid(t)
}
