package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// checkTTL is how long a check's result is used again, so that however many
	// probes ask, what they check is asked at most once in this time.
	checkTTL = 5 * time.Second
	// checkTimeout ends a check that hangs; it then counts as failed. It lies
	// under the 5 s after which common load balancers give a probe up.
	checkTimeout = 3 * time.Second
)

// Check asks whether something that the program needs is there.
type Check func(context.Context) error

// Readiness is a set of named checks. It is safe for concurrent use.
type Readiness struct {
	logger *slog.Logger
	now    func() time.Time

	mu     sync.Mutex
	checks []*namedCheck
}

type namedCheck struct {
	name string
	run  Check

	mu      sync.Mutex // held while the check runs: others wait for its result
	checked time.Time
	err     error
}

// Status is the result of one check.
type Status struct {
	Name string
	// Err is nil when the check passed. It goes to the log, never to the client
	// of /readyz.
	Err error
}

// NewReadiness returns an empty set, which is ready. It logs when a check begins
// to fail and when it passes again.
func NewReadiness(logger *slog.Logger) *Readiness {
	return &Readiness{logger: logger, now: time.Now}
}

// Add adds a check under a name that is shown to whoever asks.
func (r *Readiness) Add(name string, check Check) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks = append(r.checks, &namedCheck{name: name, run: check})
}

// Check returns the results of all checks, in the order in which they were
// added; none is older than five seconds. Checks run side by side.
func (r *Readiness) Check(ctx context.Context) []Status {
	r.mu.Lock()
	checks := append([]*namedCheck(nil), r.checks...)
	r.mu.Unlock()
	statuses := make([]Status, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { statuses[i] = Status{c.name, r.result(ctx, c)} })
	}
	wg.Wait()
	return statuses
}

func (r *Readiness) result(ctx context.Context, c *namedCheck) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.checked.IsZero() && r.now().Sub(c.checked) < checkTTL {
		return c.err
	}
	// The result is for all who ask: a client that goes away does not decide it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	failed := c.err != nil
	c.err = call(ctx, c.run)
	c.checked = r.now()
	switch {
	case c.err != nil && !failed:
		r.logger.Warn("readiness check fails", slog.String("check", c.name), slog.String("error", c.err.Error()))
	case c.err == nil && failed:
		r.logger.Info("readiness check passes again", slog.String("check", c.name))
	}
	return c.err
}

// call makes a panic of a check its failure.
func call(ctx context.Context, check Check) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the check panicked with a %T", p)
		}
	}()
	return check(ctx)
}
