package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// countMargin is beside a span that was counted as empty: before it is taken for
// empty it is counted with this on both sides, because stores differ in how
// exactly they read boundaries. A slice asks with a margin, too.
const countMargin = time.Second

// hasRecent tells whether a range has a part whose ledgers are known.
func hasRecent(in cdc.CaptureRangeInput) bool {
	return !in.Border.IsZero() && in.Border.Before(in.Span.To)
}

// wholeParts are the parts that a range begins with: the recent part of a backfill
// of each datastore first, while its ledgers are there, then the types in order.
// The next part is the last one.
func wholeParts(in cdc.CaptureRangeInput) []*cdc.RangePart {
	var parts []*cdc.RangePart
	older := in.Span
	if hasRecent(in) {
		older.To = in.Border
		recent := cdc.Span{From: later(in.Border, in.Span.From), To: in.Span.To}
		for _, datastore := range in.Datastores {
			parts = append(parts, &cdc.RangePart{Datastore: datastore, Span: recent, Count: cdc.NotCounted})
		}
	}
	for _, datastore := range in.Datastores {
		for _, resourceType := range in.Types {
			part := &cdc.RangePart{Datastore: datastore, Type: resourceType, Span: older, Count: cdc.NotCounted}
			if len(in.IDs) > 0 {
				part.Count = len(cdc.IDsOf(in.IDs, resourceType))
			}
			named := len(in.IDs) == 0 || part.Count > 0
			if named && older.To.After(older.From) {
				parts = append(parts, part)
			}
		}
	}
	slices.Reverse(parts)
	return parts
}

// count asks how many versions a whole part has.
func (r *captureRange) count(ctx workflow.Context, part *cdc.RangePart) error {
	total := 0
	for _, resourceType := range r.typesOf(part) {
		n, refused, err := r.ask(ctx, part.Datastore, resourceType, part.Span)
		if err != nil {
			return err
		}
		if refused != "" && part.Type != "" {
			refusePart(ctx, part, refused)
			return nil
		}
		total += n // a refused type of an audit is the audit's to tell
	}
	part.Count, part.Refusals, part.Class, part.Due = total, 0, "", time.Time{}
	r.plan.Total += total
	return nil
}

func (r *captureRange) typesOf(part *cdc.RangePart) []string {
	if part.Type == "" {
		return r.in.Types
	}
	return []string{part.Type}
}

// ask counts what search shows, or says why the store refuses to.
func (r *captureRange) ask(ctx workflow.Context, datastore, resourceType string, span cdc.Span) (n int, refused cdc.Class, err error) {
	in := cdc.CountInput{Datastore: datastore, Type: resourceType, Span: span}
	ctx = operatorPolicy(ctx, datastore, true, fmt.Sprintf("count %s from %s", resourceType, span.From.UTC().Format(time.DateTime)))
	err = workflow.ExecuteActivity(ctx, do.Count, in).Get(ctx, &n)
	r.plan.Counts.Searches++
	if class := operatorClass(err); class != "" {
		return 0, class, nil
	}
	return n, "", err
}

// refusePart puts a part off that the store refuses to count.
func refusePart(ctx workflow.Context, part *cdc.RangePart, class cdc.Class) {
	part.Class = class
	part.Refusals++
	part.Due = workflow.Now(ctx).Add(backoff(part.Refusals))
}

// empty makes sure that a part which was counted as empty is: by the count of
// exactly its span, and of a little more.
func (r *captureRange) empty(ctx workflow.Context, part *cdc.RangePart) error {
	around := cdc.Span{From: part.Span.From.Add(-countMargin), To: part.Span.To.Add(countMargin)}
	n, refused, err := r.ask(ctx, part.Datastore, part.Type, around)
	switch {
	case err != nil:
		return err
	case refused != "":
		refusePart(ctx, part, refused)
		return nil
	case n == 0:
		r.finish(part, 0)
		return nil
	}
	r.plan.Total += n - part.Count
	part.Count = n
	return nil // taken up again, by whoever is next
}

