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

// openSlice starts a child for the type's further pages.
func (w *captureWindow) openSlice(ctx workflow.Context, t *windowType) {
	w.started++
	t.slice = startSlice(ctx, w.started, cdc.CaptureSliceInput{
		Origin: w.origin, Type: t.Type, Span: w.in.Window.Span(), Salt: w.ledger.Salt,
		Next: t.Next, Confirm: t.Confirm, Known: w.known(t.Type),
		Attributes: w.in.Attributes, Audited: w.in.Audited,
	})
	t.Next, t.Trail = "", cdc.PageTrail{}
}

func (w *captureWindow) slices() []workflow.Future {
	var open []workflow.Future
	for _, t := range w.types {
		if t.slice != nil {
			open = append(open, t.slice.future)
		}
	}
	return open
}

// applyClosedSlices adds what slices that have closed published.
func (w *captureWindow) applyClosedSlices(ctx workflow.Context) error {
	for _, t := range w.types {
		if t.slice == nil || !t.slice.future.IsReady() {
			continue
		}
		slice := t.slice
		t.slice = nil
		var result cdc.CaptureSliceResult
		err := slice.future.Get(ctx, &result)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			t.Lost, t.Retry, t.Due = slice.id, cdc.Retry{}, workflow.Now(ctx)
			continue
		}
		t.Found += result.Published.Len()
		w.counts.Add(result.Counts)
		w.addToLedger(t.Type, cdc.TypeLedger{Published: result.Published, Skipped: result.Skipped})
		switch {
		case result.Cancelled:
			t.restartPages(ctx)
		case result.Unswept:
			w.closeUnread(t)
		default:
			w.passDone(ctx, t)
		}
	}
	return nil
}

// restartPages has the type listed again from its first page, some moments later.
func (t *windowType) restartPages(ctx workflow.Context) {
	t.Lost, t.Retry, t.Due, t.Confirm = "", cdc.Retry{}, workflow.Now(ctx).Add(sliceDelay), true
}

// readLostSlices reads the ledgers of slices that an operator terminated. One that cannot
// be read holds up its own type only.
func (w *captureWindow) readLostSlices(ctx workflow.Context) error {
	for _, t := range w.types {
		if t.Lost == "" || t.Due.After(workflow.Now(ctx)) {
			continue
		}
		ledger, err := sliceLedger(ctx, t.Lost)
		if err != nil {
			if err := retryLater(ctx, &t.Retry, err); err != nil {
				return err
			}
			t.Due = t.Retry.Due
			continue
		}
		if known := ledger.Types[t.Type]; known != nil && ledger.Salt == w.ledger.Salt {
			t.Found += known.Published.Len()
			w.counts.Published += known.Published.Len()
			w.counts.Skipped += known.Skipped.Len()
			w.addToLedger(t.Type, *known)
		}
		t.restartPages(ctx)
	}
	return nil
}
