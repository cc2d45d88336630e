package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
)

// skipUntilTaken tells an execution to skip, and waits until it has: until what waited
// does not wait any more and the execution counts that it skipped something. That it
// does not wait is not enough: an execution that is between two tries, or is continuing
// as new, waits for nothing at that moment. When it waits again the signal was lost,
// and is sent once more; it names no more than was seen to wait.
func (c *connection) skipUntilTaken(ctx context.Context, id string, before cdc.Progress, waits []cdc.Wait) error {
	limited, cancel := context.WithTimeout(ctx, c.signalTimeout)
	defer cancel()
	send, gone := true, false
	for {
		if send {
			if err := c.client.SignalWorkflow(limited, id, "", cdc.SignalSkip, cdc.SkipOf(waits)); err != nil {
				return fmt.Errorf("signalling %s: %w", id, err)
			}
			send = false
		}
		info, err := c.describe(limited, id)
		if err == nil && !cdc.IsOpen(info.GetStatus()) {
			return c.closedSkipping(ctx, info, before, waits)
		}
		var now cdc.Progress
		if err == nil {
			now, err = c.ask(limited, id)
		}
		if err == nil {
			still := slices.ContainsFunc(waits, func(w cdc.Wait) bool { return sameWait(now.Waiting, w) })
			if !still && skippedMore(before.Counts, now.Counts, waits) {
				return nil
			}
			send, gone = still && gone, !still
		}
		switch c.pause(limited); {
		case ctx.Err() != nil:
			return fmt.Errorf("interrupted: %s is told to skip; `starter status` shows whether it waits any more", id)
		case limited.Err() != nil && gone:
			return fmt.Errorf("nothing was skipped in %s: what waited does not wait at the moment, it may have gone on by itself; ask `starter status`", id)
		case limited.Err() != nil:
			return fmt.Errorf("%s was told to skip and has not done so yet: see that workers run, and ask `starter status`", id)
		}
	}
}

// pause waits between two questions, or until ctx ends.
func (c *connection) pause(ctx context.Context) {
	timer := time.NewTimer(c.askEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// closedSkipping reads from the result of an execution that has closed meanwhile
// whether it skipped anything.
func (c *connection) closedSkipping(ctx context.Context, info *workflowpb.WorkflowExecutionInfo, before cdc.Progress, waits []cdc.Wait) error {
	id := info.GetExecution().GetWorkflowId()
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		return fmt.Errorf("%s has ended as %s: nothing more is known of what it skipped", id, info.GetStatus())
	}
	run := c.client.GetWorkflow(ctx, id, info.GetExecution().GetRunId())
	var err error
	var skipped bool
	if info.GetType().GetName() == cdc.WorkflowPublishDelete {
		var result cdc.PublishDeleteResult
		err = run.Get(ctx, &result)
		skipped = result.Skipped
	} else {
		var result struct { // of a window, a slice or a range
			Counts cdc.Counts `json:"counts"`
		}
		err = run.Get(ctx, &result)
		skipped = skippedMore(before.Counts, result.Counts, waits)
	}
	switch {
	case err != nil:
		return fmt.Errorf("reading the result of %s: %w", id, err)
	case !skipped:
		return errors.New("nothing was skipped: what waited in " + id + " went on by itself, and it has closed")
	}
	return nil
}

// skippedMore reports whether an execution counts more as skipped than before. Of a
// ledger that was given up nothing is counted: the run that does without it waits for
// it no more.
func skippedMore(before, now cdc.Counts, waits []cdc.Wait) bool {
	ledger := func(w cdc.Wait) bool { return w.Ledger }
	return now.Skipped+now.GivenUp > before.Skipped+before.GivenUp || slices.ContainsFunc(waits, ledger)
}

// sameWait reports whether the same waits still, in whatever number.
func sameWait(waits []cdc.Wait, skipped cdc.Wait) bool {
	return slices.ContainsFunc(waits, func(w cdc.Wait) bool {
		return w.Type == skipped.Type && w.Ledger == skipped.Ledger && w.Bus == skipped.Bus && (w.Versions > 0) == (skipped.Versions > 0)
	})
}
