package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/connect"
	"healthlake-cdc/internal/redrive"
	"healthlake-cdc/internal/retention"
	"healthlake-cdc/internal/temporalclient"
)

// checkTimeout bounds each dependency's check.
const checkTimeout = 15 * time.Second

// checker goes through what a worker needs and says what is missing.
type checker struct {
	probes
	logger *slog.Logger
	out    io.Writer
	failed int
}

// check is worker --check: the settings are valid already, or it would not be
// called.
func check(ctx context.Context, cfg *config.Config, logger *slog.Logger, out io.Writer) error {
	awsConfig, err := connect.AWS(ctx, cfg)
	if err != nil {
		return err
	}
	stores, err := connect.Stores(cfg, awsConfig, nil)
	if err != nil {
		return err
	}
	c := &checker{probes: probes{cfg: cfg, aws: awsConfig, stores: stores}, logger: logger, out: out}
	c.report("settings", nil, "valid")
	c.do(ctx, "AWS credentials", c.credentials)
	c.do(ctx, "resource types", c.resourceTypes)
	for _, datastore := range cfg.Datastores {
		c.do(ctx, "datastore", func(ctx context.Context) (string, error) { return c.datastore(ctx, datastore) })
	}
	c.do(ctx, "search rate", c.searchRate)
	c.do(ctx, "queue", c.queue)
	c.do(ctx, "event bus", c.bus)
	c.do(ctx, "Temporal", c.temporal)
	if c.failed > 0 {
		return fmt.Errorf("%d checks failed", c.failed)
	}
	return nil
}

func (c *checker) do(ctx context.Context, name string, check func(context.Context) (string, error)) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
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

func (c *checker) temporal(ctx context.Context) (string, error) {
	temporal, err := connect.DialTemporal(ctx, c.cfg, config.Worker, c.logger, connect.Observers{})
	if err != nil {
		return "", err
	}
	defer temporal.Client.Close()
	kept, err := temporalclient.Retention(ctx, temporal.Client, temporal.Namespace)
	if err != nil {
		return "", err
	}
	plan, err := planAudits(c.cfg, kept)
	if err != nil {
		return "", err
	}
	c.notice(ctx, temporal.Namespace, kept)
	if !temporal.Attributes {
		return "", errors.New("search attributes are missing and may not be created: run the commands that were logged")
	}
	return fmt.Sprintf("namespace %s, retention %s, %s, search attributes usable", temporal.Namespace, kept, plan), nil
}

// notice warns of queues that keep messages for longer than closed windows are
// kept. It is no failure: it costs repeats, never a version.
func (c *checker) notice(ctx context.Context, namespace string, kept time.Duration) {
	keeps, err := redrive.Kept(ctx, sqs.NewFromConfig(c.aws), c.cfg.QueueURL)
	if err != nil {
		return // the check of the queue says why
	}
	if text := retention.Notice(namespace, kept, keeps); text != "" {
		fmt.Fprintf(c.out, "WARNING  %-16s %s\n", "retention", text)
	}
}
