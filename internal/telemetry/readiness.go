package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// checkTTL is how long a check's result is used again: however many probes there
	// are, the check runs at most once in this time.
	checkTTL = 5 * time.Second
	// checkTimeout ends a check that hangs; it then counts as failed. It lies under the
	// 5 s after which common load balancers end a probe.
	checkTimeout = 3 * time.Second
)

// Readiness is a set of named checks. It is safe for concurrent use.
type Readiness struct {
	logger *slog.Logger

	mu     sync.Mutex
	checks []*namedCheck
}

// namedCheck is a check of whether something that the program needs is there.
type namedCheck struct {
	name string
	run  func(context.Context) error

	mu      sync.Mutex // held while the check runs: others wait for its result
	checked time.Time
	err     error
}

// status is the result of one check. Its error goes to the log, never to the client of
// /readyz.
type status struct {
	name string
	err  error
}

// NewReadiness returns an empty set, which is ready. It logs when a check begins
// to fail and when it passes again.
func NewReadiness(logger *slog.Logger) *Readiness { return &Readiness{logger: logger} }

// Add adds a check under a name that /readyz shows.
func (r *Readiness) Add(name string, check func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks = append(r.checks, &namedCheck{name: name, run: check})
}

// check returns the results of all checks, in the order in which they were added; none
// is older than five seconds. Checks run side by side.
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
