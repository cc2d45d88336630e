package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"

	"healthlake-cdc/devstack/internal/fhirclient"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// newClockedRig starts the parts with a store whose clock the test sets.
func newClockedRig(t testing.TB, o stack.Options, env ...string) (*rig, *clock) {
	t.Helper()
	c := &clock{}
	o.Simulator.Now = c.Now
	r := newRig(t, o, env...)
	r.writer.Now = c.Now
	return r, c
}

// put writes a small resource.
func put(t *testing.T, w *fhirclient.Client, resourceType, id string) {
	t.Helper()
	_, err := w.Update(t.Context(), resourceType, id, smallBody(resourceType, id))
	require.NoError(t, err)
}

func smallBody(resourceType, id string) []byte {
	return fmt.Appendf(nil, `{"resourceType":%q,"id":%q,"language":"en"}`, resourceType, id)
}

// touched are the windows that the deliveries so far open.
func touched(deliveries []stack.Delivery) map[cdc.Window]bool {
	windows := make(map[cdc.Window]bool)
	for _, d := range deliveries {
		if d.EventName == "DeleteResource" || d.EventName == stack.NotificationOfDelete {
			continue // opens none
		}
		for _, w := range cdc.WindowsTouching(d.Datastore, d.EventTime.Add(-5*time.Second), d.EventTime.Add(time.Second)) {
			windows[w] = true
		}
	}
	return windows
}

// windows are the IDs of the CaptureWindow executions.
func (r *rig) windows(t *testing.T) []string {
	t.Helper()
	return r.ids(t, "WorkflowType='CaptureWindow'")
}

// ids are the workflow IDs that a visibility query finds, one for each run.
func (r *rig) ids(t *testing.T, query string) []string {
	t.Helper()
	all, err := r.executions(t.Context(), query)
	require.NoError(t, err)
	ids := make([]string, len(all))
	for i, info := range all {
		ids[i] = info.GetExecution().GetWorkflowId()
	}
	return ids
}

// events is the history of an execution's first run.
func (r *rig) events(t *testing.T, id string) []*historypb.HistoryEvent {
	t.Helper()
	return r.history(t, &commonpb.WorkflowExecution{WorkflowId: id}).GetHistory().GetEvents()
}

// hydrates are the results of a window's Hydrate activities, in order.
func (r *rig) hydrates(t *testing.T, id string) []cdc.HydrateResult {
	t.Helper()
	var results []cdc.HydrateResult
	for _, hydrate := range r.completions(t, id, "Hydrate") {
		var result cdc.HydrateResult
		require.NoError(t, r.data.FromPayloads(hydrate.result, &result))
		results = append(results, result)
	}
	return results
}

// completion is a completed activity.
type completion struct {
	input, result *commonpb.Payloads
	attempt       int32
}

// completions are the completed activities of that name in an execution's first run, in
// order.
func (r *rig) completions(t *testing.T, id, activity string) []completion {
	t.Helper()
	events := r.events(t, id)
	var all []completion
	for _, event := range events {
		completed := event.GetActivityTaskCompletedEventAttributes()
		if completed == nil || activityOf(events, completed.GetScheduledEventId()) != activity {
			continue
		}
		all = append(all, completion{
			input:   events[completed.GetScheduledEventId()-1].GetActivityTaskScheduledEventAttributes().GetInput(),
			result:  completed.GetResult(),
			attempt: events[completed.GetStartedEventId()-1].GetActivityTaskStartedEventAttributes().GetAttempt(),
		})
	}
	return all
}

// terminateWithSlice terminates a window whose slice cannot read its next page and has
// published everything that it read. It returns the number of events so far.
func (r *rig) terminateWithSlice(t *testing.T, window cdc.Window, slice string) int {
	t.Helper()
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.ServerError, Count: -1}))
	r.pendingActivity(t, "the slice's next page fails", slice, failing("HydratePage"))
	r.publishesNothing(t, slice)
	require.NoError(t, r.temporal.TerminateWorkflow(t.Context(), window.ID(), "", "a test"))
	r.reaches(t, slice, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED)
	events, _ := r.subscriber.Len()
	return events
}

// activityOf is the type of the activity that the event with that id scheduled.
func activityOf(events []*historypb.HistoryEvent, scheduled int64) string {
	return events[scheduled-1].GetActivityTaskScheduledEventAttributes().GetActivityType().GetName()
}

// first is the position of the first event of that kind, and of that activity
// where one is named; -1 without one.
func first(events []*historypb.HistoryEvent, kind enumspb.EventType, activity string) int {
	for i, event := range events {
		if event.GetEventType() != kind {
			continue
		}
		switch kind {
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			if activityOf(events, event.GetEventId()) == activity {
				return i
			}
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
			if activityOf(events, event.GetActivityTaskCompletedEventAttributes().GetScheduledEventId()) == activity {
				return i
			}
		default:
			return i
		}
	}
	return -1
}

// found are the changes of a type that a Hydrate brought, as "id/version".
func found(result cdc.HydrateResult, resourceType string) []string {
	var names []string
	for _, answer := range result.Pages {
		for _, change := range answer.Changes {
			if change.Type == resourceType {
				names = append(names, change.ID+"/"+change.VersionID)
			}
		}
	}
	return names
}

// searchesFor is the number of the type's searches: a worker's start makes one.
func (r *rig) searchesFor(resourceType string) int64 {
	return r.Simulator.Stats().Datastores[r.datastore()].Types[resourceType].Searches
}

// searched waits until the type was searched n times.
func (r *rig) searched(t *testing.T, resourceType string, n int64) {
	t.Helper()
	until(t, fmt.Sprintf("%d searches for %s", n, resourceType), func(context.Context) bool {
		return r.searchesFor(resourceType) >= n
	})
}

// event is the one delivery of an idempotency key.
func (r *rig) event(t *testing.T, key string) truth.Event {
	t.Helper()
	var found []truth.Event
	for _, event := range r.subscriber.Events() {
		if event.Meta.IdempotencyKey == key {
			found = append(found, event)
		}
	}
	require.Len(t, found, 1, "deliveries of one version")
	return found[0]
}

func versionKey(datastore, resourceType, id string, version int) string {
	return fmt.Sprintf("%s/%s/%s/_history/%d", datastore, resourceType, id, version)
}

// described is an execution as Temporal has it now.
func (r *rig) described(ctx context.Context, id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	described, err := r.temporal.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return nil, err
	}
	return described.RawResponse, nil
}
