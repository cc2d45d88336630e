package audit

import (
	"context"
	"strings"
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
	sdktemporal "go.temporal.io/sdk/temporal"

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
	// waits is set when CdcState says that it waits for an operator.
	waits bool
}

type executions map[string]execution

func (e executions) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	known, ok := e[id]
	if !ok {
		return nil, serviceerror.NewNotFound("no such execution")
	}
	info := &workflowpb.WorkflowExecutionInfo{Status: known.status}
	if known.waits {
		state, err := converter.GetDefaultDataConverter().ToPayload(cdc.StateWaiting)
		if err != nil {
			return nil, err
		}
		info.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{cdc.AttrState.GetName(): state}}
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, nil
}

func (e executions) GetWorkflow(_ context.Context, id, _ string) client.WorkflowRun {
	return finished{result: e[id].result}
}

func (e executions) GetWorkflowHistory(_ context.Context, id, _ string, _ bool, _ enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	return &eventIterator{events: e[id].events}
}

// ListWorkflow finds executions by the beginning of their ID, the last quoted word
// of the query.
func (e executions) ListWorkflow(_ context.Context, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	words := strings.Split(request.GetQuery(), "'")
	prefix := words[len(words)-2]
	answer := &workflowservice.ListWorkflowExecutionsResponse{}
	for id, known := range e {
		if strings.HasPrefix(id, prefix) {
			answer.Executions = append(answer.Executions, &workflowpb.WorkflowExecutionInfo{
				Execution: &commonpb.WorkflowExecution{WorkflowId: id}, Status: known.status,
			})
		}
	}
	return answer, nil
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

func version(resourceType, id string) cdc.Version {
	return cdc.Version{Type: resourceType, ID: id, VersionID: "1", LastUpdated: "2026-03-01T12:00:01.000Z"}
}

// salt is that of every ledger.
var salt = cdc.Salt{1, 2, 3}

// executionsOf lets activities read these executions.
func executionsOf(client temporal.Client) temporal.Executions {
	return temporal.Executions{Client: client, Data: converter.GetDefaultDataConverter()}
}

func requireClass(t *testing.T, class cdc.Class, err error) {
	t.Helper()
	failure, ok := err.(*sdktemporal.ApplicationError) //nolint:errorlint // it must be the outermost error
	require.True(t, ok, "an activity's error is Temporal's own: %v", err)
	require.Equal(t, string(class), failure.Type())
	require.False(t, failure.NonRetryable())
}
