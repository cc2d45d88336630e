package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"
)

const (
	// defaultStartupWait is how long a worker waits at its start for what it
	// needs. Containers that start together need some seconds.
	defaultStartupWait = time.Minute
	// firstAgain and longestAgain lie between two looks at a dependency.
	firstAgain   = 250 * time.Millisecond
	longestAgain = 5 * time.Second
)

// dependency is something that a worker cannot start without.
type dependency struct {
	name  string
	probe func(context.Context) (string, error)
	// timeout bounds one attempt; 0 is checkTimeout.
	timeout time.Duration
}

// dependencies are what the role needs, beside Temporal, which is dialled.
func (p *probes) dependencies(role string) []dependency {
	var all []dependency
	if role != roleWorker {
		all = append(all, dependency{name: "queue", probe: p.queue})
	}
	if role != roleConsumer {
		all = append(all, dependency{name: "event bus", probe: p.busIfTold})
		for _, datastore := range p.cfg.Datastores {
			all = append(all, dependency{name: "datastore " + datastore, timeout: p.searchTimeout(datastore), probe: func(ctx context.Context) (string, error) {
				return p.datastore(ctx, datastore)
			}})
		}
	}
	return all
}

// busIfTold takes a bus that cannot be described for one that is there, as
// publishing does: who publishes to another account's bus often may not describe
// it, and not every endpoint knows the call.
func (p *probes) busIfTold(ctx context.Context) (string, error) {
	found, err := p.bus(ctx)
	var api smithy.APIError
	if errors.As(err, &api) && (strings.HasPrefix(api.ErrorCode(), "AccessDenied") || api.ErrorCode() == "UnknownOperationException") {
		return "not to be described", nil
	}
	return found, err
}

// await asks each dependency until it answers, side by side. After the wait it
// names every one that did not, with its last answer. One whose error is terminal ends
// the wait for all.
func await(ctx context.Context, wait time.Duration, logger *slog.Logger, all ...dependency) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	missing := make([]error, len(all))
	var group errgroup.Group
	for i, one := range all {
		group.Go(func() error {
			missing[i] = one.await(ctx, logger)
			if errors.As(missing[i], &terminal{}) {
				cancel()
			}
			return nil
		})
	}
	_ = group.Wait() // missing has the errors
	for _, err := range missing {
		if errors.As(err, &terminal{}) {
			return fmt.Errorf("not started: %w", err)
		}
	}
	if err := errors.Join(missing...); err != nil {
		return fmt.Errorf("not started after waiting %s: %s", wait, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

func (d dependency) await(ctx context.Context, logger *slog.Logger) error {
	said := false
	for again := firstAgain; ; again = min(2*again, longestAgain) {
		err := d.ask(ctx)
		if err == nil {
			if said {
				logger.Info("a dependency is there now", "dependency", d.name)
			}
			return nil
		}
		if errors.As(err, &terminal{}) {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		if !said {
			said = true
			logger.Warn("waiting for a dependency", "dependency", d.name, "error", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is missing: %w", d.name, err)
		case <-time.After(again):
		}
	}
}

// ask makes one attempt, which ends before a hanging one could use up the wait.
func (d dependency) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(d.timeout, checkTimeout))
	defer cancel()
	_, err := d.probe(ctx)
	return err
}
