package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// sliceDelay is how long after a slice that did not complete the pages start
// again, so that one which fails at once is not started in a tight loop.
const sliceDelay = 5 * time.Second

// openSlice hands the rest of a type's pages to a child.
func (w *captureWindow) openSlice(ctx workflow.Context, t *cdc.TypeState) {
	w.started++
	slice := startSlice(ctx, w.started, cdc.CaptureSliceInput{
		Origin: w.origin, Type: t.Type, Span: w.in.Window.Span(), Salt: w.ledger.Salt,
		Next: t.Next, Confirm: t.Confirm, Known: w.known(t.Type),
		Attributes: w.in.Attributes, Audited: w.in.Audited,
	})
	w.slices[w.index(t.Type)] = slice
	t.Next, t.Trail = "", cdc.PageTrail{}
}

// sliceClosed takes in what a slice published. Of one that did not complete the
// pages start again, with what it had published.
func (w *captureWindow) sliceClosed(ctx workflow.Context, i int, f workflow.Future) error {
	slice, t := w.slices[i], &w.types[i]
	var result cdc.CaptureSliceResult
	err := f.Get(ctx, &result)
	delete(w.slices, i)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		w.lost[i] = &cdc.LostSlice{WorkflowID: slice.id, Retry: cdc.Retry{Due: workflow.Now(ctx)}}
		return nil //nolint:nilerr // readLost reads what it published
	}
	t.Found += result.Published.Len()
	w.counts.Add(result.Counts)
	w.add(t.Type, cdc.TypeLedger{Published: result.Published, Skipped: result.Skipped})
	switch {
	case result.Cancelled:
		w.restartPages(ctx, i)
	case result.Unswept:
		w.closeUnread(t)
	default:
		w.passDone(t, workflow.Now(ctx))
	}
	w.describe(ctx)
	return nil
}

// restartPages has a type listed again from its first page, some moments later.
func (w *captureWindow) restartPages(ctx workflow.Context, i int) {
	delete(w.lost, i)
	w.types[i].Due, w.types[i].Confirm = workflow.Now(ctx).Add(sliceDelay), true
}

// readLost reads the ledgers of slices that did not complete: an operator terminated
// them. One that cannot be read holds up its own type only.
func (w *captureWindow) readLost(ctx workflow.Context) error {
	for i := range w.types {
		lost, t := w.lost[i], &w.types[i]
		if lost == nil || lost.Retry.Due.After(workflow.Now(ctx)) {
			continue
		}
		ledger, err := sliceLedger(ctx, lost.WorkflowID)
		if err != nil {
			class, asked, ok := failed(ctx, err)
			if !ok {
				return err
			}
			lost.Retry.Failed(workflow.Now(ctx), class, asked)
			w.describe(ctx)
			continue
		}
		if known := ledger.Types[t.Type]; known != nil && ledger.Salt == w.ledger.Salt {
			t.Found += known.Published.Len()
			w.counts.Published += known.Published.Len()
			w.counts.Skipped += known.Skipped.Len()
			w.add(t.Type, *known)
		}
		w.restartPages(ctx, i)
	}
	return nil
}

// awaitSlices waits for the open slices, so that the window can continue as new. Those
// that are open for long are handed back.
func (w *captureWindow) awaitSlices(ctx workflow.Context) error {
	until := workflow.Now(ctx).Add(handBackAfter)
	for len(w.slices) > 0 && until.After(workflow.Now(ctx)) {
		if err := w.sleepUntil(ctx, until, "until the open slices have closed"); err != nil {
			return err
		}
		if err := w.handleSignals(ctx); err != nil {
			return err
		}
	}
	for i := range w.types {
		if slice := w.slices[i]; slice != nil {
			slice.handBack()
		}
	}
	for len(w.slices) > 0 {
		if err := w.sleepUntil(ctx, time.Time{}, ""); err != nil {
			return err
		}
		if err := w.handleSignals(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *captureWindow) index(resourceType string) int {
	for i := range w.types {
		if w.types[i].Type == resourceType {
			return i
		}
	}
	return -1
}

// carryLost are the lost slices for the next run, by their types.
func (w *captureWindow) carryLost() map[string]cdc.LostSlice {
	lost := make(map[string]cdc.LostSlice)
	for i, t := range w.types {
		if w.lost[i] != nil {
			lost[t.Type] = *w.lost[i]
		}
	}
	return lost
}

func (w *captureWindow) resumeLost(lost map[string]cdc.LostSlice) {
	for i, t := range w.types {
		if slice, ok := lost[t.Type]; ok {
			w.lost[i] = &slice
		}
	}
}
