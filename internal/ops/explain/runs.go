package explain

import (
	"context"
	"fmt"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/ledger"
	"healthlake-cdc/internal/temporal"
)

// maxGaps is how many runs in a row may be missing before no further one is looked for:
// the first runs of a window expire before its reruns.
const maxGaps = 4

// findRuns finds the runs of the window, which of them has the version, and the activities
// that are under way in the open one.
func (e *Explainer) findRuns(ctx context.Context, window cdc.Window, x *explanation) error {
	var unreadable error
	for n, gaps := 0, 0; gaps < maxGaps; n++ {
		id := window.RerunID(n)
		described, err := e.Executions.Client.DescribeWorkflowExecution(ctx, id, "")
		var in cdc.CaptureWindowInput
		if err == nil {
			err = e.Executions.Input(ctx, id, "", &in)
		}
		if temporal.IsNotFound(err) {
			gaps++
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the run %s: %w", id, err)
		}
		gaps = 0
		info := described.GetWorkflowExecutionInfo()
		run := &Run{
			WorkflowID: id, Status: temporal.StatusText(info.GetStatus()), URL: e.url(id),
			CapturedBy: in.CapturedBy, SourceTime: in.SourceTime, Skips: in.Skip,
		}
		if info.GetCloseTime() != nil {
			run.Closed = info.GetCloseTime().AsTime()
		}
		if cdc.IsOpen(info.GetStatus()) {
			x.open, x.openTypes, x.pending = run, in.Types, described.GetPendingActivities()
		}
		if found, err := (ledger.Reader{Executions: e.Executions}).Current(ctx, id); err != nil {
			unreadable = fmt.Errorf("reading the ledger of %s: %w", id, err)
		} else {
			run.Searched, run.Has = found.Ledger.Swept(x.Type), found.Ledger.Has(x.version)
			if run.Has && x.holder == nil {
				x.holder, x.skipped = run, !found.Ledger.HasPublished(x.version)
			}
		}
		x.Window.Runs = append(x.Window.Runs, run)
	}
	if x.open == nil && x.holder == nil {
		return unreadable
	}
	return nil
}
