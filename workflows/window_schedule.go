package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

const (
	// longestPassDelay bounds the delays of extra passes (design, section 1).
	longestPassDelay = 15 * time.Minute
	// sliceFrom is how many further versions make a slice of a type.
	sliceFrom = 1_000
	// slicePages is the same in pages, for a store that does not count.
	slicePages = 10
	// fullPage is how many versions a page of the store's holds at most.
	fullPage = 100
	// mostKnown bounds the hashes in one Hydrate's input, in which 8 bytes are 11
	// of base64: it stays under Temporal's payload limit of 2 MiB.
	mostKnown = 120_000
)

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
		slices: make(map[int]*openSlice), lost: make(map[int]*cdc.LostSlice), operator: newOperator(ctx, in.Attributes),
	}
	if in.Rerun == 0 {
		w.ledger.Salt = in.Salt
	}
	if in.Resume != nil {
		w.ledger, w.types = in.Resume.Ledger, in.Resume.Types
		w.counts, w.started = in.Resume.Counts, in.Resume.Slices
		w.refused.resume(in.Resume.Rejected, in.Resume.Bus)
		w.resumeLost(in.Resume.Lost)
	} else {
		w.plan(workflow.Now(ctx))
	}
	w.refused.salt = w.ledger.Salt
	w.wanted = newWantedVersions(in, workflow.Now(ctx))
	return w, workflow.SetQueryHandler(ctx, cdc.QueryProgress, func() (cdc.Progress, error) {
		return w.progress(ctx), nil
	})
}

// plan gives every type its first pass. Passes that are due already run as one:
// a trigger that comes late is served at once.
func (w *captureWindow) plan(now time.Time) {
	first := w.latestDue(0, now)
	if w.in.Rerun > 0 {
		// It makes the last pass only, which finds what search shows late too: not
		// before that is due.
		first = len(w.in.Passes) - 1
	}
	due := later(now, w.passTime(first))
	for _, name := range w.in.Types {
		w.types = append(w.types, cdc.TypeState{Type: name, Pass: first, Due: due, Delay: w.in.Passes[first]})
	}
}

// passTime is when the configured pass i is due.
func (w *captureWindow) passTime(i int) time.Time {
	return w.in.Window.End().Add(w.in.Passes[i])
}

// latestDue is the last pass from i on that is due, or i.
func (w *captureWindow) latestDue(i int, now time.Time) int {
	for i+1 < len(w.in.Passes) && !w.passTime(i+1).After(now) {
		i++
	}
	return i
}

// collapse lets the types that begin a pass now serve with it every later pass
// that is due as well: after a type could not be read for long, or when no
// worker was there.
func (w *captureWindow) collapse(now time.Time) {
	for i := range w.types {
		t := &w.types[i]
		begins := t.Next == "" && t.Pages == 0 && t.Found == 0 && !t.Due.After(now)
		if begins && t.Pass < len(w.in.Passes) {
			t.Pass = w.latestDue(t.Pass, now)
			t.Delay = w.in.Passes[t.Pass]
		}
	}
}

// done tells whether nothing is left to do.
func (w *captureWindow) done() bool {
	_, waiting := w.nextDue()
	return !waiting && len(w.slices) == 0
}

// open is how many types are not closed.
func (w *captureWindow) open() int {
	n := 0
	for _, t := range w.types {
		if !t.Closed {
			n++
		}
	}
	return n
}

// nextDue is the earliest moment at which a type, a refused change, a wanted version
// or the ledger of a lost slice is due. A type whose slice is open waits for that.
func (w *captureWindow) nextDue() (due time.Time, waiting bool) {
	consider := func(t time.Time) {
		if !waiting || t.Before(due) {
			due, waiting = t, true
		}
	}
	for i, t := range w.types {
		switch {
		case w.lost[i] != nil:
			consider(w.lost[i].Retry.Due)
		case !t.Closed && w.slices[i] == nil:
			consider(t.Due)
		}
	}
	if !w.refused.empty() {
		consider(w.refused.retry.Due)
	}
	for _, name := range w.wanted.types() {
		consider(w.wanted.retries[name].Due)
	}
	return due, waiting
}

// asks lists the pages that are due.
func (w *captureWindow) asks(now time.Time) []cdc.PageRequest {
	var asks []cdc.PageRequest
	known := 0
	for i, t := range w.types {
		if t.Closed || w.slices[i] != nil || w.lost[i] != nil || t.Due.After(now) {
			continue
		}
		ask := cdc.PageRequest{Type: t.Type, Next: t.Next, Confirm: t.Confirm, Known: w.known(t.Type), Trail: t.Trail}
		if known += ask.Known.Len(); known > mostKnown && len(asks) > 0 {
			break // the rest stay due
		}
		asks = append(asks, ask)
	}
	return asks
}

