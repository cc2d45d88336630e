// Package ledger reads what windows and slices have published: the ledger that a
// completed one returns, and the one that is rebuilt from the history of any other.
//
// A ledger that cannot be read is an error of class [cdc.ClassLedgerUnreadable], and never an
// empty ledger.
package ledger

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// Reader reads ledgers. Its errors are *cdc.Error, or those of Temporal.
type Reader struct {
	Executions temporal.Executions
}

// Closed reads what a window's run, or a slice, has published. One that is open, or
// that has an open slice, is an error of class [cdc.ClassStillOpen].
func (r Reader) Closed(ctx context.Context, workflowID string) (cdc.Ledger, error) {
	info, err := r.latest(ctx, workflowID)
	if err != nil {
		return cdc.Ledger{}, err
	}
	if cdc.IsOpen(info.GetStatus()) {
		return cdc.Ledger{}, &cdc.Error{
			Op: "reading ledger", Class: cdc.ClassStillOpen, Advice: fmt.Sprintf("execution %s is still open", workflowID),
		}
	}
	return r.closed(ctx, workflowID, info)
}

// Current is what an execution has published by now.
type Current struct {
	Ledger cdc.Ledger
	// Open is set when the execution has not closed, and Waiting when it waits for an
	// operator. It searches these types then, and reads the wanted versions from
	// history.
	Open, Waiting bool
	Types         []string
	Wanted        []cdc.Version
}

// Current reads what a window's run, or a slice, has published by now: of an open one
// from its history, and the same of every open slice that it names. What is being
// published at the moment is not known yet.
func (r Reader) Current(ctx context.Context, workflowID string) (Current, error) {
	info, err := r.latest(ctx, workflowID)
	if err != nil {
		return Current{}, err
	}
	if !cdc.IsOpen(info.GetStatus()) {
		ledger, err := r.closed(ctx, workflowID, info)
		return Current{Ledger: ledger}, err
	}
	run, err := r.rebuild(ctx, info.GetExecution().GetRunId(), workflowID, func(ctx context.Context, id string) (cdc.Ledger, error) {
		part, err := r.Current(ctx, id)
		return part.Ledger, err
	})
	return Current{
		Ledger: run.ledger, Open: true, Waiting: temporal.WaitsForOperator(info), Types: run.in.Types, Wanted: run.in.Wanted,
	}, err
}

func (r Reader) latest(ctx context.Context, workflowID string) (*workflowpb.WorkflowExecutionInfo, error) {
	info, err := r.Executions.Latest(ctx, workflowID)
	if err == nil && info == nil {
		err = ledgerUnreadable("no execution %s in this namespace: it never ran or is older than the retention", workflowID)
	}
	return info, err
}

// closed reads the ledger of a closed run: its result, or else its history.
func (r Reader) closed(ctx context.Context, workflowID string, info *workflowpb.WorkflowExecutionInfo) (cdc.Ledger, error) {
	runID := info.GetExecution().GetRunId()
	if info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		return r.ofResult(ctx, workflowID, runID)
	}
	run, err := r.rebuild(ctx, runID, workflowID, r.Closed)
	return run.ledger, err
}

func (r Reader) ofResult(ctx context.Context, workflowID, runID string) (cdc.Ledger, error) {
	if _, resourceType, _, _, err := cdc.ParseSliceID(workflowID); err == nil {
		var result cdc.CaptureSliceResult
		if err := r.Executions.Result(ctx, workflowID, runID, &result); err != nil {
			return cdc.Ledger{}, classed(err)
		}
		var ledger cdc.Ledger
		return ledger, mergeSlice(&ledger, resourceType, result)
	}
	var result cdc.CaptureWindowResult
	err := r.Executions.Result(ctx, workflowID, runID, &result)
	return result.Ledger, classed(err)
}

// classed gives an error the class [cdc.ClassLedgerUnreadable] when it lasts: what was read has
// expired or cannot be decoded. Other errors are Temporal's, and pass.
func classed(err error) error {
	switch {
	case temporal.IsNotFound(err):
		return ledgerUnreadable("%v: it is older than the retention", err)
	case errors.Is(err, temporal.ErrUndecodable):
		return ledgerUnreadable("%v: is its payload key in CDC_PAYLOAD_KEYS?", err)
	default:
		return err
	}
}

func ledgerUnreadable(format string, args ...any) error {
	return &cdc.Error{Op: "reading ledger", Class: cdc.ClassLedgerUnreadable, Advice: fmt.Sprintf(format, args...)}
}
