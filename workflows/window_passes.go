package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

const (
	// sliceFrom is how many further versions make a slice of a type.
	sliceFrom = 1_000
	// slicePages is the same in pages, for a store that does not count.
	slicePages = 10
	// maxKnown bounds the hashes in one Hydrate's input, 11 bytes of base64 each, to stay
	// under Temporal's payload limit of 2 MiB.
	maxKnown = 120_000
)

// firstPasses gives every type its first pass. Passes that are due already run as one.
func firstPasses(in cdc.CaptureWindowInput, now time.Time) []cdc.TypeState {
	first := latestDue(in, 0, now)
	if in.Rerun > 0 {
		// It makes the last pass only, which finds what search shows late too.
		first = len(in.Passes) - 1
	}
	var types []cdc.TypeState
	for _, name := range in.Types {
		types = append(types, cdc.TypeState{Type: name, Pass: first, Due: later(now, passTime(in, first)), Delay: in.Passes[first]})
	}
	return types
}

// passTime is when the configured pass i is due.
func passTime(in cdc.CaptureWindowInput, i int) time.Time { return in.Window.End().Add(in.Passes[i]) }

// latestDue is the last pass from i on that is due, or i.
func latestDue(in cdc.CaptureWindowInput, i int, now time.Time) int {
	for i+1 < len(in.Passes) && !passTime(in, i+1).After(now) {
		i++
	}
	return i
}

// collapsePasses lets a pass that begins now serve every later one that is due as well: after a
// type could not be read for long, or when no worker was there.
func (w *captureWindow) collapsePasses(now time.Time) {
	for _, t := range w.types {
		begins := t.Next == "" && t.Pages == 0 && t.Found == 0 && !t.Due.After(now)
		if begins && t.Pass < len(w.in.Passes) {
			t.Pass = latestDue(w.in, t.Pass, now)
			t.Delay = w.in.Passes[t.Pass]
		}
	}
}

// openTypes is how many types are not closed.
func (w *captureWindow) openTypes() int {
	n := 0
	for _, t := range w.types {
		if !t.Closed {
			n++
		}
	}
	return n
}

// hasStep reports whether the window has a next step for the type: it is not closed,
// and no slice reads its pages.
func (t *windowType) hasStep() bool { return !t.Closed && len(t.slices) == 0 }

// steps are the types for which there is a next step, the wanted ones last.
func (w *captureWindow) steps() []*windowType {
	swept := slices.DeleteFunc(slices.Clone(w.types), func(t *windowType) bool { return !t.hasStep() })
	wanted := slices.DeleteFunc(slices.Clone(w.wanted), func(t *windowType) bool { return len(t.versions) == 0 })
	return append(swept, wanted...)
}

// nextDue is the earliest moment at which anything is due.
func (w *captureWindow) nextDue() (due time.Time, found bool) {
	var times []time.Time
	for _, t := range w.steps() {
		times = append(times, t.Due)
	}
	if !w.rejected.empty() {
		times = append(times, w.rejected.retry.Due)
	}
	if len(times) == 0 {
		return time.Time{}, false
	}
	return slices.MinFunc(times, time.Time.Compare), true
}

func (w *captureWindow) requests(now time.Time) []cdc.PageRequest {
	var requests []cdc.PageRequest
	sum := 0
	for _, t := range w.types {
		if !t.hasStep() || len(t.Lost) > 0 || t.Due.After(now) {
			continue
		}
		known := w.known(t.Type)
		if sum += known.Len(); sum > maxKnown && len(requests) > 0 {
			break // the others stay due
		}
		requests = append(requests, cdc.PageRequest{Type: t.Type, Next: t.Next, Confirm: t.Confirm, Known: known, Trail: t.Trail})
	}
	return requests
}

// known is what need not be captured of a type: published, being published, skipped, or
// rejected and kept.
func (w *captureWindow) known(resourceType string) cdc.HashSet {
	known := w.ledger.Known(resourceType)
	known.Merge(w.rejected.hashes[resourceType])
	known.Merge(w.inFlight[resourceType])
	return known
}

