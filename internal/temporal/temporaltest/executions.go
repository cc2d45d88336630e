// Package temporaltest stands for Temporal in this module's tests: executions with their
// results and histories, and the gRPC server that a test's frontend is behind. The real
// server is a dependency of the devstack module, whose end-to-end tests run against it.
package temporaltest

import (
	"context"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// The states of an execution.
const (
	Completed  = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	Terminated = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
	Running    = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
)

// Execution is one that Temporal knows, with its result or its history.
type Execution struct {
	Status enumspb.WorkflowExecutionStatus
	Result any
	Events []*historypb.HistoryEvent
	// Waits is set when CdcState says that it waits for an operator.
	Waits bool
}

func (e Execution) info(id string) (*workflowpb.WorkflowExecutionInfo, error) {
	info := &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: "run"}, Status: e.Status,
	}
	if e.Waits {
		state, err := converter.GetDefaultDataConverter().ToPayload(cdc.StateWaiting)
		if err != nil {
			return nil, err
		}
		info.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{cdc.AttrState.GetName(): state}}
	}
	return info, nil
}

// Executions are those of a namespace, the latest run of each workflow ID.
type Executions map[string]Execution

// DescribeWorkflowExecution describes an execution.
func (e Executions) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	known, ok := e[id]
	if !ok {
		return nil, serviceerror.NewNotFound("no such execution")
	}
	info, err := known.info(id)
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, err
}

// GetWorkflow returns an execution's result.
func (e Executions) GetWorkflow(_ context.Context, id, _ string) client.WorkflowRun {
	return completedRun{result: e[id].Result}
}

// GetWorkflowHistory returns an execution's events.
func (e Executions) GetWorkflowHistory(_ context.Context, id, _ string, _ bool, _ enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	return &iterator{events: e[id].Events}
}

// ListWorkflow finds executions by the beginning of their ID, the last quoted word of the
// query.
func (e Executions) ListWorkflow(_ context.Context, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	words := strings.Split(request.GetQuery(), "'")
	prefix := words[len(words)-2]
	response := &workflowservice.ListWorkflowExecutionsResponse{}
	for id, known := range e {
		if !strings.HasPrefix(id, prefix) {
			continue
		}
		info, err := known.info(id)
		if err != nil {
			return nil, err
		}
		response.Executions = append(response.Executions, info)
	}
	return response, nil
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
	event := i.events[0]
	i.events = i.events[1:]
	return event, nil
}
