package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"healthlake-cdc/internal/queue"
)

type redriveReport struct {
	Moved int `json:"moved"`
	// Remaining is how many messages the dead-letter queue then has, as SQS estimates.
	Remaining queue.Depth `json:"remaining"`
}

func newRedriveCommand(s *session) *cobra.Command {
	var limit int
	command := &cobra.Command{
		Use:   "redrive [--max N]",
		Short: "Move messages from the dead-letter queue back to the trigger queue",
		Long: `Redrive moves messages from the dead-letter queue of CDC_QUEUE_URL back to it. None is
lost; one that is still malformed returns to the dead-letter queue.`,
		Example: "  starter redrive --max 10\n  starter redrive",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("max") && limit < 1 {
				return errors.New("--max must be 1 or more; leave it out to move all messages")
			}
			return s.redrive(cmd.Context(), limit)
		},
	}
	command.Flags().IntVar(&limit, "max", 0, "move at most this many messages; all when left out")
	return command
}

func (s *session) redrive(ctx context.Context, limit int) error {
	return s.withConnection(ctx, needsSettings, func(c *connection) error {
		awsConfig, err := c.config.AWS(ctx)
		if err != nil {
			return err
		}
		api := sqs.NewFromConfig(awsConfig)
		mover, err := queue.NewMover(ctx, api, c.config.QueueURL, func(moved, of int) {
			fmt.Fprintf(s.progress, "%d of %d moved\n", moved, of)
		})
		if err != nil {
			return err
		}
		var report redriveReport
		if limit > 0 {
			report.Moved, err = mover.Some(ctx, limit)
		} else {
			report.Moved, err = mover.All(ctx)
		}
		if err != nil {
			return fmt.Errorf("%w (%d moved)", err, report.Moved)
		}
		dead, err := mover.Queue.DeadLetters(ctx, api)
		if err != nil {
			return err
		}
		report.Remaining = dead.Depth
		return s.print(report, fmt.Sprintf("%d messages moved, %d remain in the dead-letter queue",
			report.Moved, report.Remaining.Visible+report.Remaining.InFlight))
	})
}
