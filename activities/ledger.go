package activities

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
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
	info, err := a.describe(ctx, in.WorkflowID)
	if err != nil {
		return cdc.Ledger{}, err
	}
	if isOpen(info) {
		return cdc.Ledger{}, applicationError(ctx, &cdc.Error{
			Op: "reading ledger", Class: cdc.ClassOpen,
			Advice: fmt.Sprintf("execution %s is still open", in.WorkflowID),
		})
	}
	return a.closedLedger(ctx, in.WorkflowID, info)
}

// describe finds an execution. One that is not there is an error of class
// cdc.ClassLedger.
func (a *Activities) describe(ctx context.Context, workflowID string) (*workflowpb.WorkflowExecutionInfo, error) {
	described, err := a.Runs.DescribeWorkflowExecution(ctx, workflowID, "")
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return nil, applicationError(ctx, &cdc.Error{
			Op: "reading ledger", Class: cdc.ClassLedger,
			Advice: fmt.Sprintf("no execution %s in this namespace: it never ran or is older than the retention", workflowID),
		})
	}
	if err != nil {
		return nil, fmt.Errorf("describing execution: %w", err)
	}
	return described.GetWorkflowExecutionInfo(), nil
}

// isOpen reports whether the execution has not closed.
func isOpen(info *workflowpb.WorkflowExecutionInfo) bool {
	status := info.GetStatus()
	return status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING || status == enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED
}

func (a *Activities) closedLedger(ctx context.Context, workflowID string, info *workflowpb.WorkflowExecutionInfo) (cdc.Ledger, error) {
	runID := info.GetExecution().GetRunId()
	if info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		return a.ledgerOfResult(ctx, workflowID, runID)
	}
	r, err := a.rebuildLedger(ctx, workflowID, runID, func(ctx context.Context, id string) (cdc.Ledger, error) {
		return a.Ledger(ctx, cdc.LedgerInput{WorkflowID: id})
	})
	return r.ledger, err
}

// ledgerSoFar is what an execution has published by now.
type ledgerSoFar struct {
	ledger cdc.Ledger
	// open is set when the execution has not closed; types are those that it sweeps
	// then, wanted the versions that it reads from history, and waiting is set when it
	// waits for an operator.
	open, waiting bool
	types         []string
	wanted        []cdc.Version
}

// ledgerSoFar reads what a window's run, or a slice, has published by now, without
// waiting for it to close: of an open one from its history, and the same of every
// open slice that it names. What is being published at the moment is not known yet.
func (a *Activities) ledgerSoFar(ctx context.Context, workflowID string) (ledgerSoFar, error) {
	info, err := a.describe(ctx, workflowID)
	if err != nil {
		return ledgerSoFar{}, err
	}
	if !isOpen(info) {
		ledger, err := a.closedLedger(ctx, workflowID, info)
		return ledgerSoFar{ledger: ledger}, err
	}
	r, err := a.rebuildLedger(ctx, workflowID, info.GetExecution().GetRunId(), func(ctx context.Context, id string) (cdc.Ledger, error) {
		part, err := a.ledgerSoFar(ctx, id)
		return part.ledger, err
	})
	return ledgerSoFar{ledger: r.ledger, open: true, waiting: waitsForOperator(info), types: r.types, wanted: r.given}, err
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
