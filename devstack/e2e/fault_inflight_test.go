package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// perCall is the limit of entries in PutEvents (EventBridge API reference).
const perCall = 10

// inFlight is how many calls of one Publish are made side by side.
const inFlight = 8

// ofType is how many versions a window gets of each type: one Publish has all of them.
const ofType = 200

// busBooks is the bus's own record of what it accepted, in order. It is written
// before any subscriber can see the event.
type busBooks struct {
	mu   sync.Mutex
	keys []string
}

// keepBooks begins to record what the bus accepts.
func (r *rig) keepBooks() *busBooks {
	books := &busBooks{}
	r.AWS.OnDeliver(func(queue string, body []byte, _ time.Time) {
		if queue != truth.SubscriberQueue {
			return
		}
		var event struct {
			Detail struct {
				Meta truth.Meta `json:"meta"`
			} `json:"detail"`
		}
		if json.Unmarshal(body, &event) != nil {
			return // the subscriber reports it
		}
		books.mu.Lock()
		defer books.mu.Unlock()
		books.keys = append(books.keys, event.Detail.Meta.IdempotencyKey)
	})
	return books
}

// accepted is what the bus has accepted so far, in order.
func (b *busBooks) accepted() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.keys)
}

// newFaultRig starts the parts with a store without quotas, whose clock the test sets and
// whose records the test sends.
func newFaultRig(t *testing.T, env ...string) (*rig, *clock) {
	t.Helper()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, append([]string{fewTypes}, env...)...)
	r.silenced(t)
	return r, c
}

// fill writes n versions of each of the three types into a window of the past,
// in the store's time, and gives the clock back.
func (r *rig) fill(t *testing.T, c *clock, window cdc.Window, prefix string, n int) {
	t.Helper()
	c.pin(window.Start.Add(alone))
	defer c.release(0)
	for _, resourceType := range []string{"Patient", "Observation", "Condition"} {
		resources := make([]fhirdata.Resource, n)
		for i := range resources {
			id := fmt.Sprintf("%s-%d", prefix, i)
			resources[i] = fhirdata.Resource{Type: resourceType, ID: id, Body: smallBody(resourceType, id)}
		}
		for _, transaction := range fhirdata.Transactions(resources, simulator.MaxBundleEntries) {
			_, err := r.writer.Transaction(t.Context(), transaction)
			require.NoError(t, err)
		}
	}
}

// slowCalls adds a delay to every call of the AWS stand-in.
func (r *rig) slowCalls(d time.Duration) {
	r.AWS.SetFaults(awslocal.Faults{Latency: awslocal.Latency(d)})
}

// flight is a running Publish, as the Temporal server knows it.
type flight struct {
	pending *workflowpb.PendingActivityInfo
	// batch are the idempotency keys to be published, recorded those of them that
	// the last heartbeat names as accepted.
	batch, recorded []string
}

// flights are the running Publish activities of a window.
func (r *rig) flights(ctx context.Context, window cdc.Window) ([]flight, error) {
	described, err := r.described(ctx, window.ID())
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []flight
	for _, pending := range described.GetPendingActivities() {
		if pending.GetActivityType().GetName() != "Publish" {
			continue
		}
		batch, err := r.batchOf(ctx, window, pending.GetActivityId())
		if err != nil {
			return nil, err
		}
		f := flight{pending: pending, batch: batch}
		var ids []string
		if details := pending.GetHeartbeatDetails(); details != nil {
			if err := r.data.FromPayloads(details, &ids); err != nil {
				return nil, err
			}
		}
		for i, id := range ids {
			if id != "" {
				f.recorded = append(f.recorded, batch[i])
			}
		}
		all = append(all, f)
	}
	return all, nil
}

// batchOf are the idempotency keys of an activity's input.
func (r *rig) batchOf(ctx context.Context, window cdc.Window, activity string) ([]string, error) {
	events := r.temporal.GetWorkflowHistory(ctx, window.ID(), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, err
		}
		scheduled := event.GetActivityTaskScheduledEventAttributes()
		if scheduled.GetActivityId() != activity {
			continue
		}
		var in cdc.PublishInput
		if err := r.data.FromPayloads(scheduled.GetInput(), &in); err != nil {
			return nil, err
		}
		keys := make([]string, len(in.Changes))
		for i, change := range in.Changes {
			keys[i] = change.IdempotencyKey(in.Origin.Datastore)
		}
		return keys, nil
	}
	return nil, fmt.Errorf("the history has no activity %s", activity)
}

