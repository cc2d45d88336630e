package ledger

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

const (
	completed  = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	terminated = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
	running    = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
)

// execution is one that Temporal knows, with its result or its history.
type execution struct {
	status enumspb.WorkflowExecutionStatus
	result any
	events []*historypb.HistoryEvent
}

type executions map[string]execution

func (e executions) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	known, ok := e[id]
	if !ok {
		return nil, serviceerror.NewNotFound("no such execution")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Status: known.status}}, nil
}

func (e executions) GetWorkflow(_ context.Context, id, _ string) client.WorkflowRun {
	return finished{result: e[id].result}
}

func (e executions) GetWorkflowHistory(_ context.Context, id, _ string, _ bool, _ enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	return &eventIterator{events: e[id].events}
}

func (e executions) ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	return nil, errors.New("ledgers are read by ID")
}

type finished struct {
	client.WorkflowRun
	result any
}

func (f finished) Get(_ context.Context, value any) error {
	payload, err := converter.GetDefaultDataConverter().ToPayload(f.result)
	if err != nil {
		return err
	}
	return converter.GetDefaultDataConverter().FromPayload(payload, value)
}

type eventIterator struct{ events []*historypb.HistoryEvent }

func (i *eventIterator) HasNext() bool { return len(i.events) > 0 }

func (i *eventIterator) Next() (*historypb.HistoryEvent, error) {
	event := i.events[0]
	i.events = i.events[1:]
	return event, nil
}

// recorded builds a history.
type recorded struct{ events []*historypb.HistoryEvent }

func encode(values ...any) *commonpb.Payloads {
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(values...)
	if err != nil {
		panic(err)
	}
	return payloads
}

func (r *recorded) add(event *historypb.HistoryEvent) int64 {
	event.EventId = int64(len(r.events) + 1)
	r.events = append(r.events, event)
	return event.EventId
}

func begun(input any) *recorded {
	r := &recorded{}
	r.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
		WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{Input: encode(input)},
	}})
	return r
}

func (r *recorded) scheduled(name string, input any) int64 {
	return r.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
		ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
			ActivityType: &commonpb.ActivityType{Name: name}, Input: encode(input),
		},
	}})
}

func (r *recorded) did(name string, input, result any) *recorded {
	id := r.scheduled(name, input)
	r.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{
		ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{
			ScheduledEventId: id, Result: encode(result),
		},
	}})
	return r
}

// ended is a Publish that did not complete and had these accepted.
func (r *recorded) ended(how string, in cdc.PublishInput, ids []string) *recorded {
	id := r.scheduled("Publish", in)
	event := &historypb.HistoryEvent{}
	switch how {
	case "failed":
		event.Attributes = &historypb.HistoryEvent_ActivityTaskFailedEventAttributes{
			ActivityTaskFailedEventAttributes: &historypb.ActivityTaskFailedEventAttributes{ScheduledEventId: id, Failure: &failurepb.Failure{
				FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Details: encode(ids)}},
			}},
		}
	case "timed out":
		event.Attributes = &historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes{
			ActivityTaskTimedOutEventAttributes: &historypb.ActivityTaskTimedOutEventAttributes{ScheduledEventId: id, Failure: &failurepb.Failure{
				FailureInfo: &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{LastHeartbeatDetails: encode(ids)}},
			}},
		}
	default: // cancelled: it says so in its result
		event.Attributes = &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{
			ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{
				ScheduledEventId: id, Result: encode(cdc.PublishResult{EventIDs: ids}),
			},
		}
	}
	r.add(event)
	return r
}

func (r *recorded) sliceStarted(id string) *recorded {
	r.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ChildWorkflowExecutionStartedEventAttributes{
		ChildWorkflowExecutionStartedEventAttributes: &historypb.ChildWorkflowExecutionStartedEventAttributes{
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
		},
	}})
	return r
}

func (r *recorded) sliceCompleted(id string, result any) *recorded {
	r.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ChildWorkflowExecutionCompletedEventAttributes{
		ChildWorkflowExecutionCompletedEventAttributes: &historypb.ChildWorkflowExecutionCompletedEventAttributes{
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id}, Result: encode(result),
		},
	}})
	return r
}

// batch is a Publish's input of versions named by letters, and a result that
// accepted all of them but the rejected, which begin with "!".
func batch(resourceType string, ids ...string) (cdc.PublishInput, cdc.PublishResult) {
	var in cdc.PublishInput
	var out cdc.PublishResult
	for i, id := range ids {
		name := id
		if id[0] == '!' {
			name = id[1:]
			out.EventIDs = append(out.EventIDs, "")
			out.Rejected = append(out.Rejected, cdc.Rejection{Index: i, Code: "Rejected"})
		} else {
			out.EventIDs = append(out.EventIDs, "event")
		}
		in.Changes = append(in.Changes, cdc.Change{Version: version(resourceType, name), Body: []byte("{}")})
	}
	return in, out
}

func version(resourceType, id string) cdc.Version {
	return cdc.Version{Type: resourceType, ID: id, VersionID: "1", LastUpdated: "2026-03-01T12:00:01.000Z"}
}

// salt is that of every ledger.
var salt = cdc.Salt{1, 2, 3}

func hashes(resourceType string, ids ...string) cdc.HashSet {
	var set cdc.HashSet
	for _, id := range ids {
		set.Add(salt.Hash(version(resourceType, id)))
	}
	return set
}

func ledgerWith(resourceType string, ids ...string) cdc.Ledger {
	ledger := cdc.Ledger{Salt: salt}
	ledger.Type(resourceType).Published = hashes(resourceType, ids...)
	return ledger
}

func reader(e executions) Reader {
	return Reader{Executions: temporal.Executions{Client: e, Data: converter.GetDefaultDataConverter()}}
}

func readLedger(e executions, id string) (cdc.Ledger, error) {
	return reader(e).Closed(context.Background(), id)
}

func requireSame(t *testing.T, want, got cdc.Ledger) {
	t.Helper()
	require.Equal(t, want.Names(), got.Names())
	for _, name := range want.Names() {
		require.Equal(t, want.Types[name].Published.Sorted(), got.Types[name].Published.Sorted(), name)
	}
}
