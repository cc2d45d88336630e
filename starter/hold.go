package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"healthlake-cdc/internal/cdc"
)

// held is what pause, resume and cancel print.
type held struct {
	WorkflowID string `json:"workflowId"`
	// State is "paused" or "resumed", as the range says itself, or "cancelling".
	State string `json:"state"`
}

const rangeArgument = "NAME is the range's; where a replay and a backfill have it, say replay/NAME or\nbackfill/NAME, and for a dry run its whole ID."

func newPauseCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "pause NAME",
		Short: "Pause a replay or a backfill",
		Long: `Pause lets a range start nothing new; its open slices stop before their next page.
An audit of a backfill's recent part that runs goes on to its end, for a few hours
of the span at most. Pausing a paused range changes nothing.

` + rangeArgument,
		Example: "  starter pause first-snapshot\n  starter pause replay/monday-outage",
		Args:    oneRange,
		RunE:    func(cmd *cobra.Command, args []string) error { return s.hold(cmd.Context(), args[0], true) },
	}
}

func newResumeCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:     "resume NAME",
		Short:   "Let a paused replay or backfill go on",
		Long:    "Resume lets a range go on where it was paused. Resuming one that runs changes nothing.\n\n" + rangeArgument,
		Example: "  starter resume first-snapshot",
		Args:    oneRange,
		RunE:    func(cmd *cobra.Command, args []string) error { return s.hold(cmd.Context(), args[0], false) },
	}
}

func newCancelCommand(s *session) *cobra.Command {
	var wait bool
	command := &cobra.Command{
		Use:   "cancel NAME",
		Short: "End a replay or a backfill before it is done",
		Long: `Cancel ends a range: what is being published is still finished, and it closes as
cancelled, telling how far it came. Its name stays taken; go on with another range
under another name. Cancelling one that is being cancelled changes nothing.

` + rangeArgument,
		Example: "  starter cancel first-snapshot --wait",
		Args:    oneRange,
		RunE:    func(cmd *cobra.Command, args []string) error { return s.cancel(cmd.Context(), args[0], wait) },
	}
	command.Flags().BoolVar(&wait, "wait", false, "wait until it has closed, and print how far it came")
	return command
}

func (s *session) hold(ctx context.Context, name string, hold bool) error {
	c, err := s.connectToStart(ctx)
	if err != nil {
		return err
	}
	defer c.client.Close()
	id, err := c.openRange(ctx, name)
	if err != nil {
		return err
	}
	if err := c.client.SignalWorkflow(ctx, id, "", cdc.SignalPause, hold); err != nil {
		return fmt.Errorf("signalling %s: %w", id, err)
	}
	state := "resumed"
	if hold {
		state = "paused"
	}
	if err := c.awaitHold(ctx, id, hold, state); err != nil {
		return err
	}
	return s.print(held{WorkflowID: id, State: state}, id+" is "+state)
}

// awaitHold waits until a range says itself that it is paused, or goes on.
func (c *connection) awaitHold(ctx context.Context, id string, hold bool, state string) error {
	limited, cancel := context.WithTimeout(ctx, c.signalTimeout)
	defer cancel()
	for {
		progress, err := c.ask(limited, id)
		if err == nil && progress.Range != nil && progress.Range.Paused == hold {
			return nil
		}
		if status, err := c.rangeStatus(limited, id); err == nil && !cdc.IsOpen(status) {
			return fmt.Errorf("%s has closed (%s) before it could be %s", id, status, state)
		}
		if c.pause(limited); limited.Err() != nil {
			return fmt.Errorf("%s was asked to be %s and has not answered yet: it does so when a worker runs; ask `starter status`", id, state)
		}
	}
}

func (s *session) cancel(ctx context.Context, name string, wait bool) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.client.Close()
	id, err := c.openRange(ctx, name)
	if err != nil {
		return err
	}
	if err := c.client.CancelWorkflow(ctx, id, ""); err != nil {
		return fmt.Errorf("cancelling %s: %w", id, err)
	}
	if !wait {
		return s.print(held{WorkflowID: id, State: "cancelling"}, id+" is being cancelled")
	}
	var result cdc.CaptureRangeResult
	err = c.client.GetWorkflow(ctx, id, "").Get(ctx, &result)
	if far, cancelled := c.cancelledAt(ctx, id, err); cancelled {
		return s.print(ranged{WorkflowID: id, Result: &far},
			fmt.Sprintf("%s was cancelled: %d published, %d of %d versions done", id, far.Counts.Published, far.Done, far.Total))
	}
	if err != nil {
		return waitError(ctx, id, err)
	}
	return s.print(ranged{WorkflowID: id, Result: &result}, id+" was done before it could be cancelled")
}

// rangeIDs are the workflow IDs that an operator may mean by a range's name.
func rangeIDs(name string) []string {
	if cdc.ValidName(name) {
		return []string{cdc.ReplayID(name), cdc.BackfillID(name)}
	}
	_, notReplay := cdc.ParseReplayID(name)
	_, notBackfill := cdc.ParseBackfillID(name)
	_, notDryRun := cdc.ParseDryRunID(name)
	if notReplay == nil || notBackfill == nil || notDryRun == nil {
		return []string{name}
	}
	return nil
}

// openRange finds the open range of a name.
func (c *connection) openRange(ctx context.Context, name string) (id string, err error) {
	ids := rangeIDs(name)
	if len(ids) == 0 {
		return "", fmt.Errorf("%q is not the name of a range: want a name, replay/NAME or backfill/NAME", name)
	}
	var open, closed []string
	for _, id := range ids {
		status, err := c.rangeStatus(ctx, id)
		switch {
		case err != nil:
			return "", err
		case cdc.IsOpen(status):
			open = append(open, id)
		case status != enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED:
			closed = append(closed, fmt.Sprintf("%s (%s)", id, status))
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
		return "", fmt.Errorf("there is no %s: starter status lists the open ranges", strings.Join(ids, " and no "))
	}
}

// rangeStatus is the status of an execution, UNSPECIFIED when there is none.
func (c *connection) rangeStatus(ctx context.Context, id string) (enumspb.WorkflowExecutionStatus, error) {
	described, err := c.client.DescribeWorkflow(ctx, id, "")
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED, nil
	}
	if err != nil {
		return enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED, fmt.Errorf("describing %s: %w", id, err)
	}
	return described.RawResponse.GetWorkflowExecutionInfo().GetStatus(), nil
}
