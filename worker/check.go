package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/preflight"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/temporal"
)

// checkTimeout bounds each dependency's check.
const checkTimeout = 15 * time.Second

// checker goes through what a worker needs and says what is missing.
type checker struct {
	*probes
	logger *slog.Logger
	out    io.Writer
	failed int
}

// check is worker --check: the settings are valid already, or it would not be
// called.
func check(ctx context.Context, cfg *config.Config, logger *slog.Logger, out io.Writer) error {
	awsConfig, err := temporal.AWS(ctx, cfg)
	if err != nil {
		return err
	}
	stores, err := temporal.Stores(cfg, awsConfig, nil)
	if err != nil {
		return err
	}
	c := &checker{probes: newProbes(cfg, awsConfig, stores), logger: logger, out: out}
	c.report("settings", nil, "valid")
	c.report("payloads", nil, cfg.Storage())
	c.do(ctx, "AWS credentials", c.credentials)
	c.do(ctx, "resource types", c.resourceTypes)
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
	keeper := newKeeper(c.cfg, conn, "", c.logger)
	c.do(ctx, "payload keys", func(ctx context.Context) (string, error) { return c.keys(ctx, conn, keeper) })
	for _, datastore := range c.cfg.Datastores {
		c.do(ctx, "owner", func(ctx context.Context) (string, error) { return c.owner(ctx, keeper, datastore) })
	}
}

func (c *checker) namespace(ctx context.Context, conn *temporal.Connection) (string, error) {
	kept, err := temporal.Retention(ctx, conn.Client, conn.Namespace)
	if err != nil {
		return "", err
	}
	plan, err := planAudits(c.cfg, kept)
	if err != nil {
		return "", err
	}
	c.notice(ctx, conn.Namespace, kept)
	if !conn.Attributes {
		return "", errors.New("search attributes are missing and may not be created: run the commands that were logged")
	}
	return fmt.Sprintf("namespace %s, retention %s, %s, search attributes usable", conn.Namespace, kept, plan), nil
}

// keys checks that the payload keys open what the namespace holds.
func (c *checker) keys(ctx context.Context, conn *temporal.Connection, keeper *temporal.AuditSchedules) (string, error) {
	for _, datastore := range c.cfg.Datastores {
		if _, err := keeper.Read(ctx, datastore); errors.Is(err, temporal.ErrUndecodable) {
			return "", fmt.Errorf("schedule %s: %w", cdc.AuditScheduleID(datastore), err)
		}
	}
	if err := temporal.CheckKeys(ctx, conn.Executions(), c.cfg.Datastores, c.logger); err != nil {
		return "", err
	}
	return "they open what the namespace holds", nil
}

// owner checks that the datastore is this fleet's, or nobody's, and says which types
// this worker would take out of its audits.
func (c *checker) owner(ctx context.Context, keeper *temporal.AuditSchedules, datastore string) (string, error) {
	known, err := keeper.Read(ctx, datastore)
	switch {
	case errors.Is(err, temporal.ErrUndecodable):
		return datastore + ": see payload keys", nil
	case err != nil:
		fmt.Fprintf(c.out, "WARNING  %-16s %s: its schedule cannot be read: %v\n", "owner", datastore, err)
		return datastore + " may have one", nil
	case known == nil:
		return datastore + " has none yet: the first worker makes it this fleet's", nil
	case known.Input.Owner != keeper.Owner:
		return "", &temporal.OtherOwnerError{Datastore: datastore, Found: known.Input.Owner, Ours: keeper.Owner}
	}
	if extra := known.Extra(c.types[datastore]); len(extra) > 0 && len(c.types[datastore]) > 0 {
		fmt.Fprintf(c.out, "WARNING  %-16s %s: %s would leave its audits, once no worker polls that is configured with them\n", "resource types", datastore, strings.Join(extra, ", "))
	}
	return datastore + " is this fleet's: " + keeper.Owner.String(), nil
}

// notice warns of queues that keep messages for longer than closed windows are
// kept. It is no failure: it costs repeats, never a version.
func (c *checker) notice(ctx context.Context, namespace string, kept time.Duration) {
	keeps, err := queue.Kept(ctx, sqs.NewFromConfig(c.aws), c.cfg.QueueURL)
	if err != nil {
		return // the check of the queue says why
	}
	if text := preflight.Notice(namespace, kept, keeps); text != "" {
		fmt.Fprintf(c.out, "WARNING  %-16s %s\n", "retention", text)
	}
}
