package workflows_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
)

// ended is an execution that Temporal still knows.
type ended struct {
	status  enumspb.WorkflowExecutionStatus
	result  any
	history []*historypb.HistoryEvent
}

// runs stands for the executions in Temporal that Ledger reads.
type runs struct {
	ended map[string]ended
	asked []string
}

func (r *runs) RecordActivityHeartbeatWithOptions(context.Context, client.RecordActivityHeartbeatOptions) error {
	return nil
}

func (r *runs) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	r.asked = append(r.asked, id)
	run, ok := r.ended[id]
	if !ok {
		return nil, serviceerror.NewNotFound("no such execution")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: "run"}, Status: run.status,
	}}, nil
}

func (r *runs) GetWorkflow(_ context.Context, id, _ string) client.WorkflowRun {
	return completedRun{result: r.ended[id].result}
}

func (r *runs) GetWorkflowHistory(_ context.Context, id, _ string, _ bool, _ enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	return &iterator{events: r.ended[id].history}
}

// ListWorkflow finds executions by the beginning of their ID, the last quoted word
// of the query.
func (r *runs) ListWorkflow(_ context.Context, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	words := strings.Split(request.GetQuery(), "'")
	prefix := words[len(words)-2]
	answer := &workflowservice.ListWorkflowExecutionsResponse{}
	for id, run := range r.ended {
		if strings.HasPrefix(id, prefix) {
			answer.Executions = append(answer.Executions, &workflowpb.WorkflowExecutionInfo{
				Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: "run"}, Status: run.status,
			})
		}
	}
	return answer, nil
}

// completedRun gives a result as the SDK would: through the data converter.
type completedRun struct {
	client.WorkflowRun
	result any
}

func (r completedRun) Get(_ context.Context, value any) error {
	payload, err := converter.GetDefaultDataConverter().ToPayload(r.result)
	if err != nil {
		return err
	}
	return converter.GetDefaultDataConverter().FromPayload(payload, value)
}

type iterator struct{ events []*historypb.HistoryEvent }

func (i *iterator) HasNext() bool { return len(i.events) > 0 }

func (i *iterator) Next() (*historypb.HistoryEvent, error) {
	if len(i.events) == 0 {
		return nil, errors.New("no more events")
	}
	event := i.events[0]
	i.events = i.events[1:]
	return event, nil
}

// history builds what Temporal keeps of an execution.
type history struct {
	t      *testing.T
	events []*historypb.HistoryEvent
}

func (h *history) payloads(values ...any) *commonpb.Payloads {
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(values...)
	require.NoError(h.t, err)
	return payloads
}

func (h *history) add(event *historypb.HistoryEvent) int64 {
	event.EventId = int64(len(h.events) + 1)
	h.events = append(h.events, event)
	return event.EventId
}

func (h *history) started(input any) {
	h.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
		WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{Input: h.payloads(input)},
	}})
}

func (h *history) activity(name string, input, result any) {
	id := h.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
		ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
			ActivityType: &commonpb.ActivityType{Name: name}, Input: h.payloads(input),
		},
	}})
	h.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{
		ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{
			ScheduledEventId: id, Result: h.payloads(result),
		},
	}})
}
