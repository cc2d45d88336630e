package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// operator is the one way in which windows, slices, deletes and ranges wait for an
// operator: it receives the signals, ends the waits that they interrupt, and shows their
// progress. What waits is a cdc.Retry.
//
// However long something waits, its history stays bounded: it is tried at most every
// cdc.MaxDelay, and the execution continues as new, for which slices are cancelled.
type operator struct {
	retry, skip workflow.ReceiveChannel
	// upserts is set when the execution was started with our search attributes. Each
	// upsert is billed, so one is made only when the execution begins or ceases to wait.
	upserts bool
	waiting bool
	// progress is the execution's, without the bus.
	progress func(workflow.Context) cdc.Progress
	// bus is why the bus does not accept what is put on it.
	bus cdc.Class
}

// newOperator goes on from what a run before has upserted: attributes survive a
// continue-as-new.
func newOperator(ctx workflow.Context, upserts bool, progress func(workflow.Context) cdc.Progress) (*operator, error) {
	state, _ := workflow.GetTypedSearchAttributes(ctx).GetKeyword(cdc.AttrState)
	o := &operator{
		retry:   workflow.GetSignalChannel(ctx, cdc.SignalRetry),
		skip:    workflow.GetSignalChannel(ctx, cdc.SignalSkip),
		upserts: upserts, waiting: state == cdc.StateWaiting, progress: progress,
	}
	return o, workflow.SetQueryHandler(ctx, cdc.QueryProgress, func() (cdc.Progress, error) { return o.current(ctx), nil })
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

// wait shows what waits, and waits until the moment or a signal. It returns what the
// signals skip.
func (o *operator) wait(ctx workflow.Context, until time.Time, summary string) (skips []cdc.Skip, err error) {
	if err := o.show(ctx); err != nil {
		return nil, err
	}
	if err := o.sleep(ctx, until, summary); err != nil {
		return nil, err
	}
	_, skips = o.signals()
	return skips, nil
}

func (o *operator) current(ctx workflow.Context) cdc.Progress {
	p := o.progress(ctx)
	if o.bus != "" {
		wait := cdc.Wait{Class: o.bus, Bus: true}
		p.Failing, p.Waiting = append(p.Failing, wait), append(p.Waiting, wait)
	}
	return p
}

// show keeps the details in the Temporal UI, and CdcState.
func (o *operator) show(ctx workflow.Context) error {
	p := o.current(ctx)
	workflow.SetCurrentDetails(ctx, details(p))
	if !o.upserts || o.waiting == (len(p.Waiting) > 0) {
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
	workflow.SetCurrentDetails(ctx, details(o.current(ctx)))
	if !o.upserts || !o.waiting && len(figures) == 0 {
		return nil
	}
	return workflow.UpsertTypedSearchAttributes(ctx, append(figures, cdc.AttrState.ValueSet(cdc.StateClosed))...)
}

// failureOf reports whether an activity's error is one that its workflow plans for, with its
// class and the pause that the store demands. Any other ends the workflow.
func failureOf(ctx workflow.Context, err error) (class cdc.Class, retryAfter time.Duration, ok bool) {
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

// retryLater plans the next try of what an activity did not do, unless its error is to end
// the workflow.
func retryLater(ctx workflow.Context, retry *cdc.Retry, err error) error {
	class, retryAfter, ok := failureOf(ctx, err)
	if !ok {
		return err
	}
	retry.Failed(workflow.Now(ctx), class, retryAfter)
	return nil
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
