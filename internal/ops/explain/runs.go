package explain

import (
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/ledger"
	"healthlake-cdc/internal/temporal"
)

// maxGaps is how many runs in a row may be missing before no further one is looked for:
// the first runs of a window expire before its reruns.
const maxGaps = 4

// findRuns finds the runs of the window, which of them has the version, and the activities
// that are under way in the open one.
func (e *Explainer) findRuns(ctx context.Context, f *facts) (pending []*workflowpb.PendingActivityInfo, err error) {
	var unreadable error
	for n, gaps := 0, 0; gaps < maxGaps; n++ {
		id := f.window.RerunID(n)
		described, err := e.Executions.Describe(ctx, id)
		if err != nil {
			return nil, err
		}
		var in cdc.CaptureWindowInput
		if described != nil {
			err = e.Executions.Input(ctx, id, "", &in)
		}
		if described == nil || temporal.IsNotFound(err) {
			gaps++
			continue
		}
		if err != nil {
			return nil, err
		}
		gaps = 0
		info := described.GetWorkflowExecutionInfo()
		run := &Run{
			WorkflowID: id, Status: statusText(info.GetStatus()), Started: info.GetStartTime().AsTime(), URL: e.url(id),
			CapturedBy: in.CapturedBy, SourceTime: in.SourceTime, Skips: in.Skip,
		}
		if info.GetCloseTime() != nil {
			run.Closed = info.GetCloseTime().AsTime()
		}
		if cdc.IsOpen(info.GetStatus()) {
			f.open, f.openTypes, pending = run, in.Types, described.GetPendingActivities()
		} else if has, err := e.ledger(ctx, id); err != nil {
			unreadable = err
		} else {
			run.Searched, run.Has = has.Swept(f.request.Type), has.Has(f.found.version)
			if run.Has && f.holder == nil {
				f.holder, f.skippedInLedger = run, !has.HasPublished(f.found.version)
			}
		}
		f.runs = append(f.runs, run)
	}
	if f.open == nil && f.holder == nil {
		return nil, unreadable
	}
	return pending, nil
}

func (e *Explainer) ledger(ctx context.Context, id string) (cdc.Ledger, error) {
	found, err := ledger.Reader{Executions: e.Executions}.Closed(ctx, id)
	if cdc.ClassOf(err) == cdc.ClassStillOpen {
		err = fmt.Errorf("a slice of %s has not closed yet: try again in a moment", id)
	} else if err != nil {
		err = fmt.Errorf("reading the ledger of %s: %w", id, err)
	}
	return found, err
}

func statusText(status enumspb.WorkflowExecutionStatus) string {
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
	default:
		return "failed"
	}
}
