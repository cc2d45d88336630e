package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// listingDelay is how long after its beginning a slice begins to list what it may have
// missed: search hides what is indexed again for about 20 s, as was seen.
const listingDelay = 20 * time.Second

// batchSize is how many of n changes one Publish may hold: with a rate, what a second
// allows.
func (s *captureSlice) batchSize(n int) int {
	if s.in.Range.Rate <= 0 {
		return max(1, n)
	}
	return max(1, min(n, int(s.in.Range.Rate)))
}

// maxPages is how many pages one HydratePage may read, 0 for as many as it can: with a
// rate, what a second allows, so that a pause does not wait for what was read before it.
func (s *captureSlice) maxPages() int {
	if s.in.Range.Rate <= 0 {
		return 0
	}
	return max(1, int(s.in.Range.Rate)/cdc.PageSize)
}

// drainPauses receives the signals to pause or resume that have come.
func (s *captureSlice) drainPauses(ctx workflow.Context) {
	signals := workflow.GetSignalChannel(ctx, cdc.SignalPause)
	for signals.ReceiveAsync(&s.state.Paused) { // the last one counts
	}
}

// waitWhilePaused waits, once what was read is published, while the range is paused.
func (s *captureSlice) waitWhilePaused(ctx workflow.Context) error {
	s.drainPauses(ctx)
	if !s.state.Paused {
		return nil
	}
	if err := s.awaitPublish(ctx); err != nil {
		return err
	}
	if err := s.operator.show(ctx); err != nil {
		return err
	}
	return workflow.Await(ctx, func() bool {
		s.drainPauses(ctx)
		return !s.state.Paused
	})
}

// waitForRate waits until the slice's rate lets it publish n versions more.
func (s *captureSlice) waitForRate(ctx workflow.Context, n int) error {
	rate := s.in.Range.Rate
	if rate <= 0 {
		return nil
	}
	if err := sleep(ctx, s.state.Ready, fmt.Sprintf("not more than %g versions a second", rate)); err != nil {
		return err
	}
	s.state.Ready = later(s.state.Ready, workflow.Now(ctx)).Add(time.Duration(float64(n) / rate * float64(time.Second)))
	return nil
}

// sleep waits until the moment, whatever signals come.
func sleep(ctx workflow.Context, until time.Time, summary string) error {
	wait := until.Sub(workflow.Now(ctx))
	if wait <= 0 {
		return nil
	}
	return workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: summary}).Get(ctx, nil)
}

// pagesDone reports, after the last page, whether the slice is done. That of a range lists
// the ids of its span until a listing finds nothing new: what is updated while pages are
// read moves others on a store that pages by position, and search hides what is being
// indexed again.
func (s *captureSlice) pagesDone(ctx workflow.Context) (done bool, err error) {
	if !s.in.Range.Listing || s.state.Listings > 0 && s.state.Found == 0 {
		return true, nil
	}
	until := s.state.Began.Add(listingDelay)
	if s.state.Listings > 0 {
		until = workflow.Now(ctx).Add(cdc.Delay(s.state.Listings))
	}
	if err := sleep(ctx, until, "until what search hides is back"); err != nil {
		return false, err
	}
	s.state.Listings, s.state.Found = s.state.Listings+1, 0
	s.in.Confirm = true
	return false, nil
}

// idsToRead are the resources that are still to be read, of a slice that has any named.
func (s *captureSlice) idsToRead() []string {
	if len(s.in.Range.IDs) == 0 {
		return nil
	}
	return s.in.Range.IDs[s.state.NextID:]
}
