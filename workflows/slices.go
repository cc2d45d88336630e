package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

const (
	// cancelSlicesAfter is how long a parent that has to continue as new waits for its open
	// slices, of which one may wait for an operator.
	cancelSlicesAfter = 10 * time.Minute
	// partsFrom is how many further versions of a type are read in parts side by side;
	// partWidth is a part's width. A page of a part has a second more on either side, so
	// that narrower parts would read most of it twice.
	partsFrom = 2_500
	partWidth = 2 * time.Second
	// sliceDelay is how long after a slice that did not complete the pages start again, so
	// that there is no tight loop.
	sliceDelay = 5 * time.Second
)

// childSlice is a slice of this execution that is reading pages.
type childSlice struct {
	id     string
	future workflow.ChildWorkflowFuture
}

// startSlice starts the k-th slice of this execution. One that is open for long when the
// execution has to continue as new is cancelled: it closes, when its Publish under way has
// returned, with what it has published so far.
func startSlice(ctx workflow.Context, k int, in cdc.CaptureSliceInput) *childSlice {
	id := cdc.SliceID(workflow.GetInfo(ctx).WorkflowExecution.ID, in.Type, in.Span.From, k)
	ctx, cancel := workflow.WithCancel(ctx)
	options := workflow.ChildWorkflowOptions{
		WorkflowID:          id,
		ParentClosePolicy:   enumspb.PARENT_CLOSE_POLICY_TERMINATE,
		WaitForCancellation: true,
		StaticSummary:       fmt.Sprintf("%s of datastore %s from %s", in.Type, in.Origin.Datastore, in.Span.From.UTC().Format(time.DateTime)),
	}
	if in.Attributes {
		// A slice that waits for an operator is found by itself: its parent need not know.
		options.TypedSearchAttributes = temporal.NewSearchAttributes(
			cdc.AttrDatastore.ValueSet(in.Origin.Datastore), cdc.AttrState.ValueSet(cdc.StateOpen))
	}
	future := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), cdc.WorkflowCaptureSlice, in)
	workflow.Go(ctx, func(ctx workflow.Context) {
		err := workflow.Await(ctx, func() bool { return future.IsReady() || historyIsLarge(ctx) })
		if err != nil || future.IsReady() {
			return // an error: its parent is cancelled, and it is as well
		}
		if closed, err := workflow.AwaitWithTimeout(ctx, cancelSlicesAfter, future.IsReady); err == nil && !closed {
			cancel()
		}
	})
	return &childSlice{id: id, future: future}
}

// sliceLedger reads what a slice that did not complete had published or skipped.
func sliceLedger(ctx workflow.Context, id string) (ledger cdc.Ledger, err error) {
	policy := ledgerPolicy(ctx, "what the slice that did not complete has published")
	err = workflow.ExecuteActivity(policy, do.Ledger, cdc.LedgerInput{WorkflowID: id}).Get(ctx, &ledger)
	return ledger, err
}

// openSlices starts children for the type's further pages: one that goes on with the
// pages, or, for more versions than one reads quickly, several that read parts of the
// window side by side. Versions that are on the edge of two parts may be missed: the next
// pass lists the whole window.
func (w *captureWindow) openSlices(ctx workflow.Context, t *windowType, remaining int) {
	in := cdc.CaptureSliceInput{
		Origin: w.origin, Type: t.Type, Span: w.in.Window.Span(), Salt: w.ledger.Salt,
		Next: t.Next, Confirm: t.Confirm, Known: w.known(t.Type),
		Attributes: w.in.Attributes, Audited: w.in.Audited,
	}
	parts := []cdc.Span{in.Span}
	if remaining > partsFrom && !t.Confirm {
		parts, in.Next = cutSpan(in.Span), ""
	}
	for _, part := range parts {
		in.Span = part
		w.started++
		t.slices = append(t.slices, startSlice(ctx, w.started, in))
	}
	t.Next, t.Trail = "", cdc.PageTrail{}
}

// cutSpan cuts a window into parts with edges at whole seconds, to which stores may round.
func cutSpan(span cdc.Span) (parts []cdc.Span) {
	for from := span.From; from.Before(span.To); from = from.Add(partWidth) {
		parts = append(parts, cdc.Span{From: from, To: earlier(span.To, from.Add(partWidth))})
	}
	return parts
}

// slices are the futures of all open slices.
func (w *captureWindow) slices() []workflow.Future {
	var open []workflow.Future
	for _, t := range w.types {
		for _, slice := range t.slices {
			open = append(open, slice.future)
		}
	}
	return open
}

// applyClosedSlices adds what slices that have closed published. When the last one of a
// type has, the type has its next step.
func (w *captureWindow) applyClosedSlices(ctx workflow.Context) error {
	for _, t := range w.types {
		if len(t.slices) == 0 {
			continue
		}
		var open []*childSlice
		for _, slice := range t.slices {
			if !slice.future.IsReady() {
				open = append(open, slice)
			} else if err := w.applySlice(ctx, t, slice); err != nil {
				return err
			}
		}
		if t.slices = open; len(open) > 0 {
			continue
		}
		cancelled, unswept := t.cancelled, t.unswept
		t.cancelled, t.unswept = false, false
		switch {
		case len(t.Lost) > 0:
			t.Retry, t.Due = cdc.Retry{}, workflow.Now(ctx)
		case unswept:
			w.closeUnread(t)
		case cancelled:
			t.restartPages(ctx)
		default:
			w.passDone(ctx, t)
		}
	}
	return nil
}

// applySlice adds what one slice published.
func (w *captureWindow) applySlice(ctx workflow.Context, t *windowType, slice *childSlice) error {
	var result cdc.CaptureSliceResult
	if err := slice.future.Get(ctx, &result); err != nil {
		t.Lost = append(t.Lost, slice.id)
		return ctx.Err()
	}
	t.Found += result.Published.Len()
	w.counts.Add(result.Counts)
	w.addToLedger(t.Type, cdc.TypeLedger{Published: result.Published, Skipped: result.Skipped})
	t.cancelled, t.unswept = t.cancelled || result.Cancelled, t.unswept || result.Unswept
	return nil
}

// restartPages has the type listed again from its first page, some moments later.
func (t *windowType) restartPages(ctx workflow.Context) {
	t.Lost, t.Retry, t.Due, t.Confirm = nil, cdc.Retry{}, workflow.Now(ctx).Add(sliceDelay), true
}

// readLostSlices reads the ledgers of slices that an operator terminated. One that cannot
// be read holds up its own type only.
func (w *captureWindow) readLostSlices(ctx workflow.Context) error {
	for _, t := range w.types {
		for len(t.Lost) > 0 && !t.Due.After(workflow.Now(ctx)) {
			ledger, err := sliceLedger(ctx, t.Lost[0])
			if err != nil {
				if err := retryLater(ctx, &t.Retry, err); err != nil {
					return err
				}
				t.Due = t.Retry.Due
				break
			}
			if known := ledger.Types[t.Type]; known != nil && ledger.Salt == w.ledger.Salt {
				t.Found += known.Published.Len()
				w.counts.Published += known.Published.Len()
				w.counts.Skipped += known.Skipped.Len()
				w.addToLedger(t.Type, *known)
			}
			if t.Lost = t.Lost[1:]; len(t.Lost) == 0 {
				t.restartPages(ctx)
			}
		}
	}
	return nil
}
