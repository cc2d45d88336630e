package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/healthlake"
	"healthlake-cdc/internal/preflight"
	"healthlake-cdc/internal/telemetry"
	"healthlake-cdc/internal/temporal"
)

type needs int

const (
	// needsSettings is of commands that work without Temporal.
	needsSettings needs = iota
	// needsTemporal is of commands that only look, or send no payload.
	needsTemporal
	// needsWorkers is of commands that start or signal executions: their payload keys
	// must open what the namespace holds, and their task queue must be the workers'.
	needsWorkers
)

// connection is what a command works with: without Temporal just config.
type connection struct {
	config *config.Config
	*temporal.Connection
	launcher *temporal.Launcher
	types    map[string][]string // by datastore
	logger   *slog.Logger
}

// withConnection loads the settings, and connects and checks as far as the command needs.
func (s *session) withConnection(ctx context.Context, need needs, run func(c *connection) error) error {
	cfg, err := config.Load(config.Starter, os.Environ(), s.flags)
	if err != nil {
		return err
	}
	c := &connection{config: cfg}
	if need >= needsTemporal {
		if cfg.InsecurePlaintext {
			fmt.Fprintln(s.progress, "WARNING: payloads are "+cfg.Storage())
		}
		if err := c.dial(ctx); err != nil {
			return err
		}
		defer c.Client.Close()
	}
	if need == needsWorkers {
		if err := c.matchesWorkers(ctx); err != nil {
			return err
		}
	}
	return run(c)
}

func (c *connection) dial(ctx context.Context) error {
	c.logger = telemetry.NewLogger(os.Stderr, c.config.LogFormat, c.config.LogLevel)
	var err error
	if c.types, err = c.resourceTypes(ctx); err != nil {
		return err
	}
	if c.Connection, err = temporal.Dial(ctx, c.config, config.Starter, c.logger, temporal.Observers{}); err != nil {
		return err
	}
	c.launcher = &temporal.Launcher{
		Connection: c.Connection, Settings: c.config, Types: c.types, Audited: c.config.AuditOn(), Logger: c.logger,
	}
	return nil
}

// namespaceTimeout bounds the look at what the namespace holds.
const namespaceTimeout = 30 * time.Second

// matchesWorkers compares our settings with the newest windows and with the schedules of
// audits. What cannot be read stops nothing.
func (c *connection) matchesWorkers(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, namespaceTimeout)
	defer cancel()
	const nothing = "nothing was started or signalled"
	if err := preflight.CheckKeys(limited, c.Executions, c.config.Datastores, c.logger); err != nil {
		return fmt.Errorf("%s: CDC_PAYLOAD_KEYS do not open what the workers have written: %w", nothing, err)
	}
	for _, datastore := range c.config.Datastores {
		known, err := c.AuditSchedule(limited, datastore)
		switch {
		case errors.Is(err, temporal.ErrUndecodable):
			return fmt.Errorf("%s: %w", nothing, err)
		case err != nil:
			c.logger.Warn("cannot read the schedule of audits, which says which workers capture the datastore", "datastore", datastore, "error", err)
		case known != nil && known.Input.Owner.TaskQueue != c.config.TaskQueue:
			return fmt.Errorf("%s: datastore %s is captured by the workers of task queue %s, and CDC_TASK_QUEUE is %s",
				nothing, datastore, known.Input.Owner.TaskQueue, c.config.TaskQueue)
		}
	}
	return ctx.Err()
}

func (c *connection) stores(ctx context.Context) (*healthlake.Client, error) {
	awsConfig, err := c.config.AWS(ctx)
	if err != nil {
		return nil, err
	}
	return healthlake.New(healthlake.Config{Endpoint: c.config.HealthLakeEndpoint, Region: c.config.Region, Credentials: awsConfig.Credentials})
}

func (c *connection) resourceTypes(ctx context.Context) (map[string][]string, error) {
	return preflight.ResourceTypes(ctx, c.config, func() (*healthlake.Client, error) { return c.stores(ctx) })
}

// horizon is how far back audits can compare.
func (c *connection) horizon(ctx context.Context) (time.Duration, error) {
	kept, err := c.Retention(ctx)
	if err != nil {
		return 0, err
	}
	return c.config.Horizon(kept), c.config.CheckHorizon(kept)
}

// datastores are all configured ones, or just the chosen one.
func (c *connection) datastores(chosen string) ([]string, error) {
	if chosen == "" {
		return c.config.Datastores, nil
	}
	if !slices.Contains(c.config.Datastores, chosen) {
		return nil, fmt.Errorf("datastore %q is not configured: see CDC_DATASTORES", chosen)
	}
	return []string{chosen}, nil
}
