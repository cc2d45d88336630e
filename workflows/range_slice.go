package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// listingSettle is how long after its beginning a slice begins to list what it
// may have missed: what search hides while it is indexed again is back by then
// (about 20 s were seen).
const listingSettle = 20 * time.Second

// beginInRange takes what a range has given the slice.
func (s *captureSlice) beginInRange(ctx workflow.Context) {
	if s.in.Range == nil {
		return
	}
	own := *s.in.Range
	s.in.Range = &own
	if own.Began.IsZero() {
		s.in.Range.Began = workflow.Now(ctx)
	}
}

// progressInRange tells whether the slice of a range holds.
func (s *captureSlice) progressInRange() *cdc.RangeProgress {
	if s.in.Range == nil {
		return nil
	}
	return &cdc.RangeProgress{Done: s.state.Counts.Published, Paused: s.holds}
}

// startPublishing puts a batch on the bus: that of the slice's range, which may have
// one of its own.
func (s *captureSlice) startPublishing(ctx workflow.Context, changes []cdc.Change) *publishing {
	in := cdc.PublishInput{Origin: s.in.Origin, Changes: changes}
	if s.in.Range != nil {
		in.Bus, in.Weigh = s.in.Range.Bus, true
	}
	return startPublishing(ctx, in)
}

// mostAtOnce is how many of n changes one Publish may hold: with a rate, what a second
// allows.
func (s *captureSlice) mostAtOnce(n int) int {
	if s.in.Range == nil || s.in.Range.Rate <= 0 {
		return max(1, n)
	}
	return max(1, min(n, int(s.in.Range.Rate)))
}

// takeHold takes the signals that have come; the last one counts.
func (s *captureSlice) takeHold(ctx workflow.Context) {
	if s.in.Range == nil {
		return
	}
	signals := workflow.GetSignalChannel(ctx, cdc.SignalPause)
	for signals.ReceiveAsync(&s.in.Range.Paused) { // the last one counts
	}
}

// hold waits while the range is paused, before the next page: what was read is
// published by then.
func (s *captureSlice) hold(ctx workflow.Context) error {
	s.takeHold(ctx)
	if s.in.Range == nil || !s.in.Range.Paused {
		return nil
	}
	if err := s.published(ctx); err != nil {
		return err
	}
	s.holds = true
	defer func() { s.holds = false }()
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("paused · **%d published** · %d searches", s.state.Counts.Published, s.state.Counts.Searches))
	signals := workflow.GetSignalChannel(ctx, cdc.SignalPause)
	for s.in.Range.Paused {
		selector := workflow.NewSelector(ctx)
		selector.AddReceive(signals, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, &s.in.Range.Paused) })
		selector.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {})
		selector.Select(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// pace waits until the slice's rate lets it publish n versions more.
func (s *captureSlice) pace(ctx workflow.Context, n int) error {
	r := s.in.Range
	if r == nil || r.Rate <= 0 {
		return nil
	}
	now := workflow.Now(ctx)
	if wait := r.Ready.Sub(now); wait > 0 {
		options := workflow.TimerOptions{Summary: fmt.Sprintf("not more than %g versions a second", r.Rate)}
		if err := workflow.NewTimerWithOptions(ctx, wait, options).Get(ctx, nil); err != nil {
			return err
		}
		now = workflow.Now(ctx)
	}
	r.Ready = later(r.Ready, now).Add(time.Duration(float64(n) / r.Rate * float64(time.Second)))
	return nil
}

// note counts what a listing has found.
func (s *captureSlice) note(fresh []cdc.Change) {
	if r := s.in.Range; r != nil && r.Listings > 0 {
		r.Found += len(fresh)
	}
}

// pagesDone is asked after the last page, and reports whether the slice is done. That
// of a range lists the ids of its span until a listing finds nothing new: what is
// updated while pages are read moves others up on a store that pages by position, and
// search hides what is being indexed again.
func (s *captureSlice) pagesDone(ctx workflow.Context) (done bool, err error) {
	r := s.in.Range
	if r == nil || !r.Listing || r.Listings > 0 && r.Found == 0 {
		return true, nil
	}
	wait := r.Began.Add(listingSettle).Sub(workflow.Now(ctx))
	if r.Listings > 0 {
		wait = cdc.Delay(r.Listings)
	}
	if wait > 0 {
		options := workflow.TimerOptions{Summary: "until what search hides is back"}
		if err := workflow.NewTimerWithOptions(ctx, wait, options).Get(ctx, nil); err != nil {
			return false, err
		}
	}
	r.Listings, r.Found = r.Listings+1, 0
	s.in.Confirm, s.in.Next, s.state.PageKnown = true, "", cdc.HashSet{}
	return false, nil
}

// asked are the resources that are still to read, of a slice that has any named.
func (s *captureSlice) asked() []string {
	if s.in.Range == nil || len(s.in.Range.IDs) == 0 {
		return nil
	}
	return s.in.Range.IDs[s.in.Range.At:]
}

// idsRead goes on behind the resources that were read, and tells whether these
// were the last.
func (s *captureSlice) idsRead(page cdc.HydratePageResult) (done bool) {
	s.in.Range.At = len(s.in.Range.IDs) - len(page.UnreadIDs)
	return len(page.UnreadIDs) == 0
}

// askAgain lets the next run read every named resource again, for what the bus
// refused.
func (s *captureSlice) askAgain() {
	if s.in.Range != nil {
		s.in.Range.At = 0
		s.state.Counts.NotFound = 0
	}
}
