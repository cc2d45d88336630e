package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	sdktemporal "go.temporal.io/sdk/temporal"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/ops/status"
)

type rangeFlags struct {
	timeRange
	name, datastore string
	types           []string
	dryRun, wait    bool
	// openEnd is set when --until was left out: a backfill goes up to its start.
	openEnd bool
}

func (f *rangeFlags) bind(command *cobra.Command, kind string) {
	flags := command.Flags()
	flags.StringVar(&f.name, "name", "", "name of the "+kind+"; it is in the workflow ID and in events, so no patient data")
	f.timeRange.bind(flags)
	bindTypes(flags, &f.types)
	bindDatastore(flags, &f.datastore)
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what it would publish and cost, and publish nothing; the name stays free")
	flags.BoolVar(&f.wait, "wait", false, "wait until it is done, and show progress")
	required(command, "name")
}

func (f *rangeFlags) check() error {
	if !cdc.ValidName(f.name) {
		return errors.New("--name must have 1 to 100 letters, digits, dots, hyphens and underscores, and no patient data")
	}
	return nil
}

func (f *rangeFlags) input(c *connection, span cdc.Span, now time.Time) (cdc.CaptureRangeInput, error) {
	datastores, err := c.datastores(f.datastore)
	if err != nil {
		return cdc.CaptureRangeInput{}, err
	}
	types, err := chooseTypes(c.launcher.AllTypes(), f.types)
	if err != nil {
		return cdc.CaptureRangeInput{}, err
	}
	return cdc.CaptureRangeInput{
		Name: f.name, Datastores: datastores, Types: types, Span: span, SourceTime: now.UTC(), DryRun: f.dryRun,
	}, nil
}

type rangeReport struct {
	WorkflowID string                  `json:"workflowId"`
	Started    bool                    `json:"started"`
	Joined     *joinedRange            `json:"joined,omitempty"`
	Result     *cdc.CaptureRangeResult `json:"result,omitempty"`
	Cost       *cost                   `json:"cost,omitempty"`
}

// startRange starts a replay or backfill, or joins the one of that name when it is the
// same.
func (s *session) startRange(ctx context.Context, c *connection, in cdc.CaptureRangeInput, f rangeFlags) error {
	id, started, err := c.launcher.Range(ctx, in)
	if err != nil {
		return err
	}
	report := rangeReport{WorkflowID: id, Started: started}
	if !started {
		if report.Joined, err = c.join(ctx, id, in, f.openEnd); err != nil {
			return err
		}
	}
	if f.wait || in.DryRun {
		if report.Result, err = s.awaitRange(ctx, c, id); err != nil {
			return err
		}
	}
	if in.DryRun {
		report.Cost = estimate(*report.Result)
	}
	if err := s.print(report, report.text(in)); err != nil {
		return err
	}
	if report.Result != nil && report.Result.Missing > 0 {
		return fmt.Errorf("%d versions of the recent part are missing after healing: `starter status` shows what waits", report.Result.Missing)
	}
	if report.Result != nil && report.Result.Unknown > 0 {
		return fmt.Errorf("%d versions of the recent part were not published: the backfill was paused for so long that the ledgers that say whether they were published before are gone; `starter replay` publishes them", report.Result.Unknown)
	}
	return nil
}

func (r rangeReport) text(in cdc.CaptureRangeInput) string {
	var lines []string
	if r.Joined != nil {
		lines = append(lines, r.Joined.text(r.WorkflowID))
	}
	switch {
	case r.Cost != nil:
		lines = append(lines, r.Cost.text(r.WorkflowID, *r.Result))
	case r.Result != nil:
		lines = append(lines, doneText(r.WorkflowID, *r.Result))
	case r.Started:
		lines = append(lines, r.WorkflowID+" started")
	}
	if r.Result != nil && r.Result.Counts.NotFound > 0 { // not which ones: an id is patient data
		lines = append(lines, fmt.Sprintf("not in the store, or outside the time range: %d of %d named resources",
			r.Result.Counts.NotFound, len(in.IDs)*len(in.Datastores)))
	}
	return strings.Join(lines, "\n")
}

func doneText(id string, r cdc.CaptureRangeResult) string {
	text := fmt.Sprintf("%s is done: %d published", id, r.Counts.Published)
	if r.Total > 0 {
		text += fmt.Sprintf(" of %d counted", r.Total)
	}
	if r.Counts.Skipped+r.Counts.SkippedTypes > 0 {
		text += fmt.Sprintf(", an operator skipped %d versions and %d slices or types", r.Counts.Skipped, r.Counts.SkippedTypes)
	}
	return text + fmt.Sprintf(", %d slices, %d searches", r.Slices, r.Counts.Searches)
}

// dollarsPerEvent is EventBridge's list price of $1 for a million custom events of up to
// 64 KB each.
const dollarsPerEvent = 1.0 / 1e6

type cost struct {
	EventBridge float64 `json:"eventBridgeDollars"`
	Temporal    float64 `json:"temporalDollars"`
	Total       float64 `json:"totalDollars"`
}

func estimate(r cdc.CaptureRangeResult) *cost {
	c := &cost{
		EventBridge: float64(r.Counts.Events) * dollarsPerEvent,
		Temporal:    float64(r.Actions) * status.DollarsPerAction,
	}
	c.Total = c.EventBridge + c.Temporal
	return c
}

func (c cost) text(id string, r cdc.CaptureRangeResult) string {
	return fmt.Sprintf(`%s: nothing was published
versions    %d, %d of them as references
bytes       %d of resources
events      %d of up to 64 KB each, as EventBridge bills them: about $%.4f
actions     about %d of Temporal: about $%.4f
total       about $%.4f at list prices`,
		id, r.Counts.Published, r.Counts.References, r.Counts.Bytes,
		r.Counts.Events, c.EventBridge, r.Actions, c.Temporal, c.Total)
}

func (s *session) awaitRange(ctx context.Context, c *connection, id string) (*cdc.CaptureRangeResult, error) {
	var result cdc.CaptureRangeResult
	err := s.await(ctx, c, id, &result)
	if partial, cancelled := c.cancelledAt(ctx, id, err); cancelled {
		return nil, fmt.Errorf("%s was cancelled after %d published; it cannot be resumed: start another one under another name", id, partial.Counts.Published)
	}
	return &result, err
}

// cancelledAt reports whether a replay or backfill ended as cancelled, and what it had
// published by then, which is in the last event of its history. The SDK cannot decode it
// when payloads are bound to their workflows: it does not say which workflow it is.
func (c *connection) cancelledAt(ctx context.Context, id string, err error) (partial cdc.CaptureRangeResult, cancelled bool) {
	if !sdktemporal.IsCanceledError(err) || ctx.Err() != nil {
		return partial, false
	}
	events := c.Client.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return partial, true
		}
		details := event.GetWorkflowExecutionCanceledEventAttributes().GetDetails()
		_ = c.Data.FromPayloads(details, &partial) // zero when it cannot be decoded
	}
	return partial, true
}
