package queue

import (
	"context"

	"golang.org/x/sync/singleflight"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/trigger"
)

// windowStarter starts what messages ask for, with as few calls of the Opener as can be.
type windowStarter struct {
	opener  Opener
	breaker *circuitBreaker
	metrics Metrics
	recent  *recentWindows
	flights singleflight.Group
}

// start returns when everything that the message asks for runs, or ran already. Its only
// error is errStopping.
func (s *windowStarter) start(ctx context.Context, r trigger.Result) error {
	for _, w := range r.Windows {
		if err := s.window(ctx, w, r.Cause); err != nil {
			return err
		}
	}
	late := r.Cause
	late.Bulk = true
	for _, w := range r.Late {
		if err := s.window(ctx, w, late); err != nil {
			return err
		}
	}
	for _, d := range r.Deletes {
		if err := s.startOther(ctx, EventDeleteOpened, EventDeleteJoined, func(ctx context.Context) (bool, error) {
			return s.opener.PublishDelete(ctx, r.Datastore, d, r.Cause.CapturedBy)
		}); err != nil {
			return err
		}
	}
	if r.Import != nil {
		if err := s.startOther(ctx, EventImportOpened, EventImportJoined, func(ctx context.Context) (bool, error) {
			return s.opener.Import(ctx, r.Datastore, *r.Import, r.Cause)
		}); err != nil {
			return err
		}
	}
	if r.Job != nil {
		return s.startOther(ctx, EventJobOpened, EventJobJoined, func(ctx context.Context) (bool, error) {
			return s.opener.Follow(ctx, r.Datastore, *r.Job, r.Cause)
		})
	}
	return nil
}

// window makes sure that the window is open.
func (s *windowStarter) window(ctx context.Context, w cdc.Window, cause cdc.Cause) error {
	opened := false
	if !s.recent.has(w) {
		_, err, _ := s.flights.Do(w.ID(), func() (_ any, err error) {
			if s.recent.has(w) { // opened since the look above
				return nil, nil
			}
			// Only the caller that makes the flight has opened it.
			opened, err = s.breaker.call(ctx, func(ctx context.Context) (bool, error) {
				return s.opener.OpenWindow(ctx, w, cause)
			})
			if err == nil {
				s.recent.add(w, opened)
			}
			return nil, err
		})
		if err != nil {
			return err
		}
	}
	s.metrics.Window(cause.CapturedBy, opened)
	return nil
}

// startOther starts what is no window, and counts it as opened or as joined.
func (s *windowStarter) startOther(ctx context.Context, opened, joined Event, open func(context.Context) (bool, error)) error {
	isNew, err := s.breaker.call(ctx, open)
	switch {
	case err != nil:
		return err
	case isNew:
		s.metrics.Count(opened, 1)
	default:
		s.metrics.Count(joined, 1)
	}
	return nil
}
