package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// skipAndWait signals an execution to skip, and waits until it has: until what waited
// does not wait any more and the execution counts more as skipped. The first alone is
// not enough: an execution that is between two tries, or continues as new, waits for
// nothing at that moment. When it waits again the signal was lost and is sent again; it
// names no more than what was seen to wait. One that has closed is queried like one that
// is open.
func (c *connection) skipAndWait(ctx context.Context, id string, before cdc.Counts, waits []cdc.Wait) error {
	// For a ledger nothing is counted: the run that works without it just stops waiting for it.
	ledger := slices.ContainsFunc(waits, func(w cdc.Wait) bool { return w.Ledger })
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
		closed := err == nil && !cdc.IsOpen(info.GetStatus())
		if closed && info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
			return fmt.Errorf("%s has ended as %s: what it skipped is not known", id, info.GetStatus())
		}
		if now, err := temporal.Progress(limited, c.Client, id); err == nil {
			still := slices.ContainsFunc(waits, func(w cdc.Wait) bool { return stillWaits(now.Waiting, w) })
			more := now.Counts.Skipped+now.Counts.SkippedTypes > before.Skipped+before.SkippedTypes
			switch {
			case !still && (more || ledger):
				return nil
			case closed:
				return errors.New("nothing was skipped: a retry of what waited in " + id + " worked, and it has closed")
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

// stillWaits reports whether what is skipped is among what waits; the number of versions
// may differ.
func stillWaits(waits []cdc.Wait, skipped cdc.Wait) bool {
	return slices.ContainsFunc(waits, func(w cdc.Wait) bool {
		return w.Type == skipped.Type && w.Ledger == skipped.Ledger && w.Bus == skipped.Bus && (w.Versions > 0) == (skipped.Versions > 0)
	})
}
