package workflows

import (
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

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
	if err := workflow.Await(ctx, func() bool { return !r.plan.Paused || r.ending(ctx) }); err != nil {
		return err
	}
	if r.ending(ctx) {
		return nil // the part stays
	}
	ids := cdc.IDsOf(r.in.IDs, part.Type)
	r.plan.Slices++
	slice := startSlice(ctx, r.plan.Slices, cdc.CaptureSliceInput{
		Origin: r.origin(part.Datastore), Type: part.Type, Span: part.Span, Salt: r.in.Salt, Known: part.Known,
		Attributes: r.in.Attributes,
		Range:      &cdc.RangeSlice{Listing: len(ids) == 0, Rate: r.in.Rate / float64(r.hands()), Bus: r.in.Bus, IDs: ids},
	})
	r.open = append(r.open, slice)
	var result cdc.CaptureSliceResult
	err := slice.future.Get(ctx, &result)
	r.open = slices.DeleteFunc(r.open, func(o *openSlice) bool { return o == slice })
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
		r.finishSlice(part, result.Counts.Published)
	case classOf(err) == cdc.ClassInvalidInput:
		return err
	default:
		part.Lost = slice.id
	}
	return ctx.Err()
}

// readLost reads what a slice had published that did not complete, so that the next
// one of the same span leaves it out.
func (r *captureRange) readLost(ctx workflow.Context, part *cdc.RangePart) error {
	ledger, err := sliceLedger(ctx, part.Lost)
	if err != nil {
		return putOff(ctx, part, err)
	}
	r.plan.Counts.Published += part.Known.Merge(ledger.Type(part.Type).Published)
	r.plan.Counts.Skipped += part.Known.Merge(ledger.Known(part.Type))
	part.Lost, part.Retry = "", cdc.Retry{Due: workflow.Now(ctx).Add(sliceDelay)}
	return nil
}

// measure counts what a slice would publish.
func (r *captureRange) measure(ctx workflow.Context, part *cdc.RangePart) error {
	in := cdc.MeasureInput{Origin: r.origin(part.Datastore), Type: part.Type, Span: part.Span, IDs: cdc.IDsOf(r.in.IDs, part.Type)}
	ctx = measurePolicy(ctx, part.Datastore, part.Retry, fmt.Sprintf("measure %s from %s", part.Type, part.Span.From.UTC().Format(time.DateTime)))
	var result cdc.MeasureResult
	if err := workflow.ExecuteActivity(ctx, do.MeasureSpan, in).Get(ctx, &result); err != nil {
		return putOff(ctx, part, err)
	}
	r.plan.Counts.Add(result.Counts)
	r.plan.Actions += sliceActions(result.Pages, result.Counts.Published, len(in.IDs) == 0)
	r.finishSlice(part, result.Counts.Published)
	return nil
}

// finishSlice takes a part out of the plan that was captured, or measured. One that
// was not counted has as many versions as it turned out to have.
func (r *captureRange) finishSlice(part *cdc.RangePart, published int) {
	if part.Uncounted {
		part.Count = published + part.Known.Len()
		r.plan.Total += part.Count
	}
	r.finish(part, part.Count)
}

// sliceActions is about how many billed actions a slice takes: its start, a read
// and a Publish for each page, and where nothing is named a timer and the listing.
func sliceActions(pages, versions int, listing bool) int {
	actions := 1 + 2*pages
	if listing {
		actions += 2 + versions/fullPage
	}
	return actions
}

// auditPiece is how much of the recent part one audit is given: the range can be
// paused between two, and its progress is seen.
const auditPiece = 6 * time.Hour

// audit lists the next piece of the recent part, compares it with the ledgers and
// runs just the windows that miss something. One audit of a range runs at a time:
// it opens several windows at once as it is.
func (r *captureRange) audit(ctx workflow.Context, part *cdc.RangePart) error {
	piece := part.Span
	if end := piece.From.Add(auditPiece); end.Before(piece.To) {
		piece.To = end
	}
	in := cdc.AuditInput{
		Datastore: part.Datastore, Types: r.in.Types, Span: &piece, Versions: r.in.Versions,
		CapturedBy: r.in.CapturedBy, SourceTime: r.in.SourceTime, DryRun: r.in.DryRun, Attributes: r.in.Attributes,
		Horizon: r.in.Horizon,
	}
	if settled := piece.To.Add(r.in.WindowsCloseAfter); settled.After(workflow.Now(ctx)) {
		in.StartAt = settled // its windows are open until then, and would be waited for
	}
	for tries := 1; ; tries++ {
		result, err := r.runAudit(ctx, part, in)
		if err == nil {
			r.audited(part, piece, result.Totals)
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

func (r *captureRange) runAudit(ctx workflow.Context, part *cdc.RangePart, in cdc.AuditInput) (result cdc.AuditResult, err error) {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:          cdc.RangeAuditID(r.id, part.Datastore),
		ParentClosePolicy:   enumspb.PARENT_CLOSE_POLICY_TERMINATE,
		WaitForCancellation: true,
		StaticSummary:       fmt.Sprintf("recent part of datastore %s from %s", part.Datastore, in.Span.From.UTC().Format(time.DateTime)),
	})
	r.plan.Audits++
	err = workflow.ExecuteChildWorkflow(ctx, cdc.WorkflowAudit, in).Get(ctx, &result)
	return result, err
}

// audited takes a piece's figures, and leaves the rest of the part.
func (r *captureRange) audited(part *cdc.RangePart, piece cdc.Span, totals cdc.AuditTotals) {
	r.plan.Counts.Searches += totals.Counts.Searches
	r.plan.Counts.Reads += totals.Counts.Reads
	if r.in.DryRun {
		r.plan.Counts.Published += totals.Missing
		r.plan.Counts.References += totals.MissingReferences
		r.plan.Counts.Bytes += totals.MissingBytes
	} else {
		r.plan.Counts.Published += totals.Healed
		r.plan.Missing += totals.Missing
		r.plan.Unknown += totals.Unknown
	}
	if rest := (cdc.Span{From: piece.To, To: part.Span.To}); rest.To.After(rest.From) {
		left := &cdc.RangePart{Datastore: part.Datastore, Span: rest, Count: max(0, part.Count-totals.InStore)}
		r.plan.Done += part.Count - left.Count
		r.replace(part, left)
		return
	}
	r.finish(part, part.Count)
}
