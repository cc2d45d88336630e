package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// readLedgerBefore reads what the run before a rerun published. A ledger that cannot be
// read waits for an operator: it is never treated as empty. When the operator skips it,
// nothing that the rerun finds is published, for it may have been.
func (w *captureWindow) readLedgerBefore(ctx workflow.Context) error {
	if w.in.Rerun == 0 || w.in.Resume != nil {
		return nil
	}
	var before cdc.Ledger
	read := cdc.LedgerInput{WorkflowID: w.in.Window.RerunID(w.in.Rerun - 1)}
	for {
		policy := ledgerPolicy(ctx, "what the run before published")
		err := workflow.ExecuteActivity(policy, do.Ledger, read).Get(ctx, &before)
		if err == nil {
			break
		}
		if err := retryLater(ctx, &w.ledgerRetry, err); err != nil {
			return err
		}
		skips, err := w.operator.wait(ctx, w.ledgerRetry.Due, "the ledger of the run before cannot be read")
		if err != nil {
			return err
		}
		if slices.ContainsFunc(skips, func(s cdc.Skip) bool { return s.Ledger }) {
			w.in.Skip = true
			break
		}
		if historyIsLarge(ctx) {
			return workflow.NewContinueAsNewError(ctx, cdc.WorkflowCaptureWindow, w.in)
		}
	}
	w.ledgerRetry = cdc.Retry{}
	if err := w.ledger.Merge(before); err != nil {
		return invalidInput(err.Error())
	}
	if w.ledger.Salt.IsZero() {
		w.ledger.Salt = w.in.Salt // nothing of the run before is known
	}
	w.rejected.salt = w.ledger.Salt
	for _, t := range w.types {
		t.Confirm = w.ledger.Known(t.Type).Len() > 0
	}
	return nil
}

// handleSignals does what an operator has asked for, and shows what that has changed.
func (w *captureWindow) handleSignals(ctx workflow.Context) error {
	retryNow, skips := w.operator.signals()
	if retryNow {
		w.retryNow(ctx)
	}
	for _, skip := range skips {
		w.skip(ctx, skip)
	}
	if w.done() {
		return nil // it ends now, and operator.close sets CdcState
	}
	return w.operator.show(ctx)
}

// anyFailing reports whether the last try at any type failed.
func (w *captureWindow) anyFailing() bool {
	return slices.ContainsFunc(w.types, func(t *windowType) bool { return len(t.Lost) == 0 && t.Retry.Failing() })
}

func (w *captureWindow) retryNow(ctx workflow.Context) {
	now := workflow.Now(ctx)
	for _, t := range w.steps() {
		if t.Retry.Failing() {
			t.Due = now
		}
	}
	w.rejected.retryNow(now)
}

// skip skips what an operator names, as far as it waits.
func (w *captureWindow) skip(ctx workflow.Context, skip cdc.Skip) {
	for _, name := range skip.Versions {
		skipped := w.rejected.skip(ctx, name)
		w.counts.Skipped += skipped.Len()
		w.addToLedger(name, cdc.TypeLedger{Skipped: skipped})
	}
	for _, t := range w.steps() {
		switch {
		case !t.Retry.Failing():
		case len(t.Lost) > 0 && skip.Ledger:
			workflow.GetLogger(ctx).Warn("an operator skipped the ledger of a slice: what it published is published again", "type", t.Type)
			t.restartPages(ctx)
		case len(t.Lost) > 0 || !slices.Contains(skip.Types, t.Type):
		case len(t.versions) > 0:
			workflow.GetLogger(ctx).Warn("an operator skipped wanted versions that cannot be read",
				"type", t.Type, "class", t.Retry.Class, "versions", len(t.versions))
			w.skipVersions(t.Type, t.versions)
			t.versions = nil
		default:
			workflow.GetLogger(ctx).Warn("an operator skipped a type that cannot be read", "type", t.Type, "class", t.Retry.Class)
			w.counts.SkippedTypes++
			w.closeUnread(t)
		}
	}
}

// closeUnswept closes the types that the store has not given for cdc.UnsweptAfter. Where
// there are no audits they wait for an operator.
func (w *captureWindow) closeUnswept(ctx workflow.Context) {
	if !w.in.Audited {
		return
	}
	now := workflow.Now(ctx)
	unswept := make(map[string]cdc.Class)
	for _, t := range w.steps() {
		if len(t.Lost) > 0 || t.Retry.FailingFor(now) < cdc.UnsweptAfter {
			continue
		}
		unswept[t.Type] = t.Retry.Class
		if len(t.versions) > 0 {
			t.versions = nil
			continue
		}
		w.counts.Unswept++
		w.closeUnread(t)
	}
	reportUnswept(ctx, w.origin.Datastore, unswept)
}

func reportUnswept(ctx workflow.Context, datastore string, types map[string]cdc.Class) {
	for _, name := range sortedKeys(types) {
		workflow.GetLogger(ctx).Warn("a type that the store has not given for an hour is closed unswept; an audit captures it when it can be read again",
			"datastore", datastore, "type", name, "class", types[name])
		countType(ctx, "healthlake_cdc_types_unswept", datastore, name)
	}
}

// closeUnread closes a type that was not searched to its end. What EventBridge rejected of
// it before a continue-as-new is not in the ledger: an audit finds it.
func (w *captureWindow) closeUnread(t *windowType) {
	t.TypeState = cdc.TypeState{Type: t.Type, Pass: t.Pass, Delay: t.Delay, Due: t.Due, Closed: true}
	delete(w.rejected.carried, t.Type)
}

// addToLedger puts versions into the ledger, if there are any: an entry of its own would
// count the type as swept.
func (w *captureWindow) addToLedger(resourceType string, known cdc.TypeLedger) {
	if known.Published.Len()+known.Skipped.Len() == 0 {
		return
	}
	w.ledger.Type(resourceType).Merge(known)
}
