package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// CaptureWindow captures one window: it sleeps until search has settled, hydrates what
// the store holds of the window, drops what its ledger has, and publishes the rest; then
// once more for each later pass. Wanted versions, which search does not show, come first.
func CaptureWindow(ctx workflow.Context, in cdc.CaptureWindowInput) (cdc.CaptureWindowResult, error) {
	w, err := newCaptureWindow(ctx, in)
	if err == nil {
		err = w.run(ctx)
	}
	if err != nil {
		if w != nil {
			_ = w.awaitPublish(ctx) // what EventBridge accepted is in the history
		}
		return cdc.CaptureWindowResult{}, err
	}
	return cdc.CaptureWindowResult{Ledger: w.ledger, Counts: w.counts}, nil
}

// captureWindow is a running CaptureWindow. Each type has its own next step and when it is
// due, so that one that cannot be read, or has thousands of pages, holds up no other.
type captureWindow struct {
	in     cdc.CaptureWindowInput
	origin cdc.Origin
	ledger cdc.Ledger
	types  []*windowType
	counts cdc.Counts
	// started is how many slices were started.
	started int
	// publishing is the Publish under way, inFlight the versions in it, by type. The next
	// pages are read meanwhile.
	publishing *publishing
	inFlight   map[string]cdc.HashSet
	// rejected are changes that EventBridge rejected.
	rejected rejectedChanges
	// wanted are types whose wanted versions are to be read.
	wanted []*windowType
	// ledgerRetry is set while the ledger of the run before cannot be read.
	ledgerRetry cdc.Retry
	operator    *operator
}

// windowType is where one resource type stands.
type windowType struct {
	cdc.TypeState
	// slices are the open children that read its pages; cancelled and unswept are set when
	// one of them closed so.
	slices             []*childSlice
	cancelled, unswept bool
	// versions are those of a wanted type that are still to be read.
	versions []cdc.Version
}

func newCaptureWindow(ctx workflow.Context, in cdc.CaptureWindowInput) (*captureWindow, error) {
	if err := in.Window.Validate(); err != nil {
		return nil, invalidInput(err.Error())
	}
	if len(in.Types) == 0 || len(in.Passes) == 0 {
		return nil, invalidInput("a window needs resource types and passes")
	}
	w := &captureWindow{
		in: in,
		origin: cdc.Origin{
			Datastore: in.Window.Datastore, Cause: in.Cause, CorrelationID: workflow.GetInfo(ctx).WorkflowExecution.ID,
		},
		inFlight: make(map[string]cdc.HashSet), wanted: newWanted(in, workflow.Now(ctx)),
	}
	if in.Rerun == 0 {
		w.ledger.Salt = in.Salt
	}
	resume := in.Resume
	if resume == nil {
		resume = &cdc.WindowState{Ledger: w.ledger, Types: firstPasses(in, workflow.Now(ctx))}
	}
	w.ledger, w.counts, w.started = resume.Ledger, resume.Counts, resume.Slices
	w.rejected = newRejected(w.ledger.Salt, resume.Rejected, resume.RejectedRetry)
	for _, t := range resume.Types {
		w.types = append(w.types, &windowType{TypeState: t})
	}
	var err error
	w.operator, err = newOperator(ctx, in.Attributes, w.progress)
	return w, err
}

func (w *captureWindow) run(ctx workflow.Context) error {
	if err := w.readLedgerBefore(ctx); err != nil {
		return err
	}
	for !w.done() {
		if err := w.sleep(ctx); err != nil {
			return err
		}
		if w.mayContinueAsNew(ctx) {
			return w.continueAsNew(ctx)
		}
		if err := w.readLostSlices(ctx); err != nil {
			return err
		}
		if err := w.captureWanted(ctx); err != nil {
			return err
		}
		pages, err := w.hydrate(ctx)
		if err != nil {
			return err
		}
		if err := w.publish(ctx, w.dedup(pages)); err != nil {
			return err
		}
		w.schedule(ctx, pages)
		w.closeUnswept(ctx)
	}
	return w.close(ctx)
}

func (w *captureWindow) done() bool {
	_, found := w.nextDue()
	return !found && len(w.slices()) == 0 && w.publishing == nil
}

// sleep waits until the next step of any type is due, and before that for the Publish
// under way.
func (w *captureWindow) sleep(ctx workflow.Context) error {
	for {
		if err := w.handleSignals(ctx); err != nil {
			return err
		}
		open := w.slices()
		due, found := w.nextDue()
		switch large := historyIsLarge(ctx); {
		case found && !large && !due.After(workflow.Now(ctx)):
			return nil
		case w.publishing != nil:
			if err := w.awaitPublish(ctx); err != nil {
				return err
			}
			continue
		case len(open) == 0 && (!found || large):
			return nil
		case large:
			due = time.Time{} // nothing more is begun: the run continues as new when they have closed
		}
		if err := w.operator.sleep(ctx, due, w.sleepSummary(due), open...); err != nil {
			return err
		}
		if err := w.applyClosedSlices(ctx); err != nil {
			return err
		}
	}
}

