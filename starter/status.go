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
)

const minLookback = time.Minute

func newStatusCommand(s *session) *cobra.Command {
	var lookback time.Duration
	command := &cobra.Command{
		Use:   "status",
		Short: "Show lag, open windows, queues, what waits, what failed, and cost",
		Long: `Status looks at a limited number of windows and queries a few of them, which Temporal
bills as actions. The depth of the queues needs CDC_QUEUE_URL.`,
		Example: "  starter status\n  starter status --lookback 6h --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if lookback < minLookback {
				return errors.New("--lookback must be at least 1m")
			}
			return s.status(cmd.Context(), lookback)
		},
	}
	command.Flags().DurationVar(&lookback, "lookback", time.Hour, "how far back to look for windows")
	return command
}

func (s *session) status(ctx context.Context, lookback time.Duration) error {
	return s.withConnection(ctx, needsTemporal, func(c *connection) error {
		collector := &status.Collector{
			Temporal: c.Client, Executions: c.Executions,
			TaskQueue: c.config.TaskQueue, Types: c.types, Datastores: c.config.Datastores,
			Passes: c.config.Passes, Lookback: lookback, Attributes: c.Attributes, Now: time.Now,
		}
		report, err := collector.Collect(ctx)
		if err != nil {
			return err
		}
		if report.Queue, report.DLQ, err = c.queues(ctx); err != nil {
			report.QueueNote = err.Error()
		}
		if warning := c.retentionWarning(ctx); warning != "" {
			report.Notes = append(report.Notes, warning)
		}
		return s.print(report, report.Text())
	})
}

// retentionWarning says what is wrong with the namespace's retention.
func (c *connection) retentionWarning(ctx context.Context) string {
	kept, err := c.Retention(ctx)
	if err != nil {
		return "the namespace's retention is not known: " + err.Error()
	}
	if err := c.config.CheckHorizon(kept); err != nil {
		return err.Error()
	}
	awsConfig, err := c.config.AWS(ctx)
	if err != nil || c.config.QueueURL == "" {
		return "" // the queues' depths say why
	}
	text, _ := preflight.QueueNotice(ctx, c.config, awsConfig, c.Namespace, kept) // likewise
	return text
}

// queues returns the depth of the trigger queue and of its dead-letter queue. What could
// be found out is returned with the error.
func (c *connection) queues(ctx context.Context) (triggers, deadLetters *queue.Depth, err error) {
	awsConfig, err := c.config.AWS(ctx)
	if err != nil {
		return nil, nil, err
	}
	api := sqs.NewFromConfig(awsConfig)
	found, err := queue.Find(ctx, api, c.config.QueueURL)
	if err != nil {
		return nil, nil, err
	}
	dead, err := found.DeadLetters(ctx, api)
	if err != nil {
		return &found.Depth, nil, err
	}
	return &found.Depth, &dead.Depth, nil
}
