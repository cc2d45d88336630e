// Package preflight checks that a program can do its work: worker --check, the start of
// a program, and its probes.
package preflight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/healthlake"
	"healthlake-cdc/internal/temporal"
)

// checkTimeout bounds each dependency's check.
const checkTimeout = 15 * time.Second

// checker goes through what a worker needs and prints what is missing.
type checker struct {
	*Probes
	logger *slog.Logger
	out    io.Writer
	failed int
}

// Check is worker --check: the settings are valid already, or it would not be called.
func Check(ctx context.Context, cfg *config.Config, logger *slog.Logger, out io.Writer) error {
	awsConfig, err := cfg.AWS(ctx)
	if err != nil {
		return err
	}
	stores, err := healthlake.New(healthlake.Config{Endpoint: cfg.HealthLakeEndpoint, Region: cfg.Region, Credentials: awsConfig.Credentials})
	if err != nil {
		return err
	}
	c := &checker{Probes: NewProbes(cfg, awsConfig, stores), logger: logger, out: out}
	c.report("settings", nil, "valid")
	c.report("payloads", nil, cfg.Storage())
	c.do(ctx, "AWS credentials", c.credentials)
	c.do(ctx, "resource types", c.ReadTypes)
	for _, datastore := range cfg.Datastores {
		c.within(ctx, c.searchTimeout(datastore), "datastore", func(ctx context.Context) (string, error) { return c.datastore(ctx, datastore) })
	}
	c.do(ctx, "search rate", c.searchRate)
	c.do(ctx, "queue", c.queue)
	c.do(ctx, "event bus", c.bus)
	c.temporal(ctx)
	if c.failed > 0 {
		return fmt.Errorf("%d checks failed", c.failed)
	}
	return nil
}

func (c *checker) do(ctx context.Context, name string, check func(context.Context) (string, error)) {
	c.within(ctx, checkTimeout, name, check)
}

func (c *checker) within(ctx context.Context, timeout time.Duration, name string, check func(context.Context) (string, error)) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := check(ctx)
	c.report(name, err, found)
}

func (c *checker) report(name string, err error, found string) {
	if err != nil {
		c.failed++
		fmt.Fprintf(c.out, "MISSING  %-16s %v\n", name, err)
		return
	}
	fmt.Fprintf(c.out, "ok       %-16s %s\n", name, found)
}

// temporal looks at the namespace, and at what it holds.
func (c *checker) temporal(ctx context.Context) {
	var conn *temporal.Connection
	c.do(ctx, "Temporal", func(ctx context.Context) (_ string, err error) {
		if conn, err = temporal.Dial(ctx, c.cfg, config.Worker, c.logger, temporal.Observers{}); err != nil {
			return "", err
		}
		return c.namespace(ctx, conn)
	})
	if conn == nil {
		return
	}
	defer conn.Client.Close()
	c.do(ctx, "payload keys", func(ctx context.Context) (string, error) { return c.keys(ctx, conn) })
	for _, datastore := range c.cfg.Datastores {
		c.do(ctx, "owner", func(ctx context.Context) (string, error) { return c.owner(ctx, conn, datastore) })
	}
}

func (c *checker) namespace(ctx context.Context, conn *temporal.Connection) (string, error) {
	retention, err := conn.Retention(ctx)
	if err != nil {
		return "", err
	}
	plan, err := planAudits(c.cfg, retention)
	if err != nil {
		return "", err
	}
	// Queues that keep messages for longer are no failure: they cost repeats, never a
	// version. Why they cannot be read the check of the queue says.
	if text, _ := QueueNotice(ctx, c.cfg, c.aws, conn.Namespace, retention); text != "" {
		fmt.Fprintf(c.out, "WARNING  %-16s %s\n", "retention", text)
	}
	if !conn.Attributes {
		return "", errors.New("search attributes are missing and may not be created: run the commands that were logged")
	}
	return fmt.Sprintf("namespace %s, retention %s, %s, search attributes usable", conn.Namespace, retention, plan), nil
}

// keys checks that the payload keys decrypt the audits' schedules and the newest windows,
// as far as there are any.
func (c *checker) keys(ctx context.Context, conn *temporal.Connection) (string, error) {
	for _, datastore := range c.cfg.Datastores {
		if _, err := conn.AuditSchedule(ctx, datastore); errors.Is(err, temporal.ErrUndecodable) {
			return "", err
		}
	}
	if err := CheckKeys(ctx, conn.Executions, c.cfg.Datastores, c.logger); err != nil {
		return "", err
	}
	return "they decrypt the schedules and the newest windows that could be read", nil
}

// owner checks that the datastore is this fleet's, or nobody's, and prints which types
// this worker would take out of its audits.
func (c *checker) owner(ctx context.Context, conn *temporal.Connection, datastore string) (string, error) {
	ours := cdc.Owner{TaskQueue: c.cfg.TaskQueue, Bus: c.cfg.EventBus}
	known, err := conn.AuditSchedule(ctx, datastore)
	switch {
	case errors.Is(err, temporal.ErrUndecodable):
		return datastore + ": see payload keys", nil
	case err != nil:
		fmt.Fprintf(c.out, "WARNING  %-16s %s: its schedule cannot be read: %v\n", "owner", datastore, err)
		return datastore + " may have one", nil
	case known == nil:
		return datastore + " has none yet: the first worker makes it this fleet's", nil
	case known.Input.Owner != ours:
		return "", &temporal.OtherOwnerError{Datastore: datastore, Found: known.Input.Owner, Ours: ours}
	}
	types := c.Types[datastore]
	if extra := temporal.Lacking(known.Input.Types, types); len(extra) > 0 && len(types) > 0 {
		fmt.Fprintf(c.out, "WARNING  %-16s %s: %s would leave its audits, once no worker polls that is configured with them\n", "resource types", datastore, strings.Join(extra, ", "))
	}
	return datastore + " is this fleet's: " + ours.String(), nil
}
