package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// ledgerBefore reads what the run before published. A ledger that cannot be read
// waits for an operator: it is never taken for an empty one. When the operator
// skips it, nothing that the rerun finds is published, for it may have been.
func (w *captureWindow) ledgerBefore(ctx workflow.Context) (cdc.Ledger, error) {
	read := cdc.LedgerInput{WorkflowID: w.in.Window.RerunID(w.in.Rerun - 1)}
	for {
		var before cdc.Ledger
		policy := ledgerPolicy(ctx, "what the run before published")
		err := workflow.ExecuteActivity(policy, do.Ledger, read).Get(ctx, &before)
		if err == nil {
			w.before = cdc.Retry{}
			return before, nil
		}
		class, asked, ok := failed(ctx, err)
		if !ok {
			return cdc.Ledger{}, err
		}
		w.before.Failed(workflow.Now(ctx), class, asked)
		w.describe(ctx)
		if err := w.operator.show(ctx, w.waits(ctx)); err != nil {
			return cdc.Ledger{}, err
		}
		if err := w.operator.sleep(ctx, w.before.Due, "the ledger of the run before cannot be read"); err != nil {
			return cdc.Ledger{}, err
		}
		_, skips := w.operator.signals()
		if slices.ContainsFunc(skips, func(s cdc.Skip) bool { return s.Ledger }) {
			w.before, w.in.Skip = cdc.Retry{}, true
			return cdc.Ledger{}, nil
		}
		if historyIsLarge(ctx) {
			return cdc.Ledger{}, workflow.NewContinueAsNewError(ctx, cdc.WorkflowCaptureWindow, w.in)
		}
	}
}

// handleSignals carries out what an operator has asked for meanwhile, and keeps
// CdcState.
func (w *captureWindow) handleSignals(ctx workflow.Context) error {
	retryNow, skips := w.operator.signals()
	if retryNow {
		w.retryNow(ctx)
	}
	for _, skip := range skips {
		w.skip(ctx, skip)
	}
	if retryNow || len(skips) > 0 {
		w.describe(ctx)
	}
	if w.done() {
		return nil // close upserts
	}
	return w.operator.show(ctx, w.waits(ctx))
}

// waits reports whether anything waits for an operator.
func (w *captureWindow) waits(ctx workflow.Context) bool { return len(w.waiting(ctx)) > 0 }

// waiting is what waits for an operator.
func (w *captureWindow) waiting(ctx workflow.Context) []cdc.Wait {
	now := workflow.Now(ctx)
	classes := make(map[string]cdc.Class)
	var names []string // of the classes, for their order
	note := func(name string, retry cdc.Retry) {
		if retry.Waits(now) {
			names = append(names, name)
			classes[name] = retry.Class
		}
	}
	for _, name := range w.wanted.types() {
		note(name, w.wanted.retries[name])
	}
	var ledgers []cdc.Wait
	for i, t := range w.types {
		if !t.Closed && w.slices[i] == nil {
			note(t.Type, t.Retry)
		}
		if lost := w.lost[i]; lost != nil && lost.Retry.Waits(now) {
			ledgers = append(ledgers, cdc.Wait{Type: t.Type, Class: lost.Retry.Class, Ledger: true})
		}
	}
	var all []cdc.Wait
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		all = append(all, cdc.Wait{Type: name, Class: classes[name]})
	}
	all = append(append(all, w.refused.waiting()...), ledgers...)
	if w.before.Waits(now) {
		all = append(all, cdc.Wait{Class: w.before.Class, Ledger: true})
	}
	if w.bus != "" {
		all = append(all, cdc.Wait{Class: w.bus, Bus: true})
	}
	return all
}

// anyFailing reports whether the last try at any type failed.
func (w *captureWindow) anyFailing() bool {
	return slices.ContainsFunc(w.types, func(t cdc.TypeState) bool { return t.Retry.Failing() })
}