// hydrate reads a page of every type whose step is due.
func (w *captureWindow) hydrate(ctx workflow.Context) ([]cdc.PageResult, error) {
	now := workflow.Now(ctx)
	w.collapsePasses(now)
	requests := w.requests(now)
	if len(requests) == 0 {
		return nil, nil
	}
	in := cdc.HydrateInput{
		Origin: w.origin, Window: w.in.Window, Requests: requests,
		AllTypes: len(requests) == w.openTypes(), FailIfAllUnavailable: !w.anyFailing(),
		List: w.in.Skip, Salt: w.ledger.Salt,
	}
	var result cdc.HydrateResult
	ctx = hydratePolicy(ctx, w.origin.Datastore, w.origin.Bulk, w.hydrateSummary(requests))
	if err := workflow.ExecuteActivity(ctx, do.Hydrate, in).Get(ctx, &result); err != nil {
		return nil, err
	}
	w.counts.Add(result.Counts)
	w.checkClock(ctx, result)
	return result.Pages, nil
}

// dedup drops what the ledger has, and what is in the pages twice.
func (w *captureWindow) dedup(pages []cdc.PageResult) []cdc.Change {
	var fresh []cdc.Change
	seen := make(map[string]bool)
	for _, page := range pages {
		for _, change := range page.Changes {
			name := change.IdempotencyKey(w.origin.Datastore)
			if w.in.Window.Contains(change.Time()) && !w.knows(change.Version) && !seen[name] {
				seen[name] = true
				fresh = append(fresh, change)
			}
		}
	}
	return fresh
}

// knows reports whether the version is in the ledger, is being published, or was rejected
// and is kept.
func (w *captureWindow) knows(v cdc.Version) bool {
	return w.ledger.Has(v) || w.rejected.has(v) || w.inFlight[v.Type].Has(w.ledger.Salt.Hash(v))
}

// publish puts the changes on the bus, after the rejected ones that are due again. A
// window that skips puts them into the ledger only.
func (w *captureWindow) publish(ctx workflow.Context, fresh []cdc.Change) error {
	for _, change := range fresh {
		w.typeOf(change.Type).Found++
	}
	if w.in.Skip {
		for _, change := range fresh {
			w.skipVersions(change.Type, []cdc.Version{change.Version})
		}
		return nil
	}
	if !w.rejected.empty() {
		if err := w.awaitPublish(ctx); err != nil { // they may be in it
			return err
		}
	}
	if err := w.publishBatch(ctx, w.rejected.due(workflow.Now(ctx))); err != nil {
		return err
	}
	return w.publishBatch(ctx, fresh)
}

// publishBatch starts to publish the changes, once the batch before is published.
func (w *captureWindow) publishBatch(ctx workflow.Context, changes []cdc.Change) error {
	if len(changes) == 0 {
		return nil
	}
	if err := w.awaitPublish(ctx); err != nil {
		return err
	}
	for _, change := range changes {
		addHash(w.inFlight, change.Type, w.ledger.Salt.Hash(change.Version))
	}
	w.publishing = startPublishing(ctx, cdc.PublishInput{Origin: w.origin, Changes: changes})
	return nil
}

// awaitPublish waits for the Publish under way, and puts what EventBridge accepted into
// the ledger.
func (w *captureWindow) awaitPublish(ctx workflow.Context) error {
	if w.publishing == nil {
		return nil
	}
	published, counts, err := w.publishing.finish(ctx, w.operator, &w.rejected)
	w.publishing = nil
	clear(w.inFlight)
	w.counts.Add(counts)
	for _, change := range published {
		w.ledger.Type(change.Type).Published.Add(w.ledger.Salt.Hash(change.Version))
	}
	return err
}

// close shows the counts to operators, those of a window that published something in
// search attributes, too.
func (w *captureWindow) close(ctx workflow.Context) error {
	if w.counts.Published == 0 {
		return w.operator.close(ctx)
	}
	return w.operator.close(ctx,
		cdc.AttrPublished.ValueSet(int64(w.counts.Published)), cdc.AttrTypes.ValueSet(w.publishedTypes()))
}

// mayContinueAsNew reports whether the history is large, and no slice is open and nothing
// is being published.
func (w *captureWindow) mayContinueAsNew(ctx workflow.Context) bool {
	return historyIsLarge(ctx) && len(w.slices()) == 0 && w.publishing == nil && !w.done()
}

// continueAsNew goes on in a new run. Nothing may be waited for here: a signal that
// came meanwhile would be lost.
func (w *captureWindow) continueAsNew(ctx workflow.Context) error {
	next := w.in
	next.Resume = &cdc.WindowState{
		Ledger: w.ledger, Counts: w.counts, Slices: w.started, Rejected: w.rejected.all(), RejectedRetry: w.rejected.retry,
	}
	next.Wanted, next.Resume.Wanted = w.carryWanted()
	for _, t := range w.types {
		// The bodies of what EventBridge rejected are not carried over: what the ledger
		// lacks is read once more.
		if t.Closed && w.rejected.hashes[t.Type].Len() > 0 {
			t.Closed, t.Confirm, t.Due = false, true, w.rejected.retry.Due
		}
		next.Resume.Types = append(next.Resume.Types, t.TypeState)
	}
	return workflow.NewContinueAsNewError(ctx, cdc.WorkflowCaptureWindow, next)
}
