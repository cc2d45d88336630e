package temporal

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
)

// ErrUndecodable is of a payload that our keys do not decrypt, that is of another
// workflow, or that has another form than what we write.
var ErrUndecodable = errors.New("cannot be decoded")

// Client is what [Executions] calls of the SDK's client.
type Client interface {
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	GetWorkflow(ctx context.Context, workflowID, runID string) client.WorkflowRun
	GetWorkflowHistory(ctx context.Context, workflowID, runID string, isLongPoll bool, filter enumspb.HistoryEventFilterType) client.HistoryEventIterator
	ListWorkflow(ctx context.Context, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
}

// Executions reads the executions of a namespace. An empty run ID stands for the latest
// run.
type Executions struct {
	Client Client
	// Data decodes payloads of any workflow: see [Executions.ConverterOf].
	Data converter.DataConverter
}

// ConverterOf is the data converter for payloads of one workflow. It fails for those that
// were written for another one, but for what the SDK encodes without saying of which
// workflow it is: failures, and what a cancelled workflow returns.
func (e Executions) ConverterOf(workflowID string) converter.DataConverter {
	return converter.WithDataConverterSerializationContext(e.Data, converter.WorkflowSerializationContext{WorkflowID: workflowID})
}

// Latest returns the latest run of a workflow ID, nil when there is none.
func (e Executions) Latest(ctx context.Context, workflowID string) (*workflowpb.WorkflowExecutionInfo, error) {
	described, err := e.Client.DescribeWorkflowExecution(ctx, workflowID, "")
	if IsNotFound(err) {
		return nil, nil //nolint:nilnil // none
	}
	if err != nil {
		return nil, fmt.Errorf("describing %s: %w", workflowID, err)
	}
	return described.GetWorkflowExecutionInfo(), nil
}

// IsNotFound reports whether Temporal has no such execution: there never was one, or it
// is older than the namespace's retention.
func IsNotFound(err error) bool {
	_, ok := errors.AsType[*serviceerror.NotFound](err)
	return ok
}

// Visit calls visit for each event of a run's history. An error of visit is of a
// payload that it cannot decode, and ends it.
func (e Executions) Visit(ctx context.Context, workflowID, runID string, visit func(*historypb.HistoryEvent) error) error {
	events := e.Client.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return fmt.Errorf("reading the history of %s: %w", workflowID, err)
		}
		if err := visit(event); err != nil {
			return undecodable("the history of "+workflowID, err)
		}
	}
	return nil
}

// Input decodes what a run was started with: the input of its history's first event.
func (e Executions) Input(ctx context.Context, workflowID, runID string, input any) error {
	events := e.Client.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return serviceerror.NewNotFound(workflowID + " has no history: it has just expired")
	}
	first, err := events.Next()
	if err != nil {
		return fmt.Errorf("reading the history of %s: %w", workflowID, err)
	}
	if err := e.ConverterOf(workflowID).FromPayloads(first.GetWorkflowExecutionStartedEventAttributes().GetInput(), input); err != nil {
		return undecodable("the input of "+workflowID, err)
	}
	return nil
}

// Result decodes what a completed run returned.
func (e Executions) Result(ctx context.Context, workflowID, runID string, result any) error {
	err := e.Client.GetWorkflow(ctx, workflowID, runID).Get(ctx, result)
	var service serviceerror.ServiceError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &service) || ctx.Err() != nil:
		return fmt.Errorf("reading the result of %s: %w", workflowID, err)
	default:
		return undecodable("the result of "+workflowID, err)
	}
}

// undecodable is the error of a payload. The decoder's own may quote what it could not
// decode: it is left out.
func undecodable(what string, err error) error {
	return fmt.Errorf("%s %w: %w", what, ErrUndecodable, payload.Reason(err))
}

// WaitsForOperator reports whether an execution says so by CdcState, where our search
// attributes are registered. They do not pass through our codec.
func WaitsForOperator(info *workflowpb.WorkflowExecutionInfo) bool {
	var state string
	value := info.GetSearchAttributes().GetIndexedFields()[cdc.AttrState.GetName()]
	return value != nil && converter.GetDefaultDataConverter().FromPayload(value, &state) == nil && state == cdc.StateWaiting
}

// StatusText is the status of an execution in plain words.
func StatusText(status enumspb.WorkflowExecutionStatus) string {
	if cdc.IsOpen(status) {
		return "open"
	}
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return "closed"
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return "terminated"
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return "cancelled"
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return "timed out"
	default:
		return "failed"
	}
}
