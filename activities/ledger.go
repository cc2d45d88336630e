package activities

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/internal/cdc"
)

// Runs is what Ledger asks of Temporal.
type Runs interface {
	GetWorkflow(ctx context.Context, workflowID, runID string) client.WorkflowRun
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	GetWorkflowHistory(ctx context.Context, workflowID, runID string, isLongPoll bool, filter enumspb.HistoryEventFilterType) client.HistoryEventIterator
	ListWorkflow(ctx context.Context, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
}

// Ledger reads what a closed window's run, or a closed slice, has published: by
// its result where it completed, else from its history. One that is still open
// is an error, retried until it has closed; so is one that cannot be read: a
// ledger that is not known is never taken for an empty one.
func (a *Activities) Ledger(ctx context.Context, in cdc.LedgerInput) (cdc.Ledger, error) {
	described, err := a.Runs.DescribeWorkflowExecution(ctx, in.WorkflowID, "")
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return cdc.Ledger{}, applicationError(ctx, &cdc.Error{
			Op: "reading ledger", Class: cdc.ClassLedger,
			Advice: fmt.Sprintf("no execution %s in this namespace: it never ran or is older than the retention", in.WorkflowID),
		})
	}
	if err != nil {
		return cdc.Ledger{}, fmt.Errorf("describing execution: %w", err)
	}
	info := described.GetWorkflowExecutionInfo()
	switch info.GetStatus() {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED:
		return cdc.Ledger{}, applicationError(ctx, &cdc.Error{
			Op: "reading ledger", Class: cdc.ClassOpen,
			Advice: fmt.Sprintf("execution %s is still open", in.WorkflowID),
		})
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return a.ledgerOfResult(ctx, in.WorkflowID, info.GetExecution().GetRunId())
	default:
		return a.ledgerOfHistory(ctx, in.WorkflowID, info.GetExecution().GetRunId())
	}
}

func (a *Activities) ledgerOfResult(ctx context.Context, workflowID, runID string) (cdc.Ledger, error) {
	run := a.Runs.GetWorkflow(ctx, workflowID, runID)
	if _, resourceType, _, _, err := cdc.ParseSliceID(workflowID); err == nil {
		var result cdc.CaptureSliceResult
		if err := run.Get(ctx, &result); err != nil {
			return cdc.Ledger{}, a.unreadResult(ctx, workflowID, err)
		}
		var ledger cdc.Ledger
		return ledger, takeSlice(&ledger, resourceType, result)
	}
	var result cdc.CaptureWindowResult
	if err := run.Get(ctx, &result); err != nil {
		return cdc.Ledger{}, a.unreadResult(ctx, workflowID, err)
	}
	return result.Ledger, nil
}

// unreadResult is the error of a result that was not read: Temporal's own, which
// passes, or that the result cannot be decoded, which is an operator's matter.
func (a *Activities) unreadResult(ctx context.Context, workflowID string, err error) error {
	var service serviceerror.ServiceError
	var notFound *serviceerror.NotFound
	switch {
	case errors.As(err, &notFound):
		return applicationError(ctx, &cdc.Error{
			Op: "reading ledger", Class: cdc.ClassLedger,
			Advice: fmt.Sprintf("execution %s is gone: it is older than the retention", workflowID),
		})
	case errors.As(err, &service) || ctx.Err() != nil:
		return fmt.Errorf("reading result: %w", err)
	default:
		return applicationError(ctx, &cdc.Error{
			Op: "reading ledger", Class: cdc.ClassLedger,
			Advice: fmt.Sprintf("result of %s cannot be decoded: is its payload key in CDC_PAYLOAD_KEYS?", workflowID),
		})
	}
}
