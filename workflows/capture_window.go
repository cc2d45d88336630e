package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// CaptureWindow captures one window: it sleeps until search has settled,
// hydrates what the store holds of the window, drops what its ledger has, and
// publishes the rest; then once more for each later pass. Versions that it is
// given as wanted, which search does not show, come first. Its result is its
// ledger.
func CaptureWindow(ctx workflow.Context, in cdc.CaptureWindowInput) (cdc.CaptureWindowResult, error) {
	w, err := newCaptureWindow(ctx, in)
	if err != nil {
		return cdc.CaptureWindowResult{}, err
	}
	return w.run(ctx)
}

// captureWindow is a running CaptureWindow. One coroutine works off the types:
// each has its own next step and when it is due, so that a type that cannot be
// read, or that has thousands of pages, holds up no other.
type captureWindow struct {
	in     cdc.CaptureWindowInput
	origin cdc.Origin
	ledger cdc.Ledger
	types  []cdc.TypeState
	counts cdc.Counts
	// slices are the open children, by the index of their type; lost are those that did
	// not complete and whose ledgers are still to be read.
	slices  map[int]*openSlice
	lost    map[int]*cdc.LostSlice
	started int
	// refused are changes that EventBridge would not take; bus is why it takes nothing.
	refused refusedChanges
	bus     cdc.Class
	wanted  wantedVersions
	// before is set while the ledger of the run before cannot be read.
	before   cdc.Retry
	operator operator
}

func (w *captureWindow) run(ctx workflow.Context) (cdc.CaptureWindowResult, error) {
	if err := w.begin(ctx); err != nil {
		return cdc.CaptureWindowResult{}, err
	}
	for !w.done() {
		if err := w.sleep(ctx); err != nil {
			return cdc.CaptureWindowResult{}, err
		}
		if w.mayContinueAsNew(ctx) {
			return cdc.CaptureWindowResult{}, w.continueAsNew(ctx)
		}
		if err := w.readLost(ctx); err != nil {
			return cdc.CaptureWindowResult{}, err
		}
		if err := w.captureWanted(ctx); err != nil {
			return cdc.CaptureWindowResult{}, err
		}
		answers, err := w.hydrate(ctx)
		if err != nil {
			return cdc.CaptureWindowResult{}, err
		}
		if err := w.publish(ctx, w.dedup(answers)); err != nil {
			return cdc.CaptureWindowResult{}, err
		}
		w.schedule(ctx, answers)
		w.closeUnswept(ctx)
	}
	return w.close(ctx)
}

// begin reads the ledger of the run before, which only a rerun has.
func (w *captureWindow) begin(ctx workflow.Context) error {
	w.describe(ctx)
	if w.in.Rerun == 0 || w.in.Resume != nil {
		return nil
	}
	before, err := w.ledgerBefore(ctx)
	if err != nil {
		return err
	}
	if err := w.ledger.Merge(before); err != nil {
		return invalidInput(err.Error())
	}
	if w.ledger.Salt.IsZero() {
		w.ledger.Salt = w.in.Salt // nothing of the run before is known
	}
	w.refused.salt = w.ledger.Salt
	for i := range w.types {
		w.types[i].Confirm = w.ledger.Known(w.types[i].Type).Len() > 0
	}
	return nil
}

// sleep waits until the next step of any type is due. Slices that close
// meanwhile are taken in.
func (w *captureWindow) sleep(ctx workflow.Context) error {
	for {
		if err := w.handleSignals(ctx); err != nil {
			return err
		}
		if historyIsLarge(ctx) && len(w.slices) > 0 {
			return w.awaitSlices(ctx) // to continue as new
		}
		due, waiting := w.nextDue()
		if waiting && !due.After(workflow.Now(ctx)) || !waiting && len(w.slices) == 0 {
			return nil
		}
		summary := ""
		if waiting {
			summary = w.sleepSummary(due)
		}
		if err := w.sleepUntil(ctx, due, summary); err != nil {
			return err
		}
	}
}

// sleepUntil waits until the moment, if it has one, and no longer than until a slice
// closes or a signal comes.
func (w *captureWindow) sleepUntil(ctx workflow.Context, due time.Time, summary string) (err error) {
	over := false
	timerCtx, cancel := workflow.WithCancel(ctx)
	selector := workflow.NewSelector(ctx)
	if !due.IsZero() {
		options := workflow.TimerOptions{Summary: summary}
		timer := workflow.NewTimerWithOptions(timerCtx, due.Sub(workflow.Now(ctx)), options)
		selector.AddFuture(timer, func(f workflow.Future) { err, over = f.Get(ctx, nil), true })
	}
	for i := range w.types {
		if slice := w.slices[i]; slice != nil {
			selector.AddFuture(slice.future, func(f workflow.Future) { err = w.sliceClosed(ctx, i, f) })
		}
	}
	w.operator.wake(selector)
	selector.Select(ctx)
	if !over {
		cancel()
	}
	return err
}

