package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// waitForStore waits before the page that the store does not give is asked for again.
// last is set when the rest of the pages is not to be read: an operator skipped it, or
// it has failed for so long that an audit is to capture it.
func (s *captureSlice) waitForStore(ctx workflow.Context, class cdc.Class, asked time.Duration) (last bool, err error) {
	if err := s.published(ctx); err != nil {
		return false, err
	}
	s.state.Retry.Failed(workflow.Now(ctx), class, asked)
	if err := s.handleSignals(ctx); err != nil || s.unswept {
		return s.unswept, err
	}
	if s.in.Audited && s.state.Retry.FailingFor(workflow.Now(ctx)) >= cdc.UnsweptAfter {
		reportUnswept(ctx, s.in.Origin.Datastore, []string{s.in.Type}, class)
		s.unswept = true
		s.state.Counts.Unswept++
		return true, nil
	}
	if err := s.operator.sleep(ctx, s.state.Retry.Due, fmt.Sprintf("%s cannot be read: %s", s.in.Type, class)); err != nil {
		return false, err
	}
	err = s.handleSignals(ctx)
	return s.unswept, err // only now: a signal may have ended it
}

// handleSignals carries out what an operator has asked for meanwhile, and keeps
// CdcState.
func (s *captureSlice) handleSignals(ctx workflow.Context) error {
	retryNow, skips := s.operator.signals()
	if retryNow {
		s.refused.retryNow(workflow.Now(ctx))
	}
	for _, skip := range skips {
		s.skip(ctx, skip)
	}
	s.describe(ctx)
	return s.operator.show(ctx, s.waits(ctx))
}

// waits reports whether anything waits for an operator.
func (s *captureSlice) waits(ctx workflow.Context) bool { return len(s.waiting(ctx)) > 0 }

// waiting is what waits for an operator.
func (s *captureSlice) waiting(ctx workflow.Context) []cdc.Wait {
	var all []cdc.Wait
	if !s.unswept && s.state.Retry.Waits(workflow.Now(ctx)) {
		all = append(all, cdc.Wait{Type: s.in.Type, Class: s.state.Retry.Class})
	}
	all = append(all, s.refused.waiting()...)
	if s.bus != "" {
		all = append(all, cdc.Wait{Class: s.bus, Bus: true})
	}
	return all
}

// skip skips what an operator names, as far as it waits.
func (s *captureSlice) skip(ctx workflow.Context, skip cdc.Skip) {
	if slices.Contains(skip.Versions, s.in.Type) {
		skipped := s.refused.drop(s.in.Type)
		s.state.Skipped.Merge(skipped)
		s.known.Merge(skipped)
		s.state.Counts.Skipped += skipped.Len()
		workflow.GetLogger(ctx).Warn("an operator skipped what EventBridge refuses", "type", s.in.Type, "versions", skipped.Len())
	}
	if slices.Contains(skip.Types, s.in.Type) && s.state.Retry.Failing() {
		workflow.GetLogger(ctx).Warn("an operator skipped a type that cannot be read", "type", s.in.Type, "class", s.state.Retry.Class)
		s.unswept = true
		s.state.Counts.SkippedTypes++
	}
}

func (s *captureSlice) progress(ctx workflow.Context) cdc.Progress {
	p := cdc.Progress{
		Counts: s.state.Counts, Versions: map[string]int{s.in.Type: s.state.Published.Len()}, Rejected: s.refused.byType(),
		Range: s.progressInRange(), Waiting: s.waiting(ctx),
	}
	if s.state.Retry.Failing() {
		p.Unavailable = map[string]cdc.Class{s.in.Type: s.state.Retry.Class}
	}
	return p
}

func (s *captureSlice) describe(ctx workflow.Context) {
	var text strings.Builder
	fmt.Fprintf(&text, "**%d published** · %d searches · %d refused by EventBridge",
		s.state.Counts.Published, s.state.Counts.Searches, len(s.refused.changes))
	if s.state.Retry.Failing() {
		fmt.Fprintf(&text, "\n\n%s cannot be read: %s, %d times", s.in.Type, s.state.Retry.Class, s.state.Retry.Tries)
	}
	if s.bus != "" {
		fmt.Fprintf(&text, "\n\nThe event bus takes nothing: %s", s.bus)
	}
	if s.waits(ctx) {
		text.WriteString("\n\n" + settleAdvice)
	}
	workflow.SetCurrentDetails(ctx, text.String())
}
