package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// waitReport is what waited and is retried now, or was skipped.
type waitReport struct {
	WorkflowID string     `json:"workflowId"`
	Retried    []cdc.Wait `json:"retried,omitempty"`
	Skipped    []cdc.Wait `json:"skipped,omitempty"`
}

var oneWorkflowID = oneArgument("name one workflow ID, as `starter status` shows it")

func newRetryCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "retry WORKFLOW-ID",
		Short: "Retry now what waits for an operator",
		Long: `Retry makes an execution that waits for an operator try again now, instead of in up to
15 minutes. ` + "`starter status`" + ` shows its workflow ID.`,
		Example: "  starter retry window/0123456789abcdef0123456789abcdef/2026-11-23T15:04:00Z",
		Args:    oneWorkflowID,
		RunE:    func(cmd *cobra.Command, args []string) error { return s.retry(cmd.Context(), args[0]) },
	}
}

func newSkipCommand(s *session) *cobra.Command {
	var types []string
	var yes bool
	command := &cobra.Command{
		Use:   "skip WORKFLOW-ID [--type T] [--yes]",
		Short: "Skip for good what waits for an operator",
		Long: `Skip gives up for good on what waits in an execution. Versions that EventBridge
rejects go into the ledger as skipped, and audits state them as skipped. A type that
cannot be read is closed without a search of it; a replay or a backfill leaves it out.
A delete is not published. A rerun that cannot read the ledger of the run before puts
all that it finds into its own ledger as skipped, because it may have been published.

The workflow ID is as ` + "`starter status`" + ` shows it. Skip lists what it will skip and asks;
without a terminal it needs --yes.`,
		Example: "  starter skip window/0123456789abcdef0123456789abcdef/2026-11-23T15:04:00Z --type Claim\n" +
			"  starter skip delete/0123456789abcdef0123456789abcdef/8f14e45f-ceea-467f-a1d7-1f8a1f3f8d5c --yes",
		Args: oneWorkflowID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.skip(cmd.Context(), cmd.InOrStdin(), args[0], types, yes)
		},
	}
	bindTypes(command.Flags(), &types)
	command.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return command
}

func (s *session) retry(ctx context.Context, id string) error {
	return s.withConnection(ctx, needsWorkers, func(c *connection) error {
		before, err := c.waiting(ctx, id)
		if err != nil {
			return err
		}
		if err := c.Client.SignalWorkflow(ctx, id, "", cdc.SignalRetry, nil); err != nil {
			return fmt.Errorf("signalling %s: %w", id, err)
		}
		return s.print(waitReport{WorkflowID: id, Retried: before.Waiting}, id+" retries now: "+waitsText(before.Waiting))
	})
}

func (s *session) skip(ctx context.Context, in io.Reader, id string, types []string, yes bool) error {
	return s.withConnection(ctx, needsWorkers, func(c *connection) error {
		before, err := c.waiting(ctx, id)
		if err != nil {
			return err
		}
		waits, err := waitsOfTypes(before.Waiting, types)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		if waits = slices.DeleteFunc(waits, func(w cdc.Wait) bool { return w.Bus }); len(waits) == 0 {
			return fmt.Errorf("%s waits for the event bus: there is nothing to skip; check that the bus exists and that the workers may put events on it", id)
		}
		fmt.Fprintf(s.progress, "skip gives up for good, in %s: %s\n", id, waitsText(waits))
		if !yes {
			if err := s.confirm(ctx, in); err != nil {
				return err
			}
		}
		if err := c.skipAndWait(ctx, id, before.Counts, waits); err != nil {
			return err
		}
		return s.print(waitReport{WorkflowID: id, Skipped: waits}, "skipped in "+id+": "+waitsText(waits))
	})
}

// waiting is the progress of an execution. It is an error when nothing waits in it.
func (c *connection) waiting(ctx context.Context, id string) (none cdc.Progress, err error) {
	info, err := c.Latest(ctx, id)
	switch {
	case err != nil:
		return none, err
	case info == nil:
		return none, fmt.Errorf("no execution %s in namespace %s: `starter status` lists what waits", id, c.Namespace)
	case !cdc.IsOpen(info.GetStatus()):
		return none, fmt.Errorf("%s does not wait for an operator: it has closed", id)
	}
	progress, err := temporal.Progress(ctx, c.Client, id)
	if err == nil && len(progress.Waiting) == 0 {
		err = fmt.Errorf("%s does not wait for an operator; `starter status` lists what does", id)
	}
	return progress, err
}

func waitsOfTypes(waits []cdc.Wait, types []string) ([]cdc.Wait, error) {
	if len(types) == 0 {
		return slices.Clone(waits), nil
	}
	var chosen []cdc.Wait
	for _, name := range types {
		found := len(chosen)
		for _, wait := range waits {
			if wait.Type == name && !wait.Ledger && !wait.Bus {
				chosen = append(chosen, wait)
			}
		}
		if len(chosen) == found {
			return nil, fmt.Errorf("nothing of --type %s waits; what does: %s", name, waitsText(waits))
		}
	}
	return chosen, nil
}

func waitsText(waits []cdc.Wait) string {
	texts := make([]string, len(waits))
	for i, wait := range waits {
		texts[i] = wait.Text()
	}
	return strings.Join(texts, "; ")
}
