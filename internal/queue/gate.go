package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// errStopping ends the opening of what is to be given back.
var errStopping = errors.New("consumer is stopping")

// gate is open while Temporal is available. While it is shut, polls wait before
// it, and of those who want to open something one at a time, after a backoff,
// goes through as the probe that finds out whether Temporal is back.
type gate struct {
	logger  *slog.Logger
	metrics Metrics
	// stopping is closed when messages that wait are to be given back.
	stopping <-chan struct{}

	mu       sync.Mutex
	shut     bool
	since    time.Time
	failures int
	retryAt  time.Time
	probing  bool
	changed  chan struct{} // closed and replaced at every change
}

func newGate(logger *slog.Logger, metrics Metrics) *gate {
	return &gate{logger: logger, metrics: metrics, changed: make(chan struct{})}
}

// state tells whether the gate is shut and since when.
func (g *gate) state() (since time.Time, shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.since, g.shut
}

// pass waits until the gate is open.
func (g *gate) pass(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return errStopping
		}
		g.mu.Lock()
		shut, changed := g.shut, g.changed
		g.mu.Unlock()
		if !shut {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// enter waits until the gate is open or the caller is to be the probe. Who
// entered must leave. It fails with errStopping when ctx is done, or when the
// gate is shut and the consumer is stopping.
func (g *gate) enter(ctx context.Context) (probe bool, err error) {
	for {
		if ctx.Err() != nil {
			return false, errStopping
		}
		g.mu.Lock()
		if !g.shut {
			g.mu.Unlock()
			return false, nil
		}
		select {
		case <-g.stopping:
			g.mu.Unlock()
			return false, errStopping
		default:
		}
		wait := time.Until(g.retryAt)
		if !g.probing && wait <= 0 {
			g.probing = true
			g.mu.Unlock()
			return true, nil
		}
		changed, probing := g.changed, g.probing
		g.mu.Unlock()
		g.wait(ctx, changed, probing, wait)
	}
}

// wait returns at a change, at a stop, or, unless someone is probing, after d.
func (g *gate) wait(ctx context.Context, changed <-chan struct{}, probing bool, d time.Duration) {
	var due <-chan time.Time
	if !probing {
		timer := time.NewTimer(d)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-changed:
	case <-due:
	case <-g.stopping:
	case <-ctx.Done():
	}
}

// verdict is what a call has shown of Temporal.
type verdict int

const (
	undecided   verdict = iota // the call was abandoned
	available                  // Temporal answered
	unavailable                // it did not
)

// leave tells what the call has shown. Only a probe opens the gate: other
// answers may be of calls that began before Temporal went away.
func (g *gate) leave(probe bool, v verdict) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if probe {
		g.probing = false
	}
	switch {
	case v == unavailable && !g.shut:
		g.shut, g.since, g.failures = true, time.Now(), 1
		g.retryAt = time.Now().Add(backoff(g.failures))
		g.metrics.Paused(true)
		g.logger.Warn("Temporal is unavailable: polling pauses and the messages in hand wait; check TEMPORAL_ADDRESS and the server")
	case v == unavailable && probe:
		g.failures++
		g.retryAt = time.Now().Add(backoff(g.failures))
	case v == available && probe:
		g.shut = false
		g.metrics.Paused(false)
		g.logger.Info("Temporal is available again: polling goes on", "after", time.Since(g.since).Round(time.Second))
	case !probe:
		return
	}
	close(g.changed)
	g.changed = make(chan struct{})
}
