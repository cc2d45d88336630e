package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go"
)

const (
	// minBackoff and maxBackoff lie between two looks at a dependency.
	minBackoff = 250 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// Dependency is something that a worker cannot start without.
type Dependency struct {
	Name  string
	Probe func(context.Context) (string, error)
	// timeout bounds one attempt; 0 is checkTimeout.
	timeout time.Duration
}

// Consuming returns the dependencies of a worker that polls the queue.
func (p *Probes) Consuming() []Dependency { return []Dependency{{Name: "queue", Probe: p.queue}} }

// Working returns the dependencies of a worker that runs activities.
func (p *Probes) Working() []Dependency {
	all := []Dependency{{Name: "event bus", Probe: p.busIfVisible}}
	for _, datastore := range p.cfg.Datastores {
		all = append(all, Dependency{
			Name: "datastore " + datastore, timeout: p.searchTimeout(datastore),
			Probe: func(ctx context.Context) (string, error) { return p.datastore(ctx, datastore) },
		})
	}
	return all
}

// busIfVisible assumes that a bus which may not be described is there, as publishing
// does: credentials that may publish to another account's bus often may not describe
// it, and not every endpoint knows the call.
func (p *Probes) busIfVisible(ctx context.Context) (string, error) {
	found, err := p.bus(ctx)
	var api smithy.APIError
	if errors.As(err, &api) && (strings.HasPrefix(api.ErrorCode(), "AccessDenied") || api.ErrorCode() == "UnknownOperationException") {
		return "not to be described", nil
	}
	return found, err
}

// Await probes all dependencies side by side until each is there. After the wait it
// names every one that is not, with its last error. A permanent error ends the wait
// for all.
func Await(ctx context.Context, wait time.Duration, logger *slog.Logger, all ...Dependency) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	missing := make([]error, len(all))
	var group sync.WaitGroup
	for i, one := range all {
		group.Go(func() {
			missing[i] = one.await(ctx, logger)
			if errors.As(missing[i], &permanent{}) {
				cancel()
			}
		})
	}
	group.Wait()
	err := errors.Join(missing...)
	var final permanent
	switch {
	case errors.As(err, &final):
		return fmt.Errorf("not started: %w", final)
	case err != nil:
		return fmt.Errorf("not started after waiting %s: %s", wait, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

// await tries until the dependency is there, or there is no more time.
func (d Dependency) await(ctx context.Context, logger *slog.Logger) error {
	logged := false
	for backoff := minBackoff; ; backoff = min(2*backoff, maxBackoff) {
		err := d.try(ctx)
		if err == nil {
			if logged {
				logger.Info("a dependency is there now", "dependency", d.Name)
			}
			return nil
		}
		if errors.As(err, &permanent{}) {
			return permanent{fmt.Errorf("%s: %w", d.Name, err)}
		}
		if !logged {
			logged = true
			logger.Warn("waiting for a dependency", "dependency", d.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is missing: %w", d.Name, err)
		case <-time.After(backoff):
		}
	}
}

// try makes one attempt, which ends before a hanging one could use up the wait.
func (d Dependency) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(d.timeout, checkTimeout))
	defer cancel()
	_, err := d.Probe(ctx)
	return err
}

// permanent is an error that waiting does not end.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }
