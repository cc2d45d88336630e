package audit

import (
	"context"
	"sync/atomic"
	"time"

	smithytime "github.com/aws/smithy-go/time"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

const (
	// healsAtOnce is how many windows a Heal has open at once: healing hundreds must
	// not swamp the engine or the store.
	healsAtOnce = 32
	// healReserve is how long before its deadline a Heal waits no longer.
	healReserve = 30 * time.Second
	// firstLook and maxLook are how long a Heal waits between two looks at a
	// window, doubled from the one to the other.
	firstLook = 250 * time.Millisecond
	maxLook   = 5 * time.Second
	// operatorWait is how long a Heal waits for a window that waits for an operator,
	// which must not hold up the audit of everything else. windowWait is how long it
	// waits for any window: several times what its passes take (CDC_PASSES). One that
	// stays open, because the store fails on a type, has published its other types by
	// then, and the next look sees that.
	operatorWait = time.Minute
	windowWait   = 6 * time.Minute
)

// Heal runs windows: a rerun where one has run, the first run where none has. It waits
// until they have closed, or its time is nearly over. The numbers of the runs are in its
// input, so that a retry starts no others.
func (a *Activities) Heal(ctx context.Context, in cdc.HealInput) (cdc.HealResult, error) {
	if !cdc.ValidDatastore(in.Datastore) || in.Horizon <= 0 {
		return cdc.HealResult{}, activities.InvalidInput(ctx, "healing needs a datastore and a horizon")
	}
	deadline, _ := ctx.Deadline()
	h := &healing{Activities: a, in: in, until: deadline.Add(-healReserve)}
	err := activities.WithTicks(heartbeatEvery, func() { activities.Heartbeat(ctx) }, func() error { return h.run(ctx) })
	return cdc.HealResult{Started: int(h.started.Load())}, activities.ApplicationError(ctx, err)
}

// healing is one attempt of Heal.
type healing struct {
	*Activities
	in      cdc.HealInput
	until   time.Time
	started atomic.Int32
}

func (h *healing) run(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(healsAtOnce)
	for _, gap := range h.in.Windows {
		group.Go(func() error { return h.heal(groupCtx, gap) })
	}
	return group.Wait()
}

// heal runs one window and waits for it. One that is older than the horizon by now is not
// run: what was published is not known any more, and it would publish everything again.
func (h *healing) heal(ctx context.Context, gap cdc.WindowGap) error {
	if ctx.Err() != nil || !time.Now().Before(h.until) || beyondHorizon(gap.Start, h.in.Horizon) {
		return ctx.Err()
	}
	window := cdc.Window{Datastore: h.in.Datastore, Start: gap.Start.UTC()}
	n := gap.Run + 1
	run := cdc.WindowRun{Types: gap.Types, Wanted: gap.Wanted, Cause: h.in.Cause, Skip: h.in.Skip}
	if n == 0 {
		// A trigger that comes later joins this run: it must search what that would.
		run.Types = nil
	}
	if _, err := h.Windows.Run(ctx, window, n, run); err != nil {
		return err
	}
	h.started.Add(1)
	return h.awaitClosed(ctx, window.RerunID(n))
}

// awaitClosed waits until the run has closed, or there is no more time for it.
func (h *healing) awaitClosed(ctx context.Context, workflowID string) error {
	began := time.Now()
	var waiting time.Time // since then, for an operator
	for look := 1; ; look++ {
		info, err := h.Executions.Latest(ctx, workflowID)
		if err != nil || !cdc.IsOpen(info.GetStatus()) {
			return err
		}
		if !temporal.WaitsForOperator(info) {
			waiting = time.Time{}
		} else if waiting.IsZero() {
			waiting = time.Now()
		}
		remaining := min(time.Until(h.until), time.Until(began.Add(windowWait)))
		if !waiting.IsZero() {
			remaining = min(remaining, time.Until(waiting.Add(operatorWait)))
		}
		if remaining <= 0 {
			return nil
		}
		if err := smithytime.SleepWithContext(ctx, min(cdc.Backoff(look, firstLook, maxLook), remaining)); err != nil {
			return err
		}
	}
}
