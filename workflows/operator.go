package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// operator is the one way in which windows, slices, deletes and ranges wait for an
// operator: it receives the signals, ends the waits that they interrupt, and keeps
// CdcState. What waits is a cdc.Retry.
//
// However long something waits, its history stays bounded: it is tried at most every
// cdc.MaxDelay, and the execution continues as new, for which slices are cancelled.
type operator struct {
	retry, skip workflow.ReceiveChannel
	// upserts is set when the execution was started with our search attributes. Each
	// upsert is billed, so one is made only when the execution begins or ceases to wait.
	upserts bool
	waiting bool
}

// operatorAdvice is the text for what waits for an operator.
const operatorAdvice = "**Waits for an operator**: fix the cause, or use `starter retry` or `starter skip` with this workflow ID."

// newOperator goes on from what a run before has upserted: attributes survive a
// continue-as-new.
func newOperator(ctx workflow.Context, upserts bool) operator {
	state, _ := workflow.GetTypedSearchAttributes(ctx).GetKeyword(cdc.AttrState)
	return operator{
		retry:   workflow.GetSignalChannel(ctx, cdc.SignalRetry),
		skip:    workflow.GetSignalChannel(ctx, cdc.SignalSkip),
		upserts: upserts, waiting: state == cdc.StateWaiting,
	}
}

// signals receives the signals that have come. It must be the last thing before an
// execution ends or continues as new: a signal that stays in its channel then is lost.
func (o *operator) signals() (retryNow bool, skips []cdc.Skip) {
	for o.retry.ReceiveAsync(nil) {
		retryNow = true
	}
	for {
		var skip cdc.Skip
		if !o.skip.ReceiveAsync(&skip) {
			return retryNow, skips
		}
		skips = append(skips, skip)
	}
}

// sleep waits until the moment, if it has one, a signal, which is for signals to receive,
// or one of the other futures.
func (o *operator) sleep(ctx workflow.Context, until time.Time, summary string, others ...workflow.Future) (err error) {
	selector := workflow.NewSelector(ctx)
	if !until.IsZero() {
		delay := until.Sub(workflow.Now(ctx))
		if delay <= 0 {
			return nil
		}
		timerCtx, cancel := workflow.WithCancel(ctx)
		defer cancel()
		timer := workflow.NewTimerWithOptions(timerCtx, delay, workflow.TimerOptions{Summary: summary})
		selector.AddFuture(timer, func(f workflow.Future) { err = f.Get(ctx, nil) })
	}
	for _, other := range others {
		selector.AddFuture(other, func(workflow.Future) {})
	}
	o.wake(selector)
	selector.Select(ctx)
	return err
}

// wake lets signals end a selector's wait.
func (o *operator) wake(selector workflow.Selector) {
	for _, channel := range []workflow.ReceiveChannel{o.retry, o.skip} {
		selector.AddReceive(channel, func(workflow.ReceiveChannel, bool) {})
	}
}

// show keeps CdcState.
func (o *operator) show(ctx workflow.Context, waits []cdc.Wait) error {
	if !o.upserts || o.waiting == (len(waits) > 0) {
		return nil
	}
	o.waiting = !o.waiting
	state := cdc.StateOpen
	if o.waiting {
		state = cdc.StateWaiting
	}
	return workflow.UpsertTypedSearchAttributes(ctx, cdc.AttrState.ValueSet(state))
}

// close upserts, for an execution that ends, the figures, if it has any, and CdcState
// with them or if it waited.
func (o *operator) close(ctx workflow.Context, figures ...temporal.SearchAttributeUpdate) error {
	if !o.upserts || !o.waiting && len(figures) == 0 {
		return nil
	}
	return workflow.UpsertTypedSearchAttributes(ctx, append(figures, cdc.AttrState.ValueSet(cdc.StateClosed))...)
}

func busWait(class cdc.Class) []cdc.Wait {
	if class == "" {
		return nil
	}
	return []cdc.Wait{{Class: class, Bus: true}}
}

// failed reports whether an activity's error is one that its workflow plans for, with its
// class and the pause that the store demands. Any other ends the workflow.
func failed(ctx workflow.Context, err error) (class cdc.Class, retryAfter time.Duration, ok bool) {
	_, ofActivity := errors.AsType[*temporal.ActivityError](err)
	if ctx.Err() != nil || !ofActivity || temporal.IsCanceledError(err) {
		return "", 0, false
	}
	failure, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok {
		return cdc.ClassUnavailable, 0, true // an attempt that was not heard of again
	}
	class = cdc.Class(failure.Type())
	switch {
	case class == cdc.ClassInvalidInput:
		return "", 0, false
	case class.Known():
		return class, failure.NextRetryDelay(), true
	default:
		return cdc.ClassUnavailable, 0, true
	}
}

// countType counts one in a metric by datastore and resource type.
func countType(ctx workflow.Context, metric, datastore, resourceType string) {
	workflow.GetMetricsHandler(ctx).
		WithTags(map[string]string{"datastore": datastore, "resource_type": resourceType}).Counter(metric).Inc(1)
}

// classOf is the class of an activity's error, empty for any other.
func classOf(err error) cdc.Class {
	if failure, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return cdc.Class(failure.Type())
	}
	return ""
}

func invalidInput(what string) error {
	return temporal.NewNonRetryableApplicationError(what, string(cdc.ClassInvalidInput), nil)
}