// known is what need not be captured of a type: published, skipped, or refused
// by the bus and kept.
func (w *captureWindow) known(resourceType string) cdc.HashSet {
	known := w.ledger.Known(resourceType)
	known.Merge(w.refused.hashes(resourceType))
	return known
}

// checkClock keeps a pass from counting that the store answered, by its own
// clock, before the window had ended: what is written in the window's last
// moments is not there yet. Such a pass starts again from its first page; what it
// brought is published all the same.
func (w *captureWindow) checkClock(ctx workflow.Context, result cdc.HydrateResult) {
	early := w.in.Window.End().Sub(result.StoreTime)
	if result.StoreTime.IsZero() || early <= 0 {
		return
	}
	again := workflow.Now(ctx).Add(early + time.Second)
	for i := range result.Pages {
		answer := &result.Pages[i]
		if answer.State != cdc.PageUnavailable && answer.Class == "" {
			answer.State, answer.Next = cdc.PageIncomplete, ""
			w.state(answer.Type).Due = again
		}
	}
}

func (w *captureWindow) state(resourceType string) *cdc.TypeState {
	for i := range w.types {
		if w.types[i].Type == resourceType {
			return &w.types[i]
		}
	}
	return nil
}

// note counts for each type what its pass has found.
func (w *captureWindow) note(fresh []cdc.Change) {
	for _, change := range fresh {
		w.state(change.Type).Found++
	}
}

// schedule gives every answered type its next step.
func (w *captureWindow) schedule(ctx workflow.Context, answers []cdc.PageResult) {
	now := workflow.Now(ctx)
	for _, answer := range answers {
		t := w.state(answer.Type)
		switch answer.State {
		case cdc.PageDone:
			w.passDone(t, now)
		case cdc.PageUnavailable:
			t.Retry.Failed(now, answer.Class, answer.RetryAfter)
			t.Next, t.Due = answer.Next, t.Retry.Due
		case cdc.PageIncomplete:
			w.left(t, answer, now)
		case cdc.PageMore:
			t.Retry = cdc.Retry{}
			t.Pages += pagesRead(answer)
			t.Next, t.Trail = answer.Next, answer.Trail
			// Ids alone are few bytes: a window that only skips needs no slice.
			if !w.in.Skip && (answer.Remaining > sliceFrom || t.Pages >= slicePages) {
				w.openSlice(ctx, t)
			}
		}
	}
	w.describe(ctx)
}

// pagesRead is at least how many pages an answer that goes on holds: a Hydrate
// may have read several.
func pagesRead(answer cdc.PageResult) int { return max(1, len(answer.Changes)/fullPage) }

// left asks for the same page again, at once when it was not read or did not
// fit. When the store refused its token the pages start again, after a delay
// that grows when it does so over and over.
func (w *captureWindow) left(t *cdc.TypeState, answer cdc.PageResult, now time.Time) {
	if answer.Next != "" && answer.Next != t.Next {
		t.Pages += pagesRead(answer)
	}
	t.Next, t.Trail = answer.Next, answer.Trail
	if t.Next == "" {
		t.Trail = cdc.PageTrail{} // the pages start again
	}
	if answer.Class == cdc.ClassPageToken {
		t.Retry.Failed(now, answer.Class, 0)
		t.Due = t.Retry.Due
		return
	}
	if len(answer.Changes) > 0 {
		t.Retry = cdc.Retry{}
	}
}

// passDone ends a type's pass and plans the next one: the next configured, or,
// when the last one still found something new, another after twice the delay.
func (w *captureWindow) passDone(t *cdc.TypeState, now time.Time) {
	w.ledger.Type(t.Type) // swept
	w.refused.forget(t.Type)
	w.counts.Passes++
	found := t.Found
	*t = cdc.TypeState{Type: t.Type, Pass: t.Pass + 1, Delay: t.Delay, Due: t.Due}
	t.Confirm = w.ledger.Known(t.Type).Len() > 0
	switch {
	case w.in.Rerun > 0:
		t.Closed = true
	case t.Pass < len(w.in.Passes):
		t.Pass = w.latestDue(t.Pass, now)
		t.Delay = w.in.Passes[t.Pass]
		t.Due = later(now, w.passTime(t.Pass))
	case found > 0 && !w.auditLooksAgain(now):
		t.Delay = min(2*t.Delay, longestPassDelay)
		t.Due = now.Add(t.Delay)
	default:
		t.Closed = true
	}
}

// auditLooksAgain tells of a window that an audit runs so late that search has
// settled: a further pass would only hold up the audit, which compares the store
// with the ledgers once more in any case.
func (w *captureWindow) auditLooksAgain(now time.Time) bool {
	return w.in.Bulk && now.Sub(w.in.Window.End()) >= longestPassDelay
}
