package main

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"healthlake-cdc/internal/ops/status"
	"healthlake-cdc/internal/preflight"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/temporal"
)

// shortestLookback is one in which there can be windows at all.
const shortestLookback = time.Minute

func newStatusCommand(s *session) *cobra.Command {
	var lookback time.Duration
	command := &cobra.Command{
		Use:   "status",
		Short: "Show how everything stands: lag, open windows, queues, what waits, what failed, cost",
		Long: `Status shows, for each datastore and resource type, when something was last
published and how long after it was written, and through when the store is
audited; which windows, replays, backfills and audits are open, and how far they
are; how deep the trigger queue and its dead-letter queue are (with CDC_QUEUE_URL);
what waits for an operator; what failed, was terminated or timed out and was not
made good by a later run, with what to do about it; and what an hour costs, as an
estimate.

It looks at a bounded number of windows and asks a few of them by queries, which
are billed as actions.`,
		Example: "  starter status\n  starter status --lookback 6h --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if lookback < shortestLookback {
				return errors.New("--lookback must be at least 1m")
			}
			return s.status(cmd.Context(), lookback)
		},
	}
	command.Flags().DurationVar(&lookback, "lookback", time.Hour, "how far back to look for windows")
	return command
}

func (s *session) status(ctx context.Context, lookback time.Duration) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.client.Close()
	collector := &status.Collector{
		Temporal: c.client, Converter: c.temporal.Converter, Namespace: c.temporal.Namespace,
		TaskQueue: c.config.TaskQueue, Types: c.types, Datastores: c.config.Datastores,
		Passes: c.config.Passes, Lookback: lookback, Queues: c.queues, Retention: c.retentionNotice, Now: time.Now,
		Attributes: c.temporal.Attributes,
	}
	report, err := collector.Collect(ctx)
	if err != nil {
		return err
	}
	return s.print(report, report.Text())
}

// retentionNotice says what is amiss with the namespace's retention: that it does
// not hold CDC_AUDIT_HORIZON, or is shorter than queues keep messages.
func (c *connection) retentionNotice(ctx context.Context) string {
	kept, err := c.retention(ctx)
	if err != nil {
		return "the namespace's retention is not known: " + err.Error()
	}
	if err := c.config.CheckHorizon(kept); err != nil {
		return err.Error()
	}
	if c.config.QueueURL == "" {
		return ""
	}
	awsConfig, err := temporal.AWS(ctx, c.config)
	if err != nil {
		return "" // the queues' depths say why
	}
	keeps, err := queue.Kept(ctx, sqs.NewFromConfig(awsConfig), c.config.QueueURL)
	if err != nil {
		return "" // likewise
	}
	return preflight.Notice(c.temporal.Namespace, kept, keeps)
}

// queues asks SQS how deep the trigger queue and its dead-letter queue are. What
// could be found out is returned with the error.
func (c *connection) queues(ctx context.Context) (triggers, deadLetters *queue.Depth, err error) {
	if c.config.QueueURL == "" {
		return nil, nil, queue.ErrNoQueue
	}
	awsConfig, err := temporal.AWS(ctx, c.config)
	if err != nil {
		return nil, nil, err
	}
	api := sqs.NewFromConfig(awsConfig)
	found, err := queue.Find(ctx, api, c.config.QueueURL)
	if err != nil {
		return nil, nil, err
	}
	_, dead, err := found.Dead(ctx, api)
	if err != nil {
		return &found.Depth, nil, err
	}
	return &found.Depth, &dead, nil
}
