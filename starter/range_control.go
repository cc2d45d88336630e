package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

type controlReport struct {
	WorkflowID string `json:"workflowId"`
	// State is "paused" or "resumed", as the execution itself says, or "cancelling".
	State string `json:"state"`
}

const rangeArgument = `

NAME is the name of a replay or a backfill. Where both have it, say replay/NAME or
backfill/NAME; for a dry run give its whole workflow ID.`

var oneRange = oneArgument("name one replay or backfill: NAME, replay/NAME or backfill/NAME")

func newPauseCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "pause NAME",
		Short: "Pause a replay or a backfill",
		Long: `Pause stops a replay or a backfill from starting anything new; its open slices stop
before their next page. An audit of a backfill's recent part that is running continues.` + rangeArgument,
		Example: "  starter pause first-snapshot\n  starter pause replay/monday-outage",
		Args:    oneRange,
		RunE:    func(cmd *cobra.Command, args []string) error { return s.pause(cmd.Context(), args[0], true) },
	}
}

func newResumeCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:     "resume NAME",
		Short:   "Resume a paused replay or backfill",
		Long:    "Resume continues a replay or a backfill where it was paused." + rangeArgument,
		Example: "  starter resume first-snapshot",
		Args:    oneRange,
		RunE:    func(cmd *cobra.Command, args []string) error { return s.pause(cmd.Context(), args[0], false) },
	}
}

func newCancelCommand(s *session) *cobra.Command {
	var wait bool
	command := &cobra.Command{
		Use:   "cancel NAME",
		Short: "End a replay or a backfill before it is done",
		Long: `Cancel ends a replay or a backfill: it finishes what is being published and closes as
cancelled. Its name stays in use; to continue, start another one under another name.` + rangeArgument,
		Example: "  starter cancel first-snapshot --wait",
		Args:    oneRange,
		RunE:    func(cmd *cobra.Command, args []string) error { return s.cancel(cmd.Context(), args[0], wait) },
	}
	command.Flags().BoolVar(&wait, "wait", false, "wait until it has closed, and print what it published")
	return command
}

func (s *session) pause(ctx context.Context, name string, pause bool) error {
	state := "resumed"
	if pause {
		state = "paused"
	}
	return s.withConnection(ctx, needsWorkers, func(c *connection) error {
		id, err := c.openRange(ctx, name)
		if err != nil {
			return err
		}
		if err := c.Client.SignalWorkflow(ctx, id, "", cdc.SignalPause, pause); err != nil {
			return fmt.Errorf("signalling %s: %w", id, err)
		}
		if err := c.awaitPaused(ctx, id, pause, state); err != nil {
			return err
		}
		return s.print(controlReport{WorkflowID: id, State: state}, id+" is "+state)
	})
}

// awaitPaused waits until the execution itself says that it is paused, or not any more.
func (c *connection) awaitPaused(ctx context.Context, id string, paused bool, state string) error {
	limited, cancel := context.WithTimeout(ctx, signalTimeout)
	defer cancel()
	for {
		progress, err := temporal.Progress(limited, c.Client, id)
		if err == nil && progress.Range != nil && progress.Range.Paused == paused {
			return nil
		}
		if info, err := c.Latest(limited, id); err == nil && !cdc.IsOpen(info.GetStatus()) {
			return fmt.Errorf("%s has closed (%s) before it could be %s", id, info.GetStatus(), state)
		}
		if sleep(limited, queryEvery); limited.Err() != nil {
			return fmt.Errorf("%s has not confirmed yet that it is %s: it does when a worker runs; check `starter status`", id, state)
		}
	}
}

func (s *session) cancel(ctx context.Context, name string, wait bool) error {
	return s.withConnection(ctx, needsTemporal, func(c *connection) error {
		id, err := c.openRange(ctx, name)
		if err != nil {
			return err
		}
		if err := c.Client.CancelWorkflow(ctx, id, ""); err != nil {
			return fmt.Errorf("cancelling %s: %w", id, err)
		}
		if !wait {
			return s.print(controlReport{WorkflowID: id, State: "cancelling"}, id+" is being cancelled")
		}
		var result cdc.CaptureRangeResult
		err = c.Client.GetWorkflow(ctx, id, "").Get(ctx, &result)
		if partial, cancelled := c.cancelledAt(ctx, id, err); cancelled {
			return s.print(rangeReport{WorkflowID: id, Result: &partial},
				fmt.Sprintf("%s was cancelled: %d published, %d of %d versions done", id, partial.Counts.Published, partial.Done, partial.Total))
		}
		if err != nil {
			return waitError(ctx, id, err)
		}
		return s.print(rangeReport{WorkflowID: id, Result: &result}, id+" was done before it could be cancelled")
	})
}

// rangeIDs are the workflow IDs that an operator may mean by a name.
func rangeIDs(name string) []string {
	if cdc.ValidName(name) {
		return []string{cdc.ReplayID(name), cdc.BackfillID(name)}
	}
	if _, _, err := cdc.ParseRangeID(strings.TrimPrefix(name, cdc.DryRunID(""))); err != nil {
		return nil
	}
	return []string{name}
}

// openRange finds the open replay or backfill of a name.
func (c *connection) openRange(ctx context.Context, name string) (id string, err error) {
	ids := rangeIDs(name)
	if len(ids) == 0 {
		return "", fmt.Errorf("%q does not name a replay or a backfill: give NAME, replay/NAME or backfill/NAME", name)
	}
	var open, closed []string
	for _, id := range ids {
		info, err := c.Latest(ctx, id)
		switch {
		case err != nil:
			return "", err
		case info == nil:
		case cdc.IsOpen(info.GetStatus()):
			open = append(open, id)
		default:
			closed = append(closed, fmt.Sprintf("%s (%s)", id, info.GetStatus()))
		}
	}
	switch {
	case len(open) == 1:
		return open[0], nil
	case len(open) > 1:
		return "", fmt.Errorf("which one: %s?", strings.Join(open, " or "))
	case len(closed) > 0:
		return "", fmt.Errorf("it has closed already: %s", strings.Join(closed, ", "))
	default:
		return "", fmt.Errorf("there is no %s: `starter status` lists the open ones", strings.Join(ids, " and no "))
	}
}
