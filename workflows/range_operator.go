package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// listenToOperator takes an operator's signals as they come.
func (r *captureRange) listenToOperator(ctx workflow.Context) {
	for {
		selector := workflow.NewSelector(ctx)
		r.operator.wake(selector)
		selector.Select(ctx)
		r.handleSignals(ctx)
		if len(r.plan.Parts) == 0 {
			continue // markClosed upserts
		}
		// A hand shows it when it is done with a part, which may take long.
		if err := r.operator.show(ctx, r.waiting(ctx)); err != nil && r.err == nil {
			r.err = err
		}
	}
}

// handleSignals lets parts that wait be tried at once, or skips them. A part that is
// being tried just now is skipped when that has failed again.
func (r *captureRange) handleSignals(ctx workflow.Context) {
	retryNow, skips := r.operator.signals()
	for _, part := range slices.Clone(r.plan.Parts) {
		switch {
		case !part.Retry.Failing():
		case r.held[part]:
			r.skips[part] = append(r.skips[part], skips...)
		default:
			r.skip(ctx, part, skips)
			if retryNow {
				part.Retry.Due = time.Time{}
			}
		}
	}
	if retryNow || len(skips) > 0 {
		r.turn++
		r.describe(ctx)
	}
}

// skip skips a part that waits, if one of the skips names it. Of a part whose slice
// was lost it skips the slice's ledger: what that slice published is published again.
func (r *captureRange) skip(ctx workflow.Context, part *cdc.RangePart, skips []cdc.Skip) {
	if !slices.Contains(r.plan.Parts, part) {
		return // it is done, or was cut, meanwhile
	}
	if !part.Retry.Failing() || !slices.ContainsFunc(skips, func(s cdc.Skip) bool { return names(s, part) }) {
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
	r.replace(part)
}

// names reports whether a skip names the part, as it waits.
func names(s cdc.Skip, part *cdc.RangePart) bool {
	if part.Lost != "" {
		return s.Ledger
	}
	return slices.Contains(s.Types, part.Type)
}

// handBackSlices has the open slices closed when the range has to continue as new and
// they are open for long: they go on in the next run from what they had published.
func (r *captureRange) handBackSlices(ctx workflow.Context) {
	err := workflow.Await(ctx, func() bool { return historyIsLarge(ctx) })
	if err == nil && len(r.open) > 0 {
		err = workflow.Sleep(ctx, cancelSlicesAfter)
	}
	if err != nil {
		return // cancelled: the slices are as well
	}
	for _, slice := range r.open {
		slice.cancel()
	}
}

// waiting is what waits for an operator, each type once.
func (r *captureRange) waiting(ctx workflow.Context) []cdc.Wait {
	now := workflow.Now(ctx)
	var all []cdc.Wait
	for _, part := range r.plan.Parts {
		wait := cdc.Wait{Type: part.Type, Class: part.Retry.Class, Ledger: part.Lost != ""}
		if part.Retry.Waits(now) && !slices.Contains(all, wait) {
			all = append(all, wait)
		}
	}
	return all
}

func (r *captureRange) progress(ctx workflow.Context) cdc.Progress {
	open := make([]string, len(r.open))
	for i, slice := range r.open {
		open[i] = slice.id
	}
	p := r.plan.Progress(r.asOf, open, len(r.open))
	return cdc.Progress{Counts: r.plan.Counts, Range: &p, Unavailable: r.failing(), Waiting: r.waiting(ctx)}
}

// failing are the types that cannot be read, with the reason.
func (r *captureRange) failing() map[string]cdc.Class {
	failing := make(map[string]cdc.Class)
	for _, part := range r.plan.Parts {
		if part.Retry.Failing() {
			failing[part.Type] = part.Retry.Class
		}
	}
	return failing
}

// describe sets the text that the Temporal UI shows of the range now.
func (r *captureRange) describe(ctx workflow.Context) {
	r.asOf = workflow.Now(ctx)
	p := r.progress(ctx)
	parts := []string{fmt.Sprintf("**%s** · %d published · %d slices · %d searches", p.Range.Text(),
		r.plan.Counts.Published, r.plan.Slices, r.plan.Counts.Searches)}
	for _, resourceType := range r.in.Types {
		if class := p.Unavailable[resourceType]; class != "" {
			parts = append(parts, fmt.Sprintf("%s cannot be read: %s", resourceType, class))
		}
	}
	if len(p.Waiting) > 0 {
		parts = append(parts, operatorAdvice)
	}
	workflow.SetCurrentDetails(ctx, strings.Join(parts, "\n\n"))
}