// hydrate reads a page of every type whose step is due.
func (w *captureWindow) hydrate(ctx workflow.Context) ([]cdc.PageResult, error) {
	w.collapse(workflow.Now(ctx))
	asks := w.asks(workflow.Now(ctx))
	if len(asks) == 0 {
		return nil, nil
	}
	in := cdc.HydrateInput{
		Origin: w.origin, Window: w.in.Window, Requests: asks,
		AllTypes: len(asks) == w.open(), FailIfAllUnavailable: !w.anyFailing(),
		List: w.in.Skip, Salt: w.ledger.Salt,
	}
	var result cdc.HydrateResult
	ctx = hydratePolicy(ctx, w.origin.Datastore, w.in.Bulk, w.hydrateSummary(asks))
	if err := workflow.ExecuteActivity(ctx, do.Hydrate, in).Get(ctx, &result); err != nil {
		return nil, err
	}
	w.counts.Add(result.Counts)
	w.checkClock(ctx, result)
	return result.Pages, nil
}

// dedup drops what the ledger has, and what is in the answers twice.
func (w *captureWindow) dedup(answers []cdc.PageResult) []cdc.Change {
	type versionOf struct {
		resourceType string
		cdc.Key
	}
	var fresh []cdc.Change
	seen := make(map[versionOf]bool)
	for _, answer := range answers {
		for _, change := range answer.Changes {
			known := w.ledger.Has(change.Version) || w.refused.has(change.Version)
			name := versionOf{change.Type, change.Key()}
			if w.in.Window.Contains(change.Time()) && !known && !seen[name] {
				seen[name] = true
				fresh = append(fresh, change)
			}
		}
	}
	return fresh
}

// publish puts the changes on the bus, those that it refused before among them
// when they are due, and then into the ledger.
func (w *captureWindow) publish(ctx workflow.Context, fresh []cdc.Change) error {
	w.note(fresh)
	if w.in.Skip {
		w.skipFound(ctx, fresh)
		return nil
	}
	if again := w.refused.takeDue(workflow.Now(ctx)); len(again) > 0 {
		if err := w.publishBatch(ctx, again); err != nil {
			return err
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return w.publishBatch(ctx, fresh)
}

func (w *captureWindow) publishBatch(ctx workflow.Context, changes []cdc.Change) error {
	batch := startPublishing(ctx, cdc.PublishInput{Origin: w.origin, Changes: changes})
	result, err := batch.result(ctx, func(class cdc.Class) error {
		w.bus = class
		w.describe(ctx)
		return w.operator.show(ctx, w.waits(ctx))
	})
	if err != nil {
		return err
	}
	for i, change := range changes {
		if result.EventIDs[i] == "" {
			continue
		}
		w.ledger.Type(change.Type).Published.Add(w.ledger.Salt.Hash(change.Version))
		w.counts.Published++
		if change.Reason != "" {
			w.counts.References++
		}
	}
	w.refused.add(ctx, changes, result.Rejected)
	w.describe(ctx)
	return nil
}

// close leaves the counts where operators see them, and the ledger as result.
func (w *captureWindow) close(ctx workflow.Context) (cdc.CaptureWindowResult, error) {
	w.describe(ctx)
	if w.in.Attributes && w.counts.Published > 0 {
		w.operator.waiting = false
		err := workflow.UpsertTypedSearchAttributes(ctx,
			cdc.AttrState.ValueSet(cdc.StateClosed),
			cdc.AttrPublished.ValueSet(int64(w.counts.Published)),
			cdc.AttrTypes.ValueSet(w.publishedTypes()),
		)
		if err != nil {
			return cdc.CaptureWindowResult{}, err
		}
	}
	return cdc.CaptureWindowResult{Ledger: w.ledger, Counts: w.counts}, w.operator.close(ctx)
}

// mayContinueAsNew reports whether the history is large and nothing is under way
// that a new run could not take over.
func (w *captureWindow) mayContinueAsNew(ctx workflow.Context) bool {
	return historyIsLarge(ctx) && len(w.slices) == 0 && !w.done()
}

// continueAsNew goes on in a new run. Nothing may be waited for here: a signal that
// came meanwhile would be lost.
func (w *captureWindow) continueAsNew(ctx workflow.Context) error {
	w.reopenRefused()
	next := w.in
	next.Wanted = w.wantedLater()
	next.Resume = &cdc.WindowState{
		Ledger: w.ledger, Types: w.types, Counts: w.counts, Slices: w.started,
		Rejected: w.refused.carry(), Bus: w.refused.retry, Wanted: w.wanted.retries, Lost: w.carryLost(),
	}
	return workflow.NewContinueAsNewError(ctx, cdc.WorkflowCaptureWindow, next)
}

// reopenRefused lets the next run find again what EventBridge refused: bodies are
// not carried over, but what the ledger lacks is read once more. Each offer puts
// the bodies into the history again, so a window that waits for long must be
// able to continue as new.
func (w *captureWindow) reopenRefused() {
	for i := range w.types {
		t := &w.types[i]
		if t.Closed && w.refused.hashes(t.Type).Len() > 0 {
			t.Closed, t.Confirm, t.Due = false, true, w.refused.retry.Due
		}
	}
}

func invalidInput(what string) error {
	return temporal.NewNonRetryableApplicationError(what, string(cdc.ClassInvalidInput), nil)
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