// midway waits until one Publish of each window is in progress: some of what the bus
// accepted is in a heartbeat, some is not, and much is not sent yet.
func (r *rig) midway(t *testing.T, books *busBooks, windows ...cdc.Window) []flight {
	t.Helper()
	var found []flight
	eventually(t, "a Publish of each window is half-way", func(ctx context.Context) error {
		accepted := books.accepted()
		found = found[:0]
		for _, window := range windows {
			flights, err := r.flights(ctx, window)
			if err != nil || len(flights) != 1 {
				return errNotYet
			}
			f := flights[0]
			sent := count(f.batch, accepted)
			if len(f.recorded) == 0 || sent <= len(f.recorded) || len(f.batch)-sent < 5*perCall {
				return errNotYet
			}
			found = append(found, f)
		}
		return nil
	})
	return found
}

// halfway is a rig in which a worker is half-way through a Publish of 600.
type halfway struct {
	*rig
	clock   *clock
	books   *busBooks
	window  cdc.Window
	first   *stack.Worker
	started []flight
}

func newHalfway(t *testing.T, prefix string) *halfway {
	t.Helper()
	r, c := newFaultRig(t)
	h := &halfway{rig: r, clock: c, books: r.keepBooks(), window: windowAgo(r.datastore(), 30*time.Second)}
	r.fill(t, c, h.window, prefix, ofType)
	r.slowCalls(slowBus)
	h.first = r.worker(t)
	r.trigger(h.window)
	h.started = r.midway(t, h.books, h.window)
	return h
}

// interrupted are the flights as the server has them when no worker runs them.
func (r *rig) interrupted(t *testing.T, windows ...cdc.Window) []flight {
	t.Helper()
	var all []flight
	for _, window := range windows {
		flights, err := r.flights(t.Context(), window)
		require.NoError(t, err)
		require.NotEmpty(t, flights, "no Publish was interrupted")
		all = append(all, flights...)
	}
	return all
}

// count is how many of the batch's keys are in keys.
func count(batch, keys []string) int {
	in := make(map[string]bool, len(keys))
	for _, key := range keys {
		in[key] = true
	}
	n := 0
	for _, key := range batch {
		if in[key] {
			n++
		}
	}
	return n
}

// repeats are the deliveries beyond the first, by idempotency key.
func repeats(keys []string) map[string]int {
	again := make(map[string]int)
	seen := make(map[string]bool, len(keys))
	for _, key := range keys {
		if seen[key] {
			again[key]++
		}
		seen[key] = true
	}
	return again
}

// boundedRepeats requires that what was repeated had been accepted before the
// interruption, by one of the interrupted flights, after its last heartbeat; and
// each of it once. It returns how many there were.
func boundedRepeats(t *testing.T, interrupted []flight, before, all []string) int {
	t.Helper()
	may := make(map[string]bool)
	for _, key := range before {
		may[key] = true
	}
	unrecorded := make(map[string]bool)
	for _, f := range interrupted {
		require.Less(t, len(f.recorded), count(f.batch, before), "the bus had accepted more than the last heartbeat names")
		for _, key := range f.batch {
			unrecorded[key] = !slices.Contains(f.recorded, key)
		}
	}
	total := 0
	for key, n := range repeats(all) {
		require.True(t, may[key] && unrecorded[key], "an event was repeated that a heartbeat had named, or that was not lost")
		require.Equal(t, 1, n, "an event was repeated more than once")
		total += n
	}
	return total
}

// nothingLost requires that everything came, and nothing that was not written.
func nothingLost(t *testing.T, report truth.Report) {
	t.Helper()
	require.Zero(t, report.Total.Missing+report.Total.DeletesMissing, "missing %v\n%s", report.MissingVersions, report)
	require.Empty(t, report.Wrong)
}

// worksOn is the worker that runs the Publish, by the process id at the end of its
// identity.
func worksOn(t *testing.T, f flight, workers ...*stack.Worker) *stack.Worker {
	t.Helper()
	for _, w := range workers {
		if strings.HasSuffix(f.pending.GetLastWorkerIdentity(), fmt.Sprintf("/%d", w.Pid())) {
			return w
		}
	}
	require.Fail(t, "no worker runs the Publish", "it runs on %s", f.pending.GetLastWorkerIdentity())
	return nil
}

// attempts are the attempts that completed each Publish of a window.
func (r *rig) attempts(t *testing.T, window cdc.Window) []int32 {
	t.Helper()
	var all []int32
	for _, publish := range r.completions(t, window.ID(), "Publish") {
		all = append(all, publish.attempt)
	}
	return all
}
