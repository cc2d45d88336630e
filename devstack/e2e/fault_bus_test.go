package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

const (
	// shortPasses let a window close soon after the last version was found.
	shortPasses = "CDC_PASSES=1s,2s"
	// callEntries is the number of entries of a PutEvents call: the bound of what a lost
	// response may repeat.
	callEntries = 10
	// busTries is more calls than one attempt of Publish makes, with several in flight: the next
	// attempt must continue
	// from the heartbeat.
	busTries = 12 * inFlight
)

// The bus fails single entries, then throttles whole calls for longer than an attempt of
// Publish lasts, then loses the response to a call that it accepted, and again when the
// attempt ends before it can repeat the call. Nothing is lost; only a lost response repeats
// anything, and at most its call.
func TestBusFails(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, shortPasses)
	r.silenced(t)
	r.worker(t)
	throttled := awslocal.Faults{Throttle: map[string]int{"PutEvents": busTries}}
	lost := awslocal.Faults{LoseResponse: map[string]int{"PutEvents": 1}}
	const versions = 30 * callEntries
	first := windowAgo(r.datastore(), 3*time.Minute).Start
	for i, test := range []struct {
		name string
		// at holds the faults that begin once so many events of the window are on
		// the bus.
		at      map[int]awslocal.Faults
		repeats int
	}{
		{"3 of 10 entries fail", map[int]awslocal.Faults{0: {FailEntries: 3}}, 0},
		{"3 of 10 entries are throttled", map[int]awslocal.Faults{0: {FailEntries: 3, FailEntryCode: "ThrottlingException"}}, 0},
		{"whole calls are throttled", map[int]awslocal.Faults{callEntries: throttled}, 0},
		{"an answer is lost", map[int]awslocal.Faults{callEntries: lost}, callEntries},
		{"an answer is lost and calls are throttled", map[int]awslocal.Faults{callEntries: lost, 2 * callEntries: throttled}, callEntries},
	} {
		t.Run(test.name, func(t *testing.T) {
			prefix := fmt.Sprintf("case-%d", i)
			used := r.onEvents(t, prefix, test.at)
			window := cdc.WindowAt(r.datastore(), first.Add(time.Duration(i)*cdc.WindowWidth))
			r.writeAt(t, c, window, "Patient", prefix, versions)
			r.trigger(window)
			r.closed(t, window.ID())
			r.subscribed(t)

			require.EqualValues(t, len(test.at), used.Load(), "every fault began")
			require.Equal(t, awslocal.Faults{}, r.remainingFaults(), "every fault was met")
			came := r.came(prefix)
			require.Len(t, came, versions, "all versions")
			repeats := 0
			for _, n := range came {
				repeats += n - 1
			}
			require.Equal(t, test.repeats, repeats)
			require.Equal(t, versions, r.result(t, window.ID()).Counts.Published)
		})
	}
	report := r.drained(t)
	require.Zero(t, report.Total.Missing)
	require.Empty(t, report.Wrong)
}

// EventBridge rejects one change permanently: the others of its call, of its window and of
// other windows are published. Its window stays open, and closes when EventBridge accepts
// the change.
func TestPoisonChange(t *testing.T) {
	t.Parallel()
	const versions = 25
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, shortPasses)
	r.silenced(t)
	r.worker(t)
	r.AWS.SetFaults(awslocal.Faults{RejectDetailContaining: `"poisoned-7"`})
	poisoned := windowAgo(r.datastore(), 3*time.Minute)
	other := windowAgo(r.datastore(), 2*time.Minute)
	r.writeAt(t, c, poisoned, "Patient", "poisoned", versions)
	r.writeAt(t, c, other, "Patient", "other", versions)
	r.trigger(poisoned)
	r.trigger(other)

	r.closed(t, other.ID())
	until(t, "the change was offered again, and rejected again", func(context.Context) bool {
		return r.rejections(t, poisoned.ID()) >= 2
	})
	until(t, "the window reports the rejected change", func(ctx context.Context) bool {
		progress, err := r.progress(ctx, poisoned.ID())
		return err == nil && slices.Contains(progress.Failing, cdc.Wait{Type: "Patient", Versions: 1})
	})
	r.received(t, 2*versions-1)
	require.NotContains(t, r.came("poisoned"), versionKey(r.datastore(), "Patient", "poisoned-7", 1))
	require.Len(t, r.came("other"), versions)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, r.status(t.Context(), poisoned.ID()))

	r.AWS.SetFaults(awslocal.Faults{})
	r.closed(t, poisoned.ID())
	report := r.drained(t)
	complete(t, report)
	require.Equal(t, 2*versions, report.Total.Published)
	require.Equal(t, versions, r.result(t, poisoned.ID()).Ledger.Published())
}

// rejections counts the Publish activities of an execution in which an entry was rejected
// permanently.
func (r *rig) rejections(t *testing.T, id string) (n int) {
	t.Helper()
	events := r.events(t, id)
	for _, event := range events {
		completed := event.GetActivityTaskCompletedEventAttributes()
		if completed == nil || activityOf(events, completed.GetScheduledEventId()) != "Publish" {
			continue
		}
		var result cdc.PublishResult
		require.NoError(t, r.data.FromPayloads(completed.GetResult(), &result))
		if len(result.Rejected) > 0 {
			n++
		}
	}
	return n
}

// writeAt writes n small resources of a type into a window of the past.
func (r *rig) writeAt(t testing.TB, c *clock, window cdc.Window, resourceType, prefix string, n int) {
	t.Helper()
	c.pin(window.Start.Add(alone))
	defer c.release(0)
	r.writeMany(t, window, resourceType, prefix, n)
}

// trigger sends one record of a write in the window.
func (r *rig) trigger(window cdc.Window) {
	r.Sink()(stack.WriteRecord(window.Datastore, "Patient", window.Start.Add(alone)))
}

// onEvents starts faults when so many events of resources whose id has that prefix are on
// the bus; 0 means now. A fault that starts during a call applies from the next call on. It
// returns the number of started faults.
func (r *rig) onEvents(t *testing.T, prefix string, at map[int]awslocal.Faults) *atomic.Int32 {
	t.Helper()
	var seen, used atomic.Int32
	begin := func(n int) {
		if faults, ok := at[n]; ok {
			r.AWS.SetFaults(faults)
			used.Add(1)
		}
	}
	begin(0)
	marker := `"resourceId":"` + prefix + `-`
	r.AWS.OnDeliver(func(queue string, body []byte, _ time.Time) {
		if queue == truth.SubscriberQueue && strings.Contains(string(body), marker) {
			begin(int(seen.Add(1)))
		}
	})
	return &used
}

// remainingFaults are the faults of the bus that have not been met.
func (r *rig) remainingFaults() awslocal.Faults {
	faults := r.AWS.Faults()
	if len(faults.Throttle) == 0 {
		faults.Throttle = nil
	}
	if len(faults.LoseResponse) == 0 {
		faults.LoseResponse = nil
	}
	faults.FailEntryCode = ""
	return faults
}

// came counts the deliveries of each version of the resources whose id has that prefix, by
// idempotency key.
func (r *rig) came(prefix string) map[string]int {
	came := make(map[string]int)
	for _, event := range r.subscriber.Events() {
		if strings.HasPrefix(event.Meta.ResourceID, prefix+"-") {
			came[event.Meta.IdempotencyKey]++
		}
	}
	return came
}
