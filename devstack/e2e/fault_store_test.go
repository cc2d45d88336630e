package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/devstack/internal/fhirclient"
	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// storeFault is a store of its own that fails in its own way, with one window.
type storeFault struct {
	name      string
	datastore string
	fault     simulator.Fault
	// patients of the window: over 100 make further pages, over 1,100 a slice.
	patients int
	// slice is set if the patients' pages are a slice's.
	slice bool
}

const (
	onePage      = 20
	severalPages = 450
	slicePages   = 1_350
	// beside is how many observations each window holds as well.
	beside = 10
	// retryAfter is the Retry-After of the store that sends one: longer than the delay of any
	// first retry without it.
	retryAfter = 20 * time.Second
	// maxHang bounds the time until the second attempt of a Hydrate whose first attempt had no
	// response: the 30 s of a request and a margin, less than the 90 s after which Temporal ends
	// the attempt.
	maxHang = time.Minute
)

// passing are faults that end by themselves: 12 failures are more than the quick
// retries of one attempt for three types.
var passing = []storeFault{
	{"429", "throttling", simulator.Fault{Kind: simulator.Throttle, Count: 12}, onePage, false},
	{"429 with Retry-After", "askinglater", simulator.Fault{Kind: simulator.Throttle, Count: 3, RetryAfter: retryAfter}, onePage, false},
	{"500", "failing", simulator.Fault{Kind: simulator.ServerError, Count: 12}, onePage, false},
	{"500 to further pages", "failingfurther", simulator.Fault{Kind: simulator.ServerError, Further: true, Count: 4}, severalPages, false},
	{"500 to a slice's pages", "failingslice", simulator.Fault{Kind: simulator.ServerError, Further: true, Count: 2}, slicePages, true},
	{"truncated bodies", "truncating", simulator.Fault{Kind: simulator.Truncate, Count: 12}, onePage, false},
	{"truncated bodies of further pages", "truncatingfurther", simulator.Fault{Kind: simulator.Truncate, Further: true, Count: 4}, severalPages, false},
	{"a page that fails half-way", "halving", simulator.Fault{Kind: simulator.HalfPage, Count: 12}, onePage, false},
	{"a further page that fails half-way", "halvingfurther", simulator.Fault{Kind: simulator.HalfPage, Further: true, Count: 4}, severalPages, false},
	{"a slice's page that fails half-way", "halvingslice", simulator.Fault{Kind: simulator.HalfPage, Further: true, Count: 2}, slicePages, true},
	{"an expired page token", "expiring", simulator.Fault{Kind: simulator.ExpireToken, Count: 2}, severalPages, false},
	{"an expired page token in a slice", "expiringslice", simulator.Fault{Kind: simulator.ExpireToken, Count: 2}, slicePages, true},
	{"no answer", "hanging", simulator.Fault{Kind: simulator.Hang, Count: 3}, onePage, false},
}

// lasting are faults of one type that end only when the test clears them.
var lasting = []storeFault{
	{"403 for one type", "forbidding", simulator.Fault{Kind: simulator.Forbid, Type: "Patient", Count: -1}, onePage, false},
	{"400 for one type", "rejecting", simulator.Fault{Kind: simulator.Reject, Type: "Patient", Count: -1}, onePage, false},
	{"403 for a slice's pages", "forbiddingslice", simulator.Fault{Kind: simulator.Forbid, Type: "Patient", Further: true, Count: -1}, slicePages, true},
}

// Every failure of a store, at once, each in a store of its own: nothing is lost, nothing
// comes twice. A type that a store does not return does not delay its other types, and comes
// when the store works again.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	all := slices.Concat(passing, lasting)
	var datastores []string
	for _, test := range all {
		datastores = append(datastores, test.datastore)
	}
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Datastores: datastores, Limits: noLimits}},
		fewTypes, shortPasses, "CDC_SEARCH_RATE=1000")
	r.silenced(t)
	r.worker(t)
	windows := make(map[string]cdc.Window)
	asked := r.searches("askinglater") // by the worker, at its start
	c.pin(windowAgo(datastores[0], 3*time.Minute).Start.Add(alone))
	for _, test := range all {
		windows[test.datastore] = cdc.WindowAt(test.datastore, c.Now())
		writer := writerOf(r.Stack, test.datastore)
		writer.Now = c.Now
		writeSmall(t, writer, "Patient", test.patients)
		writeSmall(t, writer, "Observation", beside)
		test.fault.Datastore = test.datastore
		require.NoError(t, r.Simulator.InjectFault(test.fault))
	}
	c.release(0)
	for _, test := range all {
		r.trigger(windows[test.datastore])
	}
	r.respectsRetryAfter(t, windows["askinglater"])
	require.Equal(t, asked+3, r.searches("askinglater"), "each type once, and not again meanwhile")
	for _, test := range lasting {
		t.Run(test.name, func(t *testing.T) { r.onlyOneTypeWaits(t, test, windows[test.datastore]) })
	}
	for _, test := range passing {
		t.Run(test.name, func(t *testing.T) {
			r.closed(t, windows[test.datastore].ID())
			require.False(t, r.failsStill(test.datastore), "the fault was met")
			if test.fault.Kind == simulator.Hang {
				r.gaveUp(t, windows[test.datastore])
			}
			r.completeStore(t, test)
		})
	}
	r.Simulator.ClearFaults()
	complete(t, r.drained(t))
	for _, test := range lasting {
		r.completeStore(t, test)
	}
	// The pages of those with a slice were a slice's, and no one else's.
	for _, test := range all {
		sliced := r.status(t.Context(), cdc.SliceID(windows[test.datastore].ID(), "Patient", windows[test.datastore].Start, 1)) !=
			enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED
		require.Equal(t, test.slice, sliced, test.name)
	}
}

