package workflows

import (
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// countMargin is added on both sides of a span that was counted as empty, to count it
// once more: stores read boundaries differently.
const countMargin = time.Second

func (r *captureRange) count(ctx workflow.Context, part *cdc.RangePart) error {
	types := []string{part.Type}
	if part.Type == "" {
		types = r.in.Types
	}
	total := 0
	for _, resourceType := range types {
		n, err := r.countSpan(ctx, part, resourceType, part.Span)
		if err != nil && part.Type != "" {
			return retryLater(ctx, &part.Retry, err)
		}
		// A type of an audited part that cannot be counted is reported by the audit.
		if _, _, ok := failureOf(ctx, err); err != nil && !ok {
			return err
		}
		total += max(0, n)
	}
	recount(&r.plan, part, total)
	return nil
}

// countSpan counts what search shows; cdc.NotCounted where the store does not say.
func (r *captureRange) countSpan(ctx workflow.Context, part *cdc.RangePart, resourceType string, span cdc.Span) (n int, err error) {
	in := cdc.CountInput{Datastore: part.Datastore, Type: resourceType, Span: span}
	ctx = operatorPolicy(ctx, part.Datastore, true, part.Retry, fmt.Sprintf("count %s from %s", resourceType, span.From.UTC().Format(time.DateTime)))
	err = workflow.ExecuteActivity(ctx, do.Count, in).Get(ctx, &n)
	r.plan.Counts.Searches++
	return n, err
}

// setUncounted goes on with a part by its length: the store does not count, or no longer.
func (r *captureRange) setUncounted(part *cdc.RangePart) {
	recount(&r.plan, part, 0)
	part.Uncounted = true
}

// confirmEmpty counts a part that was counted as empty once more, with a margin.
func (r *captureRange) confirmEmpty(ctx workflow.Context, part *cdc.RangePart) error {
	around := cdc.Span{From: part.Span.From.Add(-countMargin), To: part.Span.To.Add(countMargin)}
	n, err := r.countSpan(ctx, part, part.Type, around)
	switch {
	case err != nil:
		return retryLater(ctx, &part.Retry, err)
	case n == cdc.NotCounted:
		r.setUncounted(part)
	case n == 0:
		finishPart(&r.plan, part, 0)
	default:
		recount(&r.plan, part, n)
	}
	return nil
}

// cut halves a part. Only one half is counted: the other has the rest, and is counted
// as well if that is nothing.
func (r *captureRange) cut(ctx workflow.Context, part *cdc.RangePart) error {
	early, _, _ := part.Span.Halves()
	n, err := r.countSpan(ctx, part, part.Type, early)
	switch {
	case err != nil:
		return retryLater(ctx, &part.Retry, err)
	case n == cdc.NotCounted:
		r.setUncounted(part)
	default:
		replacePart(&r.plan, part, countedHalves(part, n)...)
	}
	return nil
}

// origin is what the events of the range have in common. A dry run's is that of
// the real run, which it measures.
func (r *captureRange) origin(datastore string) cdc.Origin {
	o := cdc.Origin{
		Datastore: datastore, Cause: cdc.Cause{SourceTime: r.in.SourceTime, CapturedBy: r.in.CapturedBy, Bulk: true},
		CorrelationID: cdc.BackfillID(r.in.Name),
	}
	if r.in.CapturedBy != cdc.ByBackfill {
		o.CorrelationID, o.Replay = cdc.ReplayID(r.in.Name), r.in.Name
	}
	return o
}

// capture publishes a part with a slice. Of a slice that an operator terminated the
// ledger is read first, and the part goes on with another.
func (r *captureRange) capture(ctx workflow.Context, part *cdc.RangePart) error {
	if err := workflow.Await(ctx, func() bool { return !r.plan.Paused || r.mustStop(ctx) }); err != nil {
		return err
	}
	if r.mustStop(ctx) {
		return nil // the part stays
	}
	ids := cdc.IDsOf(r.in.IDs, part.Type)
	r.plan.Slices++
	slice := startSlice(ctx, r.plan.Slices, cdc.CaptureSliceInput{
		Origin: r.origin(part.Datastore), Type: part.Type, Span: part.Span, Salt: r.in.Salt, Known: part.Known,
		Attributes: r.in.Attributes,
		Range: cdc.RangeSlice{
			Listing: len(ids) == 0, Rate: r.in.Rate / float64(lines(r.in.Rate, false)), Bus: r.in.Bus, Weigh: true, IDs: ids,
		},
	})
	r.open = append(r.open, slice)
	var result cdc.CaptureSliceResult
	err := slice.future.Get(ctx, &result)
	r.open = slices.DeleteFunc(r.open, func(o *childSlice) bool { return o == slice })
	switch {
	case err == nil && result.Cancelled:
		r.plan.Counts.Add(result.Counts)
		part.Known.Merge(result.Published)
		part.Known.Merge(result.Skipped)
		if ctx.Err() != nil {
			r.plan.Done += min(part.Count, result.Counts.Published)
		}
	case err == nil:
		r.plan.Counts.Add(result.Counts)
		finishPart(&r.plan, part, result.Counts.Published)
	case classOf(err) == cdc.ClassInvalidInput:
		return err
	default:
		part.Lost = slice.id
	}
	return ctx.Err()
}

// readLost reads what a slice had published that did not complete, so that the next
// one of the same span does not publish it again.
func (r *captureRange) readLost(ctx workflow.Context, part *cdc.RangePart) error {
	ledger, err := sliceLedger(ctx, part.Lost)
	if err != nil {
		return retryLater(ctx, &part.Retry, err)
	}
	r.plan.Counts.Published += part.Known.Merge(ledger.Type(part.Type).Published)
	r.plan.Counts.Skipped += part.Known.Merge(ledger.Known(part.Type))
	part.Lost, part.Retry = "", cdc.Retry{Due: workflow.Now(ctx).Add(sliceDelay)}
	return nil
}

func (r *captureRange) measure(ctx workflow.Context, part *cdc.RangePart) error {
	in := cdc.MeasureInput{Origin: r.origin(part.Datastore), Type: part.Type, Span: part.Span, IDs: cdc.IDsOf(r.in.IDs, part.Type)}
	ctx = measurePolicy(ctx, part.Datastore, part.Retry, fmt.Sprintf("measure %s from %s", part.Type, part.Span.From.UTC().Format(time.DateTime)))
	var result cdc.MeasureResult
	if err := workflow.ExecuteActivity(ctx, do.MeasureSpan, in).Get(ctx, &result); err != nil {
		return retryLater(ctx, &part.Retry, err)
	}
	r.plan.Counts.Add(result.Counts)
	r.plan.Actions += sliceActions(result.Pages, result.Counts.Published, len(in.IDs) == 0)
	finishPart(&r.plan, part, result.Counts.Published)
	return nil
}

// audit lists the next piece of the recent part, compares it with the ledgers and
// runs just the windows that miss something.
func (r *captureRange) audit(ctx workflow.Context, part *cdc.RangePart) error {
	piece := cdc.Span{From: part.Span.From, To: earlier(part.Span.From.Add(maxAudited), part.Span.To)}
	in := cdc.AuditInput{
		Datastore: part.Datastore, Types: r.in.Types, Span: &piece, Versions: r.in.Versions,
		Cause: cdc.Cause{CapturedBy: r.in.CapturedBy, SourceTime: r.in.SourceTime}, Horizon: r.in.Horizon,
		DryRun: r.in.DryRun, Attributes: r.in.Attributes,
	}
	if closed := piece.To.Add(r.in.WindowsCloseAfter); closed.After(workflow.Now(ctx)) {
		in.StartAt = closed // its windows are open until then, and would be waited for
	}
	for tries := 1; ; tries++ {
		result, err := r.runAudit(ctx, part, in)
		if err == nil {
			addAudit(&r.plan, part, piece, result.Totals, r.in.DryRun)
			return nil
		}
		if ctx.Err() != nil || classOf(err) == cdc.ClassInvalidInput {
			return err
		}
		// An operator ended it: what it had healed is in the windows' ledgers.
		if err := workflow.Sleep(ctx, cdc.Delay(tries)); err != nil {
			return err
		}
	}
}

func (r *captureRange) runAudit(ctx workflow.Context, part *cdc.RangePart, in cdc.AuditInput) (result cdc.AuditState, err error) {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:          cdc.RangeAuditID(r.id, part.Datastore),
		ParentClosePolicy:   enumspb.PARENT_CLOSE_POLICY_TERMINATE,
		WaitForCancellation: true,
		StaticSummary:       fmt.Sprintf("recent part of datastore %s from %s", part.Datastore, in.Span.From.UTC().Format(time.DateTime)),
	})
	err = workflow.ExecuteChildWorkflow(ctx, cdc.WorkflowAudit, in).Get(ctx, &result)
	return result, err
}
