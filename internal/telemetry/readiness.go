package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// checkTTL bounds how often a check runs, however many probes there are.
	checkTTL = 5 * time.Second
	// checkTimeout lies under the 5 s after which common load balancers end a probe.
	checkTimeout = 3 * time.Second
)

// Readiness is a set of named checks. It is safe for concurrent use.
type Readiness struct {
	logger *slog.Logger

	mu     sync.Mutex
	checks []*namedCheck
}

type namedCheck struct {
	name string
	run  func(context.Context) error

	mu      sync.Mutex // held while the check runs: others wait for its result
	checked time.Time
	err     error
}

// status is the result of a check. Its error goes to the log, never to a client.
type status struct {
	name string
	err  error
}

// NewReadiness returns an empty set, which is ready.
func NewReadiness(logger *slog.Logger) *Readiness { return &Readiness{logger: logger} }

// Add adds a check under a name that /readyz shows.
func (r *Readiness) Add(name string, check func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks = append(r.checks, &namedCheck{name: name, run: check})
}

// check returns the results of all checks, in the order in which they were added.
func (r *Readiness) check(ctx context.Context) []status {
	r.mu.Lock()
	checks := r.checks[:len(r.checks):len(r.checks)]
	r.mu.Unlock()
	statuses := make([]status, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { statuses[i] = status{c.name, r.result(ctx, c)} })
	}
	wg.Wait()
	return statuses
}

// result runs a check, unless its last result is young enough.
func (r *Readiness) result(ctx context.Context, c *namedCheck) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.checked.IsZero() && time.Since(c.checked) < checkTTL {
		return c.err
	}
	// The result is for all clients: one that goes away does not decide it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	failed := c.err != nil
	c.err = c.run(ctx)
	c.checked = time.Now()
	switch {
	case c.err != nil && !failed:
		r.logger.Warn("readiness check fails", slog.String("check", c.name), slog.String("error", c.err.Error()))
	case c.err == nil && failed:
		r.logger.Info("readiness check passes again", slog.String("check", c.name))
	}
	return c.err
}
