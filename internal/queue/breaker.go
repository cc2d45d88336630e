package queue

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"healthlake-cdc/internal/cdc"
)

// errStopping ends the work on a message that is to be released.
var errStopping = errors.New("consumer is stopping")

// openTimeout is how long one call of the Opener may take: calls that hang must pause
// polling like calls that fail.
const openTimeout = 2 * time.Minute

// circuitBreaker pauses the work while Temporal is unavailable. The first caller whose
// call fails trips it and repeats its call until Temporal answers; all others, and the
// polls, wait for that.
type circuitBreaker struct {
	logger  *slog.Logger
	metrics Metrics
	// stopping is closed when messages that wait are to be released.
	stopping <-chan struct{}

	mu    sync.Mutex
	since time.Time
	// reset is nil while Temporal is available, and closed when it is again.
	reset chan struct{}
}

// state reports whether the breaker is tripped, and since when.
func (b *circuitBreaker) state() (since time.Time, tripped bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.since, b.reset != nil
}

// wait returns when Temporal is available. It fails with errStopping when ctx is done,
// or when it would have to wait and the consumer is stopping.
func (b *circuitBreaker) wait(ctx context.Context) error {
	b.mu.Lock()
	reset := b.reset
	b.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return errStopping
	case reset == nil:
		return nil
	}
	select {
	case <-reset:
		return nil
	case <-b.stopping:
	case <-ctx.Done():
	}
	return errStopping
}

// call makes a call until Temporal has answered it. Its only error is errStopping.
func (b *circuitBreaker) call(ctx context.Context, open func(context.Context) (bool, error)) (opened bool, err error) {
	for {
		if err := b.wait(ctx); err != nil {
			return false, err
		}
		opened, err := b.attempt(ctx, open)
		switch {
		case err == nil:
			return opened, nil
		case ctx.Err() == nil && b.trip(err):
			return b.probe(ctx, open)
		}
	}
}

// trip reports whether the caller is the one to probe.
func (b *circuitBreaker) trip(cause error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reset != nil {
		return false
	}
	b.reset, b.since = make(chan struct{}), time.Now()
	b.metrics.Paused(true)
	b.logger.Warn("Temporal is unavailable: polling pauses and the messages in hand wait; check TEMPORAL_ADDRESS and the server", "cause", cause)
	return true
}

// probe repeats the call that tripped the breaker, and resets it. No other call does:
// its answer may be of before the outage.
func (b *circuitBreaker) probe(ctx context.Context, open func(context.Context) (bool, error)) (opened bool, err error) {
	for failures := 1; ; failures++ {
		select {
		case <-time.After(backoff(failures)):
		case <-b.stopping:
			return false, errStopping
		}
		if opened, err = b.attempt(ctx, open); err == nil {
			break
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.reset)
	b.reset = nil
	b.metrics.Paused(false)
	b.logger.Info("Temporal is available again: polling goes on", "after", time.Since(b.since).Round(time.Second))
	return opened, nil
}

// attempt makes one call, within its timeout.
func (b *circuitBreaker) attempt(ctx context.Context, open func(context.Context) (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	return open(ctx)
}

// maxBackoff is the longest wait after failures in a row.
const maxBackoff = time.Minute

// backoff is how long to wait after the n-th failure in a row, n from 1.
func backoff(n int) time.Duration { return jitter(cdc.Backoff(n, time.Second, maxBackoff)) }

// jitter is between half and all of d, so that workers of a fleet come apart.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1) //nolint:gosec // no secret: it only spreads retries
}