// cut halves a part. Only one half is counted: the other has the rest, as far as
// nothing changes meanwhile, and is counted itself before it is taken for empty.
func (r *captureRange) cut(ctx workflow.Context, part *cdc.RangePart) error {
	early, late, _ := part.Span.Halves()
	n, refused, err := r.ask(ctx, part.Datastore, part.Type, early)
	if err != nil {
		return err
	}
	if refused != "" {
		refusePart(ctx, part, refused)
		return nil
	}
	n = min(n, part.Count)
	half := func(span cdc.Span, n int) *cdc.RangePart {
		return &cdc.RangePart{Datastore: part.Datastore, Type: part.Type, Span: span, Count: n}
	}
	r.replace(part, half(late, part.Count-n), half(early, n))
	return nil
}

// setHold pauses the range, or lets it go on, and tells its open slices.
func (r *captureRange) setHold(ctx workflow.Context, hold bool) {
	now := workflow.Now(ctx)
	if hold == r.plan.Paused {
		return
	}
	r.plan.Paused = hold
	if hold {
		r.plan.HeldFrom = now
	} else {
		r.plan.Held += now.Sub(r.plan.HeldFrom)
		r.plan.HeldFrom = time.Time{}
	}
	r.turn++
	r.describe(ctx)
	for _, slice := range slices.Clone(r.open) {
		// One that has closed meanwhile has nothing to hold.
		_ = slice.future.SignalChildWorkflow(ctx, cdc.SignalHold, hold).Get(ctx, nil)
	}
}

// listen takes the operator's signals.
func (r *captureRange) listen(ctx workflow.Context) {
	signals := workflow.GetSignalChannel(ctx, cdc.SignalHold)
	for {
		var hold bool
		signals.Receive(ctx, &hold)
		r.setHold(ctx, hold)
	}
}

// takeHold takes what has come since, before the range continues as new: no slice
// is open then.
func (r *captureRange) takeHold(ctx workflow.Context) {
	signals := workflow.GetSignalChannel(ctx, cdc.SignalHold)
	var hold bool
	for signals.ReceiveAsync(&hold) {
		r.setHold(ctx, hold)
	}
}

func (r *captureRange) progress() cdc.Progress {
	open := make([]string, len(r.open))
	for i, slice := range r.open {
		open[i] = slice.id
	}
	p := r.plan.Progress(r.asOf, open, len(r.open))
	return cdc.Progress{Counts: r.plan.Counts, Range: &p, Refused: r.refused()}
}

// refused are the types that the store refuses to count.
func (r *captureRange) refused() map[string]cdc.Class {
	refused := make(map[string]cdc.Class)
	for _, part := range r.plan.Parts {
		if part.Class != "" {
			refused[part.Type] = part.Class
		}
	}
	return refused
}

// heed takes what an operator orders of the types that cannot be counted.
func (r *captureRange) heed(ctx workflow.Context) {
	for {
		selector := workflow.NewSelector(ctx)
		r.orders.wake(selector)
		selector.Select(ctx)
		r.takeOrders(ctx)
	}
}

// takeOrders lets refused parts be counted at once, or gives them up.
func (r *captureRange) takeOrders(ctx workflow.Context) {
	retry, skips := r.orders.take()
	for _, part := range slices.Clone(r.plan.Parts) {
		if part.Class == "" || r.held[part] {
			continue
		}
		named := func(s cdc.Skip) bool { return slices.Contains(s.Types, part.Type) }
		switch {
		case slices.ContainsFunc(skips, named):
			workflow.GetLogger(ctx).Warn("an operator gave up a type that cannot be counted", "type", part.Type, "class", part.Class)
			r.plan.Counts.GivenUp++
			r.plan.Total -= max(0, part.Count)
			r.replace(part)
		case retry:
			part.Due = time.Time{}
		}
	}
	if retry || len(skips) > 0 {
		r.turn++
		r.describe(ctx)
	}
}

// describe sets the text that the Temporal UI shows of the range now.
func (r *captureRange) describe(ctx workflow.Context) {
	r.asOf = workflow.Now(ctx)
	p := r.progress()
	parts := []string{fmt.Sprintf("**%s** · %d published · %d slices · %d searches", p.Range.Text(),
		r.plan.Counts.Published, r.plan.Slices, r.plan.Counts.Searches)}
	for _, resourceType := range r.in.Types {
		if class := p.Refused[resourceType]; class != "" {
			parts = append(parts, fmt.Sprintf("%s cannot be counted: %s", resourceType, class))
		}
	}
	workflow.SetCurrentDetails(ctx, strings.Join(parts, "\n\n"))
}
