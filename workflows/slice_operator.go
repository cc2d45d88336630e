package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// waitForStore waits before the page that the store refuses is asked for again.
// last tells that an operator has given up the rest of the pages.
func (s *captureSlice) waitForStore(ctx workflow.Context, class cdc.Class) (last bool, err error) {
	if err := s.published(ctx); err != nil {
		return false, err
	}
	s.barred = class
	s.tries++
	if err := s.heed(ctx); err != nil || s.givenUp {
		return s.givenUp, err
	}
	if err := s.orders.wait(ctx, backoff(s.tries), fmt.Sprintf("%s cannot be read: %s", s.in.Type, class)); err != nil {
		return false, err
	}
	err = s.heed(ctx)
	return s.givenUp, err // only now: an order may have given it up
}

// heed carries out what an operator has ordered meanwhile, and keeps CdcState
// true.
func (s *captureSlice) heed(ctx workflow.Context) error {
	retry, skips := s.orders.take()
	if retry {
		s.refused.hurry(workflow.Now(ctx))
	}
	for _, skip := range skips {
		s.skip(ctx, skip)
	}
	s.describe(ctx)
	return s.mark.set(ctx, s.waits())
}

// waits tells whether anything waits for an operator.
func (s *captureSlice) waits() bool { return s.barred != "" || s.refused.wait() }

// skip gives up what an operator names, as far as it waits.
func (s *captureSlice) skip(ctx workflow.Context, skip cdc.Skip) {
	if slices.Contains(skip.Versions, s.in.Type) {
		given := s.refused.giveUp(s.in.Type)
		s.state.Skipped.Merge(given)
		s.known.Merge(given)
		s.state.Counts.Skipped += given.Len()
		workflow.GetLogger(ctx).Warn("an operator gave up what EventBridge refuses", "type", s.in.Type, "versions", given.Len())
	}
	if slices.Contains(skip.Types, s.in.Type) && s.barred != "" {
		workflow.GetLogger(ctx).Warn("an operator gave up a type that cannot be read", "type", s.in.Type, "class", s.barred)
		s.barred, s.givenUp = "", true
		s.state.Counts.GivenUp++
	}
}

func (s *captureSlice) progress() cdc.Progress {
	p := cdc.Progress{
		Counts: s.state.Counts, Versions: map[string]int{s.in.Type: s.state.Published.Len()}, Kept: s.refused.byType(),
		Range: s.progressInRange(),
	}
	if s.barred != "" {
		p.Refused = map[string]cdc.Class{s.in.Type: s.barred}
	}
	return p
}

func (s *captureSlice) describe(ctx workflow.Context) {
	var text strings.Builder
	fmt.Fprintf(&text, "**%d published** · %d searches · %d refused by EventBridge",
		s.state.Counts.Published, s.state.Counts.Searches, len(s.refused.changes))
	if s.barred != "" {
		fmt.Fprintf(&text, "\n\n%s cannot be read: %s, %d times", s.in.Type, s.barred, s.tries)
	}
	if s.waits() {
		text.WriteString("\n\n" + settleAdvice)
	}
	workflow.SetCurrentDetails(ctx, text.String())
}
