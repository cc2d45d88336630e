package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// ledgerBefore reads what the run before published. A ledger that cannot be read
// waits for an operator: it is never taken for an empty one. When the operator
// gives it up, nothing that the rerun finds is published, for it may have been.
func (w *captureWindow) ledgerBefore(ctx workflow.Context) (cdc.Ledger, error) {
	read := cdc.LedgerInput{WorkflowID: w.in.Window.RerunID(w.in.Rerun - 1)}
	for tries := 1; ; tries++ {
		var before cdc.Ledger
		policy := ledgerBeforePolicy(ctx, "what the run before published")
		err := workflow.ExecuteActivity(policy, do.Ledger, read).Get(ctx, &before)
		if err == nil {
			w.unread = ""
			return before, nil
		}
		if classOf(err) != cdc.ClassLedger {
			return cdc.Ledger{}, err
		}
		if historyIsLarge(ctx) {
			return cdc.Ledger{}, workflow.NewContinueAsNewError(ctx, cdc.WorkflowCaptureWindow, w.in)
		}
		w.unread = cdc.ClassLedger
		w.describe(ctx)
		if err := w.mark.set(ctx, true); err != nil {
			return cdc.Ledger{}, err
		}
		if err := w.orders.wait(ctx, backoff(tries), "the ledger of the run before cannot be read"); err != nil {
			return cdc.Ledger{}, err
		}
		_, skips := w.orders.take()
		if slices.ContainsFunc(skips, func(s cdc.Skip) bool { return s.Ledger }) {
			w.unread, w.in.Skip = "", true
			return cdc.Ledger{}, nil
		}
	}
}

// heed carries out what an operator has ordered meanwhile, and keeps CdcState
// true.
func (w *captureWindow) heed(ctx workflow.Context) error {
	retry, skips := w.orders.take()
	if retry {
		w.retry(ctx)
	}
	for _, skip := range skips {
		w.skip(ctx, skip)
	}
	if retry || len(skips) > 0 {
		w.describe(ctx)
	}
	if w.done() {
		return nil // close upserts
	}
	return w.mark.set(ctx, w.waits())
}

// waits tells whether anything waits for an operator.
func (w *captureWindow) waits() bool {
	return w.unread != "" || w.refused.wait() || w.wanted.wait() ||
		slices.ContainsFunc(w.types, func(t cdc.TypeState) bool { return !t.Closed && t.Refused.NeedsOperator() })
}

// retry makes everything that was refused due at once.
func (w *captureWindow) retry(ctx workflow.Context) {
	now := workflow.Now(ctx)
	for i := range w.types {
		t := &w.types[i]
		if !t.Closed && w.slices[i] == nil && t.Refused.NeedsOperator() {
			t.Due = now
		}
	}
	w.refused.hurry(now)
	w.wanted.hurry(now)
}

// skip gives up what an operator names, as far as it waits.
func (w *captureWindow) skip(ctx workflow.Context, skip cdc.Skip) {
	for _, name := range skip.Versions {
		given := w.refused.giveUp(name)
		w.counts.Skipped += given.Len()
		w.takeIn(name, cdc.TypeLedger{Skipped: given})
		workflow.GetLogger(ctx).Warn("an operator gave up what EventBridge refuses", "type", name, "versions", given.Len())
	}
	w.skipWanted(ctx, skip.Types)
	for i := range w.types {
		t := &w.types[i]
		if !t.Closed && w.slices[i] == nil && t.Refused.NeedsOperator() && slices.Contains(skip.Types, t.Type) {
			workflow.GetLogger(ctx).Warn("an operator gave up a type that cannot be read", "type", t.Type, "class", t.Refused)
			w.counts.GivenUp++
			w.giveUp(t)
		}
	}
}

// giveUp closes a type without its being swept.
func (w *captureWindow) giveUp(t *cdc.TypeState) {
	*t = cdc.TypeState{Type: t.Type, Pass: t.Pass, Delay: t.Delay, Due: t.Due, Closed: true}
	w.refused.forget(t.Type)
}

// takeIn puts into the ledger what there is to put: an entry of its own would
// make the type count as swept.
func (w *captureWindow) takeIn(resourceType string, taken cdc.TypeLedger) {
	if taken.Published.Len()+taken.Skipped.Len() == 0 {
		return
	}
	entry := w.ledger.Type(resourceType)
	entry.Published.Merge(taken.Published)
	entry.Skipped.Merge(taken.Skipped)
}
