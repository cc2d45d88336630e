package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// orders are what an operator can tell an execution that waits for one.
type orders struct{ retry, skip workflow.ReceiveChannel }

func newOrders(ctx workflow.Context) orders {
	return orders{
		retry: workflow.GetSignalChannel(ctx, cdc.SignalRetry),
		skip:  workflow.GetSignalChannel(ctx, cdc.SignalSkip),
	}
}

// take takes the orders that have come: whether to try again at once, and what
// to give up.
func (o orders) take() (retry bool, skips []cdc.Skip) {
	for o.retry.ReceiveAsync(nil) {
		retry = true
	}
	for {
		var skip cdc.Skip
		if !o.skip.ReceiveAsync(&skip) {
			return retry, skips
		}
		skips = append(skips, skip)
	}
}

// wait sleeps until the delay is over or an order has come, which is left for
// take.
func (o orders) wait(ctx workflow.Context, delay time.Duration, summary string) error {
	timerCtx, cancel := workflow.WithCancel(ctx)
	timer := workflow.NewTimerWithOptions(timerCtx, delay, workflow.TimerOptions{Summary: summary})
	selector := workflow.NewSelector(ctx)
	var err error
	fired := false
	selector.AddFuture(timer, func(f workflow.Future) { err, fired = f.Get(ctx, nil), true })
	o.wake(selector)
	selector.Select(ctx)
	if !fired {
		cancel()
	}
	return err
}

// wake lets orders end a selector's wait.
func (o orders) wake(selector workflow.Selector) {
	for _, channel := range []workflow.ReceiveChannel{o.retry, o.skip} {
		selector.AddReceive(channel, func(workflow.ReceiveChannel, bool) {})
	}
}

// classOf is the class of an activity's error, empty for any other.
func classOf(err error) cdc.Class {
	var failure *temporal.ApplicationError
	if !errors.As(err, &failure) {
		return ""
	}
	return cdc.Class(failure.Type())
}

// operatorClass is the class of a store's error that only an operator ends, empty
// for any other: what operatorPolicy leaves to its workflow.
func operatorClass(err error) cdc.Class {
	if class := classOf(err); class == cdc.ClassForbidden || class == cdc.ClassRejected {
		return class
	}
	return ""
}

// stateMark keeps an execution's CdcState true. Each upsert is billed, so it is
// made only when the execution begins or ceases to wait for an operator.
type stateMark struct {
	// upserts tells whether the execution was started to make any.
	upserts bool
	waiting bool
}

// newStateMark takes over what a run before has upserted: attributes go on over a
// continue-as-new.
func newStateMark(ctx workflow.Context, upserts bool) stateMark {
	state, _ := workflow.GetTypedSearchAttributes(ctx).GetKeyword(cdc.AttrState)
	return stateMark{upserts: upserts, waiting: state == cdc.StateWaiting}
}

func (m *stateMark) set(ctx workflow.Context, waiting bool) error {
	if !m.upserts || m.waiting == waiting {
		return nil
	}
	m.waiting = waiting
	state := cdc.StateOpen
	if waiting {
		state = cdc.StateWaiting
	}
	return workflow.UpsertTypedSearchAttributes(ctx, cdc.AttrState.ValueSet(state))
}

// close is of an execution that ends and has nothing else to upsert.
func (m *stateMark) close(ctx workflow.Context) error {
	if !m.upserts || !m.waiting {
		return nil
	}
	m.waiting = false
	return workflow.UpsertTypedSearchAttributes(ctx, cdc.AttrState.ValueSet(cdc.StateClosed))
}
