package workflows

import (
	"slices"
	"strings"

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
		class, retryAfter, ok := failed(ctx, err)
		if !ok {
			return err
		}
		w.before.Failed(workflow.Now(ctx), class, retryAfter)
		w.describe(ctx)
		if err := w.operator.show(ctx, w.waiting(ctx)); err != nil {
			return err
		}
		if err := w.operator.sleep(ctx, w.before.Due, "the ledger of the run before cannot be read"); err != nil {
			return err
		}
		_, skips := w.operator.signals()
		if slices.ContainsFunc(skips, func(s cdc.Skip) bool { return s.Ledger }) {
			w.in.Skip = true
			break
		}
		if historyIsLarge(ctx) {
			return workflow.NewContinueAsNewError(ctx, cdc.WorkflowCaptureWindow, w.in)
		}
	}
	w.before = cdc.Retry{}
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

// handleSignals does what an operator has asked for, and keeps CdcState.
func (w *captureWindow) handleSignals(ctx workflow.Context) error {
	retryNow, skips := w.operator.signals()
	if retryNow {
		w.retryNow(ctx)
	}
	for _, skip := range skips {
		w.skip(ctx, skip)
	}
	w.describe(ctx)
	if w.done() {
		return nil // close upserts
	}
	return w.operator.show(ctx, w.waiting(ctx))
}

// waiting is what waits for an operator, each type once.
func (w *captureWindow) waiting(ctx workflow.Context) []cdc.Wait {
	now := workflow.Now(ctx)
	var all []cdc.Wait
	for _, t := range w.types {
		if t.hasStep() && t.Retry.Waits(now) {
			all = append(all, cdc.Wait{Type: t.Type, Class: t.Retry.Class, Ledger: t.Lost != ""})
		}
	}
	for _, wanted := range w.wanted {
		known := slices.ContainsFunc(all, func(other cdc.Wait) bool { return other.Type == wanted.name && !other.Ledger })
		if wanted.retry.Waits(now) && !known {
			all = append(all, cdc.Wait{Type: wanted.name, Class: wanted.retry.Class})
		}
	}
	slices.SortStableFunc(all, func(a, b cdc.Wait) int { return strings.Compare(a.Type, b.Type) })
	all = append(all, w.rejected.waits()...)
	if w.before.Waits(now) {
		all = append(all, cdc.Wait{Class: w.before.Class, Ledger: true})
	}
	return append(all, busWait(w.bus)...)
}

// anyFailing reports whether the last try at any type failed.
func (w *captureWindow) anyFailing() bool {
	return slices.ContainsFunc(w.types, func(t *windowType) bool { return t.Lost == "" && t.Retry.Failing() })
}

func (w *captureWindow) retryNow(ctx workflow.Context) {
	now := workflow.Now(ctx)
	for _, t := range w.types {
		if t.hasStep() && t.Retry.Failing() {
			t.Due = now
		}
	}
	for _, wanted := range w.wanted {
		if wanted.retry.Failing() {
			wanted.retry.Due = now
		}
	}
	w.rejected.retryNow(now)
}

// skip skips what an operator names, as far as it waits.
func (w *captureWindow) skip(ctx workflow.Context, skip cdc.Skip) {
	for _, name := range skip.Versions {
		skipped := w.rejected.skip(ctx, name)
		w.counts.Skipped += skipped.Len()
		w.add(name, cdc.TypeLedger{Skipped: skipped})
	}
	w.skipWanted(ctx, skip.Types)
	for _, t := range w.types {
		switch {
		case !t.hasStep() || !t.Retry.Failing():
		case t.Lost != "" && skip.Ledger:
			workflow.GetLogger(ctx).Warn("an operator skipped the ledger of a slice: what it published is published again", "type", t.Type)
			t.restartPages(ctx)
		case t.Lost == "" && slices.Contains(skip.Types, t.Type):
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
	for _, t := range w.types {
		if t.hasStep() && t.Lost == "" && t.Retry.FailingFor(now) >= cdc.UnsweptAfter {
			unswept[t.Type] = t.Retry.Class
			w.counts.Unswept++
			w.closeUnread(t)
		}
	}
	for _, wanted := range w.wanted {
		if wanted.retry.FailingFor(now) >= cdc.UnsweptAfter {
			unswept[wanted.name] = wanted.retry.Class
			wanted.versions = nil
		}
	}
	w.dropCapturedWanted()
	reportUnswept(ctx, w.origin.Datastore, unswept)
}

func reportUnswept(ctx workflow.Context, datastore string, types map[string]cdc.Class) {
	for _, name := range sortedKeys(types) {
		workflow.GetLogger(ctx).Warn("a type that the store has not given for an hour is closed unswept; an audit captures it when it can be read again",
			"datastore", datastore, "type", name, "class", types[name])
		countType(ctx, "healthlake_cdc_types_unswept", datastore, name)
	}
}

// closeUnread closes a type that was not searched to its end.
func (w *captureWindow) closeUnread(t *windowType) {
	t.TypeState = cdc.TypeState{Type: t.Type, Pass: t.Pass, Delay: t.Delay, Due: t.Due, Closed: true}
	w.rejected.forget(t.Type)
}

// add puts versions into the ledger, if there are any: an entry of its own would
// count the type as swept.
func (w *captureWindow) add(resourceType string, known cdc.TypeLedger) {
	if known.Published.Len()+known.Skipped.Len() == 0 {
		return
	}
	w.ledger.Type(resourceType).Merge(known)
}
