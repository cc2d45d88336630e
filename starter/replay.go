package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/internal/cdc"
)

// progressEvery is how often a waiting command asks how far the work is; each
// query is billed as an action.
const progressEvery = 2 * time.Second

type replayFlags struct {
	name, since, until, datastore string
	types                         []string
	wait                          bool
}

// replayed is what replay prints.
type replayed struct {
	WorkflowID string                  `json:"workflowId"`
	Started    bool                    `json:"started"`
	Result     *cdc.CaptureRangeResult `json:"result,omitempty"`
}

func newReplayCommand(s *session) *cobra.Command {
	var f replayFlags
	command := &cobra.Command{
		Use:   "replay --name NAME --since TIME --until TIME",
		Short: "Publish again what the stores hold of a range",
		Long: `Replay publishes every version that search shows of the range again, with the
same idempotency keys and meta.replay = NAME. A replay named twice runs once.
Versions that were replaced or deleted since are not in search and not replayed.`,
		Example: "  starter replay --name monday-outage --since 2026-11-23T08:00:00Z --until 2026-11-23T12:00:00Z --wait\n" +
			"  starter replay --name lab-again --since 48h --until 24h --type Observation --type DiagnosticReport",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.replay(cmd.Context(), f) },
	}
	flags := command.Flags()
	flags.StringVar(&f.name, "name", "", "name of the replay; it stands in the execution's ID and in events, so no patient data")
	flags.StringVar(&f.since, "since", "", "beginning of the range: RFC 3339, or how long ago, as in 48h")
	flags.StringVar(&f.until, "until", "", "end of the range, not part of it")
	flags.StringSliceVar(&f.types, "type", nil, "only these resource types (repeat or separate by commas)")
	flags.StringVar(&f.datastore, "datastore", "", "only this one of the configured datastores")
	flags.BoolVar(&f.wait, "wait", false, "wait until it is done, showing progress")
	for _, name := range []string{"name", "since", "until"} {
		_ = command.MarkFlagRequired(name)
	}
	return command
}

// span reads the range's two ends.
func (f replayFlags) span(now time.Time) (cdc.Span, error) {
	from, err := parseTime(f.since, now)
	if err != nil {
		return cdc.Span{}, fmt.Errorf("--since: %w", err)
	}
	to, err := parseTime(f.until, now)
	if err != nil {
		return cdc.Span{}, fmt.Errorf("--until: %w", err)
	}
	if !to.After(from) {
		return cdc.Span{}, errors.New("--until must be later than --since")
	}
	return cdc.Span{From: from, To: to}, nil
}

func (s *session) replay(ctx context.Context, f replayFlags) error {
	if !cdc.ValidName(f.name) {
		return errors.New("--name takes 1 to 100 letters, digits, dots, hyphens and underscores, and no patient data")
	}
	span, err := f.span(time.Now())
	if err != nil {
		return err
	}
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.client.Close()
	datastores, err := selectOne(c.config.Datastores, f.datastore)
	if err != nil {
		return err
	}
	types, err := c.replayTypes(f.types)
	if err != nil {
		return err
	}
	started, err := c.launcher.Replay(ctx, cdc.CaptureRangeInput{
		Name: f.name, Datastores: datastores, Types: types, Span: span, SourceTime: time.Now().UTC(),
	})
	if err != nil {
		return err
	}
	report := replayed{WorkflowID: cdc.ReplayID(f.name), Started: started}
	if f.wait {
		if report.Result, err = s.awaitRange(ctx, c.client, report.WorkflowID); err != nil {
			return err
		}
	}
	return s.print(report, report.text())
}

// replayTypes are the asked types, else all configured ones.
func (c *connection) replayTypes(asked []string) ([]string, error) {
	all := c.launcher.AllTypes()
	if len(asked) == 0 {
		return all, nil
	}
	for _, name := range asked {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("--type %s is not one of the configured resource types", name)
		}
	}
	return asked, nil
}

func (r replayed) text() string {
	switch {
	case r.Result != nil:
		return fmt.Sprintf("%s is done: %d published, %d slices, %d searches",
			r.WorkflowID, r.Result.Counts.Published, r.Result.Slices, r.Result.Counts.Searches)
	case r.Started:
		return r.WorkflowID + " started"
	default:
		return r.WorkflowID + " exists already; a replay named twice runs once"
	}
}

// awaitRange waits for a range, showing how far it is.
func (s *session) awaitRange(ctx context.Context, c client.Client, id string) (*cdc.CaptureRangeResult, error) {
	done := make(chan error, 1)
	var result cdc.CaptureRangeResult
	go func() { done <- c.GetWorkflow(ctx, id, "").Get(ctx, &result) }()
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return nil, fmt.Errorf("waiting for %s: %w", id, err)
			}
			return &result, nil
		case <-ticker.C:
			s.showProgress(ctx, c, id)
		}
	}
}

// showProgress prints how far a range is. A query that fails says nothing of the
// range, and the next one is soon.
func (s *session) showProgress(ctx context.Context, c client.Client, id string) {
	value, err := c.QueryWorkflow(ctx, id, "", cdc.QueryProgress)
	if err != nil {
		return
	}
	var p cdc.Progress
	if err := value.Get(&p); err == nil {
		fmt.Fprintf(s.progress, "%s: %d of %d types done, %d published, %d searches\n",
			id, p.Done, p.Total, p.Counts.Published, p.Counts.Searches)
	}
}