// checkClock starts a pass again from its first page when the store, by its own clock,
// answered before the window had ended. What it brought is published all the same.
func (w *captureWindow) checkClock(ctx workflow.Context, result cdc.HydrateResult) {
	early := w.in.Window.End().Sub(result.StoreTime)
	if result.StoreTime.IsZero() || early <= 0 {
		return
	}
	again := workflow.Now(ctx).Add(early + time.Second)
	for i := range result.Pages {
		page := &result.Pages[i]
		if page.State != cdc.PageUnavailable && page.Class == "" {
			page.State, page.Next = cdc.PageIncomplete, ""
			w.typeOf(page.Type).Due = again
		}
	}
}

func (w *captureWindow) typeOf(name string) *windowType {
	i := slices.IndexFunc(w.types, func(t *windowType) bool { return t.Type == name })
	return w.types[i]
}

// schedule gives every type that was requested its next step.
func (w *captureWindow) schedule(ctx workflow.Context, pages []cdc.PageResult) {
	now := workflow.Now(ctx)
	for _, page := range pages {
		t := w.typeOf(page.Type)
		switch page.State {
		case cdc.PageDone:
			w.passDone(ctx, t)
		case cdc.PageUnavailable:
			t.Retry.Failed(now, page.Class, page.RetryAfter)
			t.Next, t.Due = page.Next, t.Retry.Due
		case cdc.PageIncomplete:
			t.pageAgain(page, now)
		case cdc.PageMore:
			t.Retry = cdc.Retry{}
			t.Pages += pagesRead(page)
			t.Next, t.Trail = page.Next, page.Trail
			// Ids alone are few bytes: a window that only skips needs no slice.
			if !w.in.Skip && (page.Remaining > sliceFrom || t.Pages >= slicePages) {
				w.openSlices(ctx, t, page.Remaining)
			}
		}
	}
}

// pagesRead is at least how many pages a Hydrate has read of a type.
func pagesRead(page cdc.PageResult) int { return max(1, len(page.Changes)/cdc.PageSize) }

// pageAgain requests the same page again, at once when it was not read or did not fit.
// When the store rejected its token the pages start again, after a growing delay.
func (t *windowType) pageAgain(page cdc.PageResult, now time.Time) {
	if page.Next != "" && page.Next != t.Next {
		t.Pages += pagesRead(page)
	}
	t.Next, t.Trail = page.Next, page.Trail
	if t.Next == "" {
		t.Trail = cdc.PageTrail{} // the pages start again
	}
	if page.Class == cdc.ClassPageTokenRejected {
		t.Retry.Failed(now, page.Class, 0)
		t.Due = t.Retry.Due
		return
	}
	if len(page.Changes) > 0 {
		t.Retry = cdc.Retry{}
	}
}

// passDone ends a type's pass and plans the next one.
func (w *captureWindow) passDone(ctx workflow.Context, t *windowType) {
	now := workflow.Now(ctx)
	w.ledger.Type(t.Type) // searched
	w.rejected.forget(ctx, t.Type)
	w.counts.Passes++
	confirm := w.known(t.Type).Len() > 0
	t.TypeState = nextPass(w.in, t.TypeState, now)
	t.Confirm = confirm
}

// nextPass is where a type stands after a pass: before the next configured one or, when
// the last one still found something new, another after twice the delay.
func nextPass(in cdc.CaptureWindowInput, t cdc.TypeState, now time.Time) cdc.TypeState {
	next := cdc.TypeState{Type: t.Type, Pass: t.Pass + 1, Delay: t.Delay, Due: t.Due}
	switch {
	case in.Rerun > 0:
		next.Closed = true
	case next.Pass < len(in.Passes):
		next.Pass = latestDue(in, next.Pass, now)
		next.Delay = in.Passes[next.Pass]
		next.Due = later(now, passTime(in, next.Pass))
	case t.Found > 0 && !auditLooksAgain(in, now):
		next.Delay = min(2*t.Delay, cdc.MaxDelay)
		next.Due = now.Add(next.Delay)
	default:
		next.Closed = true
	}
	return next
}

// auditLooksAgain reports whether an audit runs the window so late that search has
// settled: it compares the store with the ledgers once more in any case.
func auditLooksAgain(in cdc.CaptureWindowInput, now time.Time) bool {
	return in.Bulk && now.Sub(in.Window.End()) >= cdc.MaxDelay
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
