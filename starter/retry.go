package main

import (
	"context"
	"fmt"
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

func waitsText(waits []cdc.Wait) string {
	texts := make([]string, len(waits))
	for i, wait := range waits {
		texts[i] = wait.Text()
	}
	return strings.Join(texts, "; ")
}
