package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// skipAndWait signals an execution to skip, and waits until it has: until what waited
// does not wait any more and the execution counts more as skipped. The first alone is
// not enough: an execution that is between two tries, or continues as new, waits for
// nothing at that moment. When it waits again the signal was lost and is sent again; it
// names no more than what was seen to wait.
func (c *connection) skipAndWait(ctx context.Context, id string, before cdc.Counts, waits []cdc.Wait) error {
	// For a ledger nothing is counted: the run that works without it just stops waiting for it.
	ledger := slices.ContainsFunc(waits, func(w cdc.Wait) bool { return w.Ledger })
	skippedMore := func(now cdc.Counts) bool {
		return ledger || now.Skipped+now.SkippedTypes > before.Skipped+before.SkippedTypes
	}
	limited, cancel := context.WithTimeout(ctx, signalTimeout)
	defer cancel()
	send, gone := true, false
	for {
		if send {
			if err := c.Client.SignalWorkflow(limited, id, "", cdc.SignalSkip, cdc.SkipOf(waits)); err != nil {
				return fmt.Errorf("signalling %s: %w", id, err)
			}
			send = false
		}
		info, err := c.Latest(limited, id)
		if err == nil && !cdc.IsOpen(info.GetStatus()) {
			return c.closedAfterSkip(ctx, info, skippedMore)
		}
		var now cdc.Progress
		if err == nil {
			now, err = temporal.Progress(limited, c.Client, id)
		}
		if err == nil {
			still := slices.ContainsFunc(waits, func(w cdc.Wait) bool { return stillWaits(now.Waiting, w) })
			if !still && skippedMore(now.Counts) {
				return nil
			}
			send, gone = still && gone, !still
		}
		switch sleep(limited, queryEvery); {
		case ctx.Err() != nil:
			return fmt.Errorf("interrupted: %s was told to skip; `starter status` shows whether it still waits", id)
		case limited.Err() != nil && gone:
			return fmt.Errorf("nothing was skipped in %s: what waited does not wait at the moment, perhaps because a retry worked; check `starter status`", id)
		case limited.Err() != nil:
			return fmt.Errorf("%s was told to skip and has not done so yet: check that workers run, and `starter status`", id)
		}
	}
}

// closedAfterSkip says whether an execution that has closed meanwhile skipped anything.
func (c *connection) closedAfterSkip(ctx context.Context, info *workflowpb.WorkflowExecutionInfo, skippedMore func(cdc.Counts) bool) error {
	id := info.GetExecution().GetWorkflowId()
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		return fmt.Errorf("%s has ended as %s: what it skipped is not known", id, info.GetStatus())
	}
	run := c.Client.GetWorkflow(ctx, id, info.GetExecution().GetRunId())
	var err error
	var skipped bool
	if info.GetType().GetName() == cdc.WorkflowPublishDelete {
		var result cdc.PublishDeleteResult
		err = run.Get(ctx, &result)
		skipped = result.Skipped
	} else {
		var result struct { // of a window, a slice, a replay or a backfill
			Counts cdc.Counts `json:"counts"`
		}
		err = run.Get(ctx, &result)
		skipped = skippedMore(result.Counts)
	}
	switch {
	case err != nil:
		return fmt.Errorf("reading the result of %s: %w", id, err)
	case !skipped:
		return errors.New("nothing was skipped: a retry of what waited in " + id + " worked, and it has closed")
	}
	return nil
}

// stillWaits reports whether what is skipped is among what waits; the number of versions
// may differ.
func stillWaits(waits []cdc.Wait, skipped cdc.Wait) bool {
	return slices.ContainsFunc(waits, func(w cdc.Wait) bool {
		return w.Type == skipped.Type && w.Ledger == skipped.Ledger && w.Bus == skipped.Bus && (w.Versions > 0) == (skipped.Versions > 0)
	})
}
