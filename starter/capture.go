package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"healthlake-cdc/internal/cdc"
)

// captured is what capture prints of a window.
type captured struct {
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
		Short: "Open the windows of a time by hand; a closed or failed one is rerun",
		Long: `Capture opens the window in which TIME lies, for each configured datastore. A
window that is open is left alone. One that has closed, failed or was terminated is
rerun: the rerun reads the ledger of the run before, from its history where it did
not complete, makes one pass, and publishes what was missing.`,
		Example: "  starter capture --at 2026-11-23T15:04:05Z\n  starter capture --at 10m --wait",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.capture(cmd, at, datastore, wait)
		},
	}
	command.Flags().StringVar(&at, "at", "", "a time in the window: RFC 3339, or how long ago, as in 10m")
	command.Flags().StringVar(&datastore, "datastore", "", "only this one of the configured datastores")
	command.Flags().BoolVar(&wait, "wait", false, "wait until the windows have closed")
	_ = command.MarkFlagRequired("at")
	return command
}

func (s *session) capture(cmd *cobra.Command, at, datastore string, wait bool) error {
	ctx := cmd.Context()
	now := time.Now()
	t, err := parseTime(at, now)
	if err != nil {
		return fmt.Errorf("--at: %w", err)
	}
	if t.After(now) {
		return errors.New("--at lies in the future: nothing was written then")
	}
	c, err := s.connectToStart(ctx)
	if err != nil {
		return err
	}
	defer c.client.Close()
	datastores, err := selectOne(c.config.Datastores, datastore)
	if err != nil {
		return err
	}
	var all []captured
	for _, id := range datastores {
		window := cdc.WindowAt(id, t)
		workflowID, started, err := c.launcher.Capture(ctx, window, cdc.Cause{Time: t, By: cdc.ByOperator})
		if err != nil && len(all) > 0 {
			return errors.Join(s.print(all, capturedText(all)), err) // those were opened
		}
		if err != nil {
			return err
		}
		all = append(all, captured{WorkflowID: workflowID, Started: started})
	}
	if wait {
		for i := range all {
			var result cdc.CaptureWindowResult
			fmt.Fprintf(s.progress, "waiting for %s to close\n", all[i].WorkflowID)
			if err := c.client.GetWorkflow(ctx, all[i].WorkflowID, "").Get(ctx, &result); err != nil {
				return waitError(ctx, all[i].WorkflowID, err)
			}
			all[i].Published = &result.Counts.Published
		}
	}
	return s.print(all, capturedText(all))
}

func capturedText(all []captured) string {
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

// selectOne returns all, or just the chosen one.
func selectOne(all []string, chosen string) ([]string, error) {
	if chosen == "" {
		return all, nil
	}
	if !slices.Contains(all, chosen) {
		return nil, fmt.Errorf("datastore %q is not configured: see CDC_DATASTORES", chosen)
	}
	return []string{chosen}, nil
}

// parseTime reads a time: RFC 3339, or a duration that says how long ago.
func parseTime(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UTC(), nil
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return time.Time{}, fmt.Errorf("%q is neither a time like 2026-11-23T15:04:05Z nor how long ago, like 10m", text)
	}
	return now.Add(-ago).UTC(), nil
}
