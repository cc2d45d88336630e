package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/temporal"
)

// redriven is what redrive prints.
type redriven struct {
	Moved int `json:"moved"`
	// Left is how many messages the dead-letter queue then has, as SQS estimates.
	Left queue.Depth `json:"left"`
}

func newRedriveCommand(s *session) *cobra.Command {
	var limit int
	command := &cobra.Command{
		Use:   "redrive [--max N]",
		Short: "Move what is in the dead-letter queue back to the trigger queue",
		Long: `Redrive moves messages back to CDC_QUEUE_URL from the dead-letter queue that it
names. Without --max SQS moves all of them. With --max each is sent first and
deleted then, so that none is ever lost; one that comes twice opens no window
twice. A message that is still malformed returns to the dead-letter queue.`,
		Example: "  starter redrive --max 10\n  starter redrive",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("max") && limit < 1 {
				return errors.New("--max is the most messages to move, 1 or more; leave it out to move all")
			}
			return s.redrive(cmd.Context(), limit)
		},
	}
	command.Flags().IntVar(&limit, "max", 0, "the most messages to move; all when left out")
	return command
}

func (s *session) redrive(ctx context.Context, limit int) error {
	cfg, err := config.Load(config.Starter, os.Environ(), s.flags)
	if err != nil {
		return err
	}
	awsConfig, err := temporal.AWS(ctx, cfg)
	if err != nil {
		return err
	}
	api := sqs.NewFromConfig(awsConfig)
	queues, err := queue.Find(ctx, api, cfg.QueueURL)
	if err != nil {
		return err
	}
	mover := queue.Mover{API: api, Queues: queues, Progress: func(moved, of int) {
		fmt.Fprintf(s.progress, "%d of %d moved\n", moved, of)
	}}
	var report redriven
	if limit > 0 {
		report.Moved, err = mover.Some(ctx, limit)
	} else {
		report.Moved, err = mover.All(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w (%d moved)", err, report.Moved)
	}
	if _, report.Left, err = queues.Dead(ctx, api); err != nil {
		return err
	}
	return s.print(report, fmt.Sprintf("%d messages moved, %d left in the dead-letter queue", report.Moved, report.Left.Visible+report.Left.InFlight))
}
