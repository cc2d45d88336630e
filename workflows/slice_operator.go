package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// waitForStore waits before the page that the store does not give is requested again.
// last is set when an operator skipped the rest, or an audit is to capture it.
func (s *captureSlice) waitForStore(ctx workflow.Context, class cdc.Class, retryAfter time.Duration) (last bool, err error) {
	if err := s.awaitPublish(ctx); err != nil {
		return false, err
	}
	s.state.Retry.Failed(workflow.Now(ctx), class, retryAfter)
	if err := s.handleSignals(ctx); err != nil || s.unswept {
		return s.unswept, err
	}
	if s.in.Audited && s.state.Retry.FailingFor(workflow.Now(ctx)) >= cdc.UnsweptAfter {
		reportUnswept(ctx, s.in.Origin.Datastore, map[string]cdc.Class{s.in.Type: class})
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

// handleSignals does what an operator has asked for, and shows what that has changed.
func (s *captureSlice) handleSignals(ctx workflow.Context) error {
	retryNow, skips := s.operator.signals()
	if retryNow {
		s.rejected.retryNow(workflow.Now(ctx))
	}
	for _, skip := range skips {
		s.skip(ctx, skip)
	}
	return s.operator.show(ctx)
}

// skip skips what an operator names, as far as it waits.
func (s *captureSlice) skip(ctx workflow.Context, skip cdc.Skip) {
	if slices.Contains(skip.Versions, s.in.Type) {
		skipped := s.rejected.skip(ctx, s.in.Type)
		s.state.Skipped.Merge(skipped)
		s.known.Merge(skipped)
		s.state.Counts.Skipped += skipped.Len()
	}
	if slices.Contains(skip.Types, s.in.Type) && s.state.Retry.Failing() {
		workflow.GetLogger(ctx).Warn("an operator skipped a type that cannot be read", "type", s.in.Type, "class", s.state.Retry.Class)
		s.unswept = true
		s.state.Counts.SkippedTypes++
	}
}

func (s *captureSlice) progress(ctx workflow.Context) cdc.Progress {
	now := workflow.Now(ctx)
	p := cdc.Progress{Counts: s.state.Counts, Versions: map[string]int{s.in.Type: s.state.Published.Len()}}
	if s.state.Paused {
		p.Note = "Paused"
	}
	if !s.unswept {
		p.Add(cdc.Wait{Type: s.in.Type}, s.state.Retry, now)
	}
	s.rejected.addTo(&p, now)
	return p
}