// retryNow makes everything that failed due at once.
func (w *captureWindow) retryNow(ctx workflow.Context) {
	now := workflow.Now(ctx)
	for i := range w.types {
		t := &w.types[i]
		if !t.Closed && w.slices[i] == nil && t.Retry.Failing() {
			t.Due = now
		}
		if lost := w.lost[i]; lost != nil {
			lost.Retry.Due = now
		}
	}
	w.refused.retryNow(now)
	w.wanted.retryNow(now)
}

// skip skips what an operator names, as far as it waits.
func (w *captureWindow) skip(ctx workflow.Context, skip cdc.Skip) {
	for _, name := range skip.Versions {
		skipped := w.refused.drop(name)
		w.counts.Skipped += skipped.Len()
		w.add(name, cdc.TypeLedger{Skipped: skipped})
		workflow.GetLogger(ctx).Warn("an operator skipped what EventBridge refuses", "type", name, "versions", skipped.Len())
	}
	w.skipWanted(ctx, skip.Types)
	for i := range w.types {
		t := &w.types[i]
		if !t.Closed && w.slices[i] == nil && t.Retry.Failing() && slices.Contains(skip.Types, t.Type) {
			workflow.GetLogger(ctx).Warn("an operator skipped a type that cannot be read", "type", t.Type, "class", t.Retry.Class)
			w.counts.SkippedTypes++
			w.closeUnread(t)
		}
		if lost := w.lost[i]; lost != nil && skip.Ledger && lost.Retry.Failing() {
			workflow.GetLogger(ctx).Warn("an operator skipped the ledger of a slice: what it published is published again", "type", t.Type)
			w.restartPages(ctx, i)
		}
	}
}

// closeUnswept closes the types that the store has not given for cdc.UnsweptAfter:
// they are not in the ledger, and the audit captures them when they can be read
// again. Where there are no audits they wait for an operator.
func (w *captureWindow) closeUnswept(ctx workflow.Context) {
	if !w.in.Audited {
		return
	}
	now := workflow.Now(ctx)
	var unswept []string
	var class cdc.Class
	for i := range w.types {
		t := &w.types[i]
		if t.Closed || w.slices[i] != nil || t.Retry.FailingFor(now) < cdc.UnsweptAfter {
			continue
		}
		unswept, class = append(unswept, t.Type), t.Retry.Class
		w.counts.Unswept++
		w.closeUnread(t)
	}
	for _, name := range w.wanted.types() {
		if retry := w.wanted.retries[name]; retry.FailingFor(now) >= cdc.UnsweptAfter {
			unswept, class = append(unswept, name), retry.Class
			w.wanted.keep(name, nil)
		}
	}
	if len(unswept) > 0 {
		slices.Sort(unswept)
		reportUnswept(ctx, w.origin.Datastore, slices.Compact(unswept), class)
		w.describe(ctx)
	}
}

// reportUnswept counts and logs types that are closed although they could not be read,
// with the class of one of them.
func reportUnswept(ctx workflow.Context, datastore string, types []string, class cdc.Class) {
	workflow.GetLogger(ctx).Warn("types that the store has not given for an hour are closed unswept; an audit captures them when they can be read again",
		"datastore", datastore, "types", types, "class", class)
	for _, name := range types {
		workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"datastore": datastore, "resource_type": name}).
			Counter("healthlake_cdc_types_unswept").Inc(1)
	}
}

// closeUnread closes a type without its being swept.
func (w *captureWindow) closeUnread(t *cdc.TypeState) {
	*t = cdc.TypeState{Type: t.Type, Pass: t.Pass, Delay: t.Delay, Due: t.Due, Closed: true}
	w.refused.forget(t.Type)
}

// add puts into the ledger what there is to put: an entry of its own would
// make the type count as swept.
func (w *captureWindow) add(resourceType string, known cdc.TypeLedger) {
	if known.Published.Len()+known.Skipped.Len() == 0 {
		return
	}
	entry := w.ledger.Type(resourceType)
	entry.Published.Merge(known.Published)
	entry.Skipped.Merge(known.Skipped)
}
