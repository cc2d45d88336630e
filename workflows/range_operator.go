package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// listen handles signals as they come: retry, skip, pause and resume.
func (r *captureRange) listen(ctx workflow.Context) {
	for {
		selector := workflow.NewSelector(ctx)
		r.operator.wake(selector)
		selector.AddReceive(workflow.GetSignalChannel(ctx, cdc.SignalPause), func(workflow.ReceiveChannel, bool) {})
		selector.Select(ctx)
		r.handleSignals(ctx)
		if len(r.plan.Parts) == 0 {
			continue // it ends now, and operator.close sets CdcState
		}
		// A line does so when it is done with a part, which may take long.
		if err := r.operator.show(ctx); err != nil && r.err == nil {
			r.err = err
		}
	}
}

// handleSignals pauses or resumes the range, and lets parts that wait be tried at once,
// or skips them. A part that is being tried is skipped when that has failed again.
func (r *captureRange) handleSignals(ctx workflow.Context) {
	retryNow, skips := r.operator.signals()
	for _, part := range slices.Clone(r.plan.Parts) {
		switch {
		case !part.Retry.Failing():
		case r.busy[part]:
			r.skips[part] = append(r.skips[part], skips...)
		default:
			r.skip(ctx, part, skips)
			if retryNow {
				part.Retry.Due = time.Time{}
			}
		}
	}
	if retryNow || len(skips) > 0 {
		r.changes++
	}
	var pause bool
	for workflow.GetSignalChannel(ctx, cdc.SignalPause).ReceiveAsync(&pause) {
		r.setPaused(ctx, pause)
	}
}

func (r *captureRange) setPaused(ctx workflow.Context, pause bool) {
	if pause == r.plan.Paused {
		return
	}
	now := workflow.Now(ctx)
	if r.plan.Paused = pause; pause {
		r.plan.PausedAt = now
	} else {
		r.plan.PausedFor += now.Sub(r.plan.PausedAt)
		r.plan.PausedAt = time.Time{}
	}
	r.changes++
	for _, slice := range slices.Clone(r.open) {
		// One that has closed meanwhile has nothing to pause.
		_ = slice.future.SignalChildWorkflow(ctx, cdc.SignalPause, pause).Get(ctx, nil)
	}
}

// skip skips a part that waits, if one of the skips names it. Of a part whose slice
// was lost it skips the slice's ledger: what that slice published is published again.
func (r *captureRange) skip(ctx workflow.Context, part *cdc.RangePart, skips []cdc.Skip) {
	named := func(s cdc.Skip) bool {
		if part.Lost != "" {
			return s.Ledger
		}
		return slices.Contains(s.Types, part.Type)
	}
	replaced := !slices.Contains(r.plan.Parts, part) // it is done, or was cut, meanwhile
	if replaced || !part.Retry.Failing() || !slices.ContainsFunc(skips, named) {
		return
	}
	log := workflow.GetLogger(ctx)
	if part.Lost != "" {
		log.Warn("an operator skipped the ledger of a slice: what it published is published again", "type", part.Type)
		part.Lost, part.Retry = "", cdc.Retry{}
		return
	}
	log.Warn("an operator skipped a type that cannot be read", "type", part.Type, "class", part.Retry.Class)
	r.plan.Counts.SkippedTypes++
	r.plan.Total -= max(0, part.Count)
	replacePart(&r.plan, part)
}

func (r *captureRange) progress(ctx workflow.Context) cdc.Progress {
	open := make([]string, len(r.open))
	for i, slice := range r.open {
		open[i] = slice.id
	}
	now := workflow.Now(ctx)
	done := r.plan.Progress(now, open)
	p := cdc.Progress{Counts: r.plan.Counts, Range: &done}
	for _, part := range r.plan.Parts {
		p.Add(cdc.Wait{Type: part.Type, Ledger: part.Lost != ""}, part.Retry, now)
	}
	return p
}
