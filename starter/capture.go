package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"healthlake-cdc/internal/cdc"
)

type captureReport struct {
	WorkflowID string `json:"workflowId"`
	// Started is false when the window was open already.
	Started   bool `json:"started"`
	Published *int `json:"published,omitempty"`
}

func newCaptureCommand(s *session) *cobra.Command {
	var at, datastore string
	var wait bool
	command := &cobra.Command{
		Use:   "capture --at TIME",
		Short: "Open the windows of a time by hand, or rerun them when they have closed or failed",
		Long: `Capture opens the window that contains TIME, for each configured datastore. A window
that has closed, failed or was terminated is rerun: the rerun makes one pass, and
publishes what was missing.`,
		Example: "  starter capture --at 2026-11-23T15:04:05Z\n  starter capture --at 10m --wait",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := time.Now()
			t, err := parseTime(at, now)
			if err != nil {
				return fmt.Errorf("--at: %w", err)
			}
			if t.After(now) {
				return errors.New("--at lies in the future: nothing was written then")
			}
			return s.capture(cmd.Context(), t, datastore, wait)
		},
	}
	command.Flags().StringVar(&at, "at", "", "a time in the window: RFC 3339, or how long ago, as in 10m")
	bindDatastore(command.Flags(), &datastore)
	command.Flags().BoolVar(&wait, "wait", false, "wait until the windows have closed")
	required(command, "at")
	return command
}

func (s *session) capture(ctx context.Context, at time.Time, datastore string, wait bool) error {
	return s.withConnection(ctx, needsWorkers, func(c *connection) error {
		datastores, err := c.datastores(datastore)
		if err != nil {
			return err
		}
		var all []captureReport
		for _, id := range datastores {
			workflowID, started, err := c.launcher.Capture(ctx, cdc.WindowAt(id, at), cdc.Cause{SourceTime: at, CapturedBy: cdc.ByOperator})
			if err != nil {
				return printDone(s, all, capturedText(all), err)
			}
			all = append(all, captureReport{WorkflowID: workflowID, Started: started})
		}
		for i := range all {
			if !wait {
				break
			}
			var result cdc.CaptureWindowResult
			fmt.Fprintf(s.progress, "waiting for %s to close\n", all[i].WorkflowID)
			if err := c.Client.GetWorkflow(ctx, all[i].WorkflowID, "").Get(ctx, &result); err != nil {
				return waitError(ctx, all[i].WorkflowID, err)
			}
			all[i].Published = &result.Counts.Published
		}
		return s.print(all, capturedText(all))
	})
}

func capturedText(all []captureReport) string {
	lines := make([]string, len(all))
	for i, one := range all {
		switch {
		case one.Published != nil:
			lines[i] = fmt.Sprintf("%s has closed, %d published", one.WorkflowID, *one.Published)
		case one.Started:
			lines[i] = one.WorkflowID + " started"
		default:
			lines[i] = one.WorkflowID + " is open already"
		}
	}
	return strings.Join(lines, "\n")
}
