package queue

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/singleflight"

	"healthlake-cdc/internal/cdc"
)

// openTimeout is how long one call of the Opener may take. Longer is as good as
// unavailable: calls that hang must pause polling like calls that fail.
const openTimeout = 2 * time.Minute

// openings calls the Opener as seldom as can be.
type openings struct {
	opener  Opener
	gate    *gate
	metrics Metrics
	memory  *memory
	flights singleflight.Group
}

// window sees to it that the window is open. It returns nil, errStopping or the
// Opener's error, which concerns this window only.
func (o *openings) window(ctx context.Context, w cdc.Window, cause cdc.Cause) error {
	event := EventWindowCoalesced
	if !o.memory.has(w) {
		_, err, _ := o.flights.Do(w.ID(), func() (any, error) {
			if o.memory.has(w) { // opened between the look above and now
				return nil, nil
			}
			opened, err := o.call(ctx, func(ctx context.Context) (bool, error) {
				return o.opener.Open(ctx, w, cause)
			})
			if err != nil {
				return nil, err
			}
			o.memory.add(w, opened)
			event = EventWindowJoined // this caller's: who shared the flight did not get here
			if opened {
				event = EventWindowOpened
			}
			return nil, nil
		})
		if err != nil {
			return err
		}
	}
	o.metrics.Window(cause.CapturedBy, event)
	return nil
}

// imported makes sure that the import's span is audited.
func (o *openings) imported(ctx context.Context, datastore string, i cdc.Import) error {
	return o.once(ctx, EventImportOpened, EventImportJoined, func(ctx context.Context) (bool, error) {
		return o.opener.Import(ctx, datastore, i)
	})
}

// job makes sure that the job is followed.
func (o *openings) job(ctx context.Context, datastore string, j cdc.Job) error {
	return o.once(ctx, EventJobOpened, EventJobJoined, func(ctx context.Context) (bool, error) {
		return o.opener.Follow(ctx, datastore, j)
	})
}

// delete makes sure that the delete is published.
func (o *openings) delete(ctx context.Context, datastore string, d cdc.Delete, source string) error {
	return o.once(ctx, EventDeleteOpened, EventDeleteJoined, func(ctx context.Context) (bool, error) {
		return o.opener.PublishDelete(ctx, datastore, d, source)
	})
}

// once makes a call and counts what it did.
func (o *openings) once(ctx context.Context, opened, joined Event, open func(context.Context) (bool, error)) error {
	event := joined
	started, err := o.call(ctx, open)
	if err != nil {
		return err
	}
	if started {
		event = opened
	}
	o.metrics.Count(event, 1)
	return nil
}

// call makes a call until Temporal has answered it.
func (o *openings) call(ctx context.Context, open func(context.Context) (bool, error)) (opened bool, err error) {
	for {
		probe, err := o.gate.enter(ctx)
		if err != nil {
			return false, err
		}
		opened, err := o.attempt(ctx, open)
		switch {
		case err != nil && ctx.Err() != nil:
			o.gate.leave(probe, undecided)
			return false, errStopping
		case errors.Is(err, ErrUnavailable):
			o.gate.leave(probe, unavailable)
		default:
			o.gate.leave(probe, available)
			return opened, err
		}
	}
}

func (o *openings) attempt(ctx context.Context, open func(context.Context) (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, openTimeout, ErrUnavailable)
	defer cancel()
	opened, err := open(ctx)
	if err != nil && ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	return opened, err
}