// respectsRetryAfter waits until the store's first 429 is known, and requires that the next
// attempt respects its Retry-After.
func (r *rig) respectsRetryAfter(t *testing.T, window cdc.Window) {
	t.Helper()
	r.pendingActivity(t, "the store has asked for a delay", window.ID(), func(a *workflowpb.PendingActivityInfo) bool {
		return failing("Hydrate")(a) && a.GetCurrentRetryInterval().AsDuration() >= retryAfter
	})
}

// searches is the number of the store's searches so far.
func (r *rig) searches(datastore string) int64 {
	return r.Simulator.Stats().Datastores[datastore].Total.Searches
}

// onlyOneTypeWaits requires that the store's other type has come while the unavailable one
// keeps the window open, with its class of error.
func (r *rig) onlyOneTypeWaits(t *testing.T, test storeFault, window cdc.Window) {
	t.Helper()
	until(t, "the other type has come", func(context.Context) bool {
		return r.cameOf(test.datastore, "Observation") >= beside
	})
	if test.slice {
		slice := cdc.SliceID(window.ID(), "Patient", window.Start, 1)
		until(t, "the slice reports that its page is unavailable", func(ctx context.Context) bool {
			progress, err := r.progress(ctx, slice)
			return err == nil && slices.Contains(progress.Failing, cdc.Wait{Type: "Patient", Class: cdc.ClassForbidden})
		})
		require.Less(t, r.cameOf(test.datastore, "Patient"), test.patients)
	} else {
		want := map[simulator.FaultKind]cdc.Class{simulator.Forbid: cdc.ClassForbidden, simulator.Reject: cdc.ClassInvalidRequest}
		until(t, "the window reports the type that waits", func(ctx context.Context) bool {
			progress, err := r.progress(ctx, window.ID())
			return err == nil && slices.Contains(progress.Failing, cdc.Wait{Type: "Patient", Class: want[test.fault.Kind]})
		})
		require.Zero(t, r.cameOf(test.datastore, "Patient"))
	}
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, r.status(t.Context(), window.ID()))
}

// gaveUp requires that the worker itself ended the attempt without a response, long before
// Temporal would have.
func (r *rig) gaveUp(t *testing.T, window cdc.Window) {
	t.Helper()
	events := r.events(t, window.ID())
	completed := events[first(events, enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, "Hydrate")].GetActivityTaskCompletedEventAttributes()
	again := events[completed.GetStartedEventId()-1]
	require.Equal(t, string(cdc.ClassUnavailable),
		again.GetActivityTaskStartedEventAttributes().GetLastFailure().GetApplicationFailureInfo().GetType())
	took := again.GetEventTime().AsTime().Sub(events[completed.GetScheduledEventId()-1].GetEventTime().AsTime())
	require.Less(t, took, maxHang)
}

// completeStore requires that everything written to a store came once.
func (r *rig) completeStore(t *testing.T, test storeFault) {
	t.Helper()
	r.subscribed(t)
	report := r.compareStore(test.datastore)
	complete(t, report)
	require.Equal(t, test.patients+beside, report.Total.Published)
}

// compareStore compares what was written to one store with what came.
func (r *rig) compareStore(datastore string) truth.Report {
	events := slices.DeleteFunc(r.subscriber.Events(), func(event truth.Event) bool { return event.Meta.DatastoreID != datastore })
	return truth.Compare(r.Simulator.WriteLog(datastore), r.Deliveries.All(), events, r.settings)
}

// cameOf is how many events of a store's type came.
func (r *rig) cameOf(datastore, resourceType string) (n int) {
	for _, event := range r.subscriber.Events() {
		if event.Meta.DatastoreID == datastore && event.Meta.ResourceType == resourceType {
			n++
		}
	}
	return n
}

// failsStill reports whether a store has faults.
func (r *rig) failsStill(datastore string) bool {
	return slices.ContainsFunc(r.Simulator.Faults(), func(f simulator.Fault) bool { return f.Datastore == datastore })
}

// writeSmall writes n small resources of a type, 500 a transaction.
func writeSmall(t *testing.T, writer *fhirclient.Client, resourceType string, n int) {
	t.Helper()
	resources := make([]fhirdata.Resource, n)
	for i := range resources {
		id := fmt.Sprintf("small-%d", i)
		resources[i] = fhirdata.Resource{Type: resourceType, ID: id, Body: smallBody(resourceType, id)}
	}
	for _, transaction := range fhirdata.Transactions(resources, 500) {
		_, err := writer.Transaction(t.Context(), transaction)
		require.NoError(t, err)
	}
}
