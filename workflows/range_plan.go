package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// countMargin is beside a span that was counted as empty: before it is taken for
// empty it is counted with this on both sides, because stores differ in how
// exactly they read boundaries. A slice asks with a margin, too.
const countMargin = time.Second

// uncountedSpan is up to how long a part is that goes to one slice though the store
// does not tell how much is in it. A slice's ledger holds some 150,000 versions
// (cdc.HashSet), which is 40 writes a second of one type for an hour.
const uncountedSpan = time.Hour

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
		n, err := r.ask(ctx, part, resourceType, part.Span)
		if err != nil && part.Type != "" {
			return putOff(ctx, part, err)
		}
		if _, _, ok := failed(ctx, err); err != nil && !ok {
			return err
		}
		// One that is not counted is looked at again where the part seems empty.
		total += max(0, n) // a type of an audited part that cannot be counted is the audit's to tell
	}
	part.Count, part.Retry = total, cdc.Retry{}
	r.plan.Total += total
	return nil
}

func (r *captureRange) typesOf(part *cdc.RangePart) []string {
	if part.Type == "" {
		return r.in.Types
	}
	return []string{part.Type}
}

// uncounted goes on with a part by its length, because the store does not, or does no
// longer, say how much is in it.
func (r *captureRange) uncounted(part *cdc.RangePart) {
	r.plan.Total -= part.Count
	part.Count, part.Uncounted, part.Retry = 0, true, cdc.Retry{}
}

// ask counts what search shows; cdc.NotCounted where the store does not say.
func (r *captureRange) ask(ctx workflow.Context, part *cdc.RangePart, resourceType string, span cdc.Span) (n int, err error) {
	in := cdc.CountInput{Datastore: part.Datastore, Type: resourceType, Span: span}
	ctx = operatorPolicy(ctx, part.Datastore, true, part.Retry, fmt.Sprintf("count %s from %s", resourceType, span.From.UTC().Format(time.DateTime)))
	err = workflow.ExecuteActivity(ctx, do.Count, in).Get(ctx, &n)
	r.plan.Counts.Searches++
	return n, err
}

// putOff has a part tried again later whose activity failed. It returns an error that
// is not to be tried again.
func putOff(ctx workflow.Context, part *cdc.RangePart, err error) error {
	class, asked, ok := failed(ctx, err)
	if !ok {
		return err
	}
	part.Retry.Failed(workflow.Now(ctx), class, asked)
	return nil
}

// empty makes sure that a part which was counted as empty is: by the count of
// exactly its span, and of a little more.
func (r *captureRange) empty(ctx workflow.Context, part *cdc.RangePart) error {
	around := cdc.Span{From: part.Span.From.Add(-countMargin), To: part.Span.To.Add(countMargin)}
	n, err := r.ask(ctx, part, part.Type, around)
	switch {
	case err != nil:
		return putOff(ctx, part, err)
	case n == cdc.NotCounted:
		r.uncounted(part)
		return nil
	case n == 0:
		r.finish(part, 0)
		return nil
	}
	r.plan.Total += n - part.Count
	part.Count, part.Retry = n, cdc.Retry{}
	return nil // taken up again, by whoever is next
}

// cut halves a part. Only one half is counted: the other has the rest, as far as
// nothing changes meanwhile, and is counted itself before it is taken for empty.
func (r *captureRange) cut(ctx workflow.Context, part *cdc.RangePart) error {
	early, late, _ := part.Span.Halves()
	n, err := r.ask(ctx, part, part.Type, early)
	if err != nil {
		return putOff(ctx, part, err)
	}
	if n == cdc.NotCounted {
		r.uncounted(part)
		return nil
	}
	n = min(n, part.Count)
	half := func(span cdc.Span, n int) *cdc.RangePart {
		return &cdc.RangePart{Datastore: part.Datastore, Type: part.Type, Span: span, Count: n, Known: part.Known}
	}
	r.replace(part, half(late, part.Count-n), half(early, n))
	return nil
}

// cutByTime halves a part whose count the store does not tell.
func (r *captureRange) cutByTime(part *cdc.RangePart) {
	early, late, _ := part.Span.Halves()
	half := func(span cdc.Span) *cdc.RangePart {
		return &cdc.RangePart{Datastore: part.Datastore, Type: part.Type, Span: span, Known: part.Known, Uncounted: true}
	}
	r.replace(part, half(late), half(early))
}

// setPaused pauses or resumes the range, and tells its open slices.
func (r *captureRange) setPaused(ctx workflow.Context, pause bool) {
	now := workflow.Now(ctx)
	if pause == r.plan.Paused {
		return
	}
	r.plan.Paused = pause
	if pause {
		r.plan.PausedAt = now
	} else {
		r.plan.PausedFor += now.Sub(r.plan.PausedAt)
		r.plan.PausedAt = time.Time{}
	}
	r.turn++
	r.describe(ctx)
	for _, slice := range slices.Clone(r.open) {
		// One that has closed meanwhile has nothing to pause.
		_ = slice.future.SignalChildWorkflow(ctx, cdc.SignalPause, pause).Get(ctx, nil)
	}
}

// listen takes the operator's signals.
func (r *captureRange) listen(ctx workflow.Context) {
	signals := workflow.GetSignalChannel(ctx, cdc.SignalPause)
	for {
		var pause bool
		signals.Receive(ctx, &pause)
		r.setPaused(ctx, pause)
	}
}

// drainPauses takes what has come since, before the range continues as new: no slice
// is open then.
func (r *captureRange) drainPauses(ctx workflow.Context) {
	signals := workflow.GetSignalChannel(ctx, cdc.SignalPause)
	var pause bool
	for signals.ReceiveAsync(&pause) {
		r.setPaused(ctx, pause)
	}
}
