package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdktemporal "go.temporal.io/sdk/temporal"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/ops/status"
)

// progressEvery is how often a waiting command asks how far the work is; each
// query is billed as an action.
const progressEvery = 2 * time.Second

// rangeFlags are the flags of replay and backfill.
type rangeFlags struct {
	name, since, until, datastore string
	types                         []string
	dryRun, wait                  bool
	// openEnd is set when --until was left out: a backfill goes up to its start.
	openEnd bool
}

func (f *rangeFlags) bind(command *cobra.Command, kind string) {
	flags := command.Flags()
	flags.StringVar(&f.name, "name", "", "name of the "+kind+"; it stands in the execution's ID and in events, so no patient data")
	flags.StringVar(&f.since, "since", f.since, "beginning of the range: RFC 3339, or how long ago, as in 48h")
	flags.StringVar(&f.until, "until", f.until, "end of the range, not part of it")
	flags.StringSliceVar(&f.types, "type", nil, "only these resource types (repeat or separate by commas)")
	flags.StringVar(&f.datastore, "datastore", "", "only this one of the configured datastores")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only say what it would publish and cost, and wait for that; the name stays free")
	flags.BoolVar(&f.wait, "wait", false, "wait until it is done, showing progress")
	_ = command.MarkFlagRequired("name")
}

// span reads the range's two ends.
func (f *rangeFlags) span(now time.Time) (cdc.Span, error) {
	from, err := parseTime(f.since, now)
	if err != nil {
		return cdc.Span{}, fmt.Errorf("--since: %w", err)
	}
	to, err := parseTime(f.until, now)
	if err != nil {
		return cdc.Span{}, fmt.Errorf("--until: %w", err)
	}
	if !to.After(from) {
		return cdc.Span{}, errors.New("--until must be later than --since; 2h is two hours ago")
	}
	return cdc.Span{From: from, To: to}, nil
}

// input is what the flags say of a range.
func (f *rangeFlags) input(c *connection, span cdc.Span, now time.Time) (cdc.CaptureRangeInput, error) {
	datastores, err := selectOne(c.config.Datastores, f.datastore)
	if err != nil {
		return cdc.CaptureRangeInput{}, err
	}
	types, err := c.typesAmong(f.types)
	if err != nil {
		return cdc.CaptureRangeInput{}, err
	}
	return cdc.CaptureRangeInput{
		Name: f.name, Datastores: datastores, Types: types, Span: span, SourceTime: now.UTC(), DryRun: f.dryRun,
	}, nil
}

func (f *rangeFlags) check() error {
	if !cdc.ValidName(f.name) {
		return errors.New("--name takes 1 to 100 letters, digits, dots, hyphens and underscores, and no patient data")
	}
	return nil
}

// notConfigured is the error of a --type that is not configured, or that no resource
// type has.
func notConfigured(name string) error {
	if err := config.CheckType(name); err != nil {
		return fmt.Errorf("--type: %w", err)
	}
	return fmt.Errorf("--type %s is not one of the configured resource types: see CDC_RESOURCE_TYPES", name)
}

// typesAmong are the asked types, else all configured ones.
func (c *connection) typesAmong(asked []string) ([]string, error) {
	all := c.launcher.AllTypes()
	if len(asked) == 0 {
		return all, nil
	}
	for _, name := range asked {
		if !slices.Contains(all, name) {
			return nil, notConfigured(name)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(asked))), nil
}

// ranged is what replay and backfill print.
type ranged struct {
	WorkflowID string `json:"workflowId"`
	Started    bool   `json:"started"`
	// Joined is the range of that name that was there already.
	Joined *joined                 `json:"joined,omitempty"`
	Result *cdc.CaptureRangeResult `json:"result,omitempty"`
	// Border is where the recent part of a backfill begins.
	Border *time.Time `json:"border,omitempty"`
	Cost   *cost      `json:"cost,omitempty"`
}

// startRange starts a range, or joins the one that has the name and is the same, and
// waits for it where that was asked for.
func (s *session) startRange(ctx context.Context, c *connection, in cdc.CaptureRangeInput, f rangeFlags) error {
	id, started, err := c.launcher.Range(ctx, in)
	if err != nil {
		return err
	}
	report := ranged{WorkflowID: id, Started: started}
	if !started {
		if report.Joined, err = c.join(ctx, id, in, f.openEnd); err != nil {
			return err
		}
	} else if in.Border.Before(in.Span.To) && !in.Border.IsZero() {
		report.Border = &in.Border
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
		return fmt.Errorf("%d versions of the recent part are missing after healing: see starter status for what waits", report.Result.Missing)
	}
	if report.Result != nil && report.Result.Unknown > 0 {
		return fmt.Errorf("%d versions of the recent part were not published: the backfill was paused for so long that the ledgers are gone that say whether they were before; `starter replay` publishes them", report.Result.Unknown)
	}
	return nil
}

func (r ranged) text(in cdc.CaptureRangeInput) string {
	text := r.outcome()
	if r.Joined != nil {
		text = strings.TrimRight(r.Joined.text(r.WorkflowID)+"\n"+text, "\n")
	}
	if r.Result != nil {
		text += notFoundText(len(in.IDs), len(in.Datastores), r.Result.Counts.NotFound)
	}
	return text
}

// outcome is what is known of the range beyond that it was started or joined.
func (r ranged) outcome() string {
	switch {
	case r.Cost != nil:
		return r.Cost.text(r.WorkflowID, *r.Result)
	case r.Result != nil:
		text := fmt.Sprintf("%s is done: %d published", r.WorkflowID, r.Result.Counts.Published)
		if r.Result.Total > 0 {
			text += fmt.Sprintf(" of %d that were counted", r.Result.Total)
		}
		if c := r.Result.Counts; c.Skipped+c.GivenUp > 0 {
			text += fmt.Sprintf(", an operator gave up %d versions and %d slices or types", c.Skipped, c.GivenUp)
		}
		return text + fmt.Sprintf(", %d slices, %d searches", r.Result.Slices, r.Result.Counts.Searches)
	case r.Started:
		return r.WorkflowID + " started"
	default:
		return ""
	}
}

// notFoundText says how many of the named resources were not there to publish. Which
// ones is not said: an id is patient data.
func notFoundText(named, datastores, notFound int) string {
	switch {
	case notFound == 0:
		return ""
	case datastores > 1:
		return fmt.Sprintf("\n%d named resources were looked for in %d datastores: %d times the store did not have one, or not within the range",
			named, datastores, notFound)
	case notFound == 1:
		return fmt.Sprintf("\n1 of %d named resources is not in the store, or outside the range", named)
	default:
		return fmt.Sprintf("\n%d of %d named resources are not in the store, or outside the range", notFound, named)
	}
}

// awaitRange waits for a range, showing how far it is.
func (s *session) awaitRange(ctx context.Context, c *connection, id string) (*cdc.CaptureRangeResult, error) {
	done := make(chan error, 1)
	var result cdc.CaptureRangeResult
	go func() { done <- c.client.GetWorkflow(ctx, id, "").Get(ctx, &result) }()
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	line := &progressLine{session: s}
	for {
		select {
		case err := <-done:
			line.end()
			if far, cancelled := c.cancelledAt(ctx, id, err); cancelled {
				return nil, fmt.Errorf("%s was cancelled after %d published; it cannot go on under its name", id, far.Counts.Published)
			}
			if err != nil {
				return nil, waitError(ctx, id, err)
			}
			return &result, nil
		case <-ticker.C:
			line.show(ctx, c.client, id)
		}
	}
}

// waitError is the error of a wait for an execution. Ctrl-C ends the wait, and not the
// execution.
func waitError(ctx context.Context, id string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %s goes on by itself; `starter status` shows how far it is", id)
	}
	return fmt.Errorf("waiting for %s: %w", id, err)
}

// cancelledAt reports whether a range ended as cancelled, and how far it came: what the
// last event of its history says. The SDK's own reading of that does not work with
// payloads that are bound to their workflows, for it encodes it without saying which.
func (c *connection) cancelledAt(ctx context.Context, id string, err error) (far cdc.CaptureRangeResult, cancelled bool) {
	if !sdktemporal.IsCanceledError(err) || ctx.Err() != nil {
		return far, false
	}
	events := c.client.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return far, true
		}
		details := event.GetWorkflowExecutionCanceledEventAttributes().GetDetails()
		_ = c.temporal.Converter.FromPayloads(details, &far) // far stays zero when it cannot be decoded
	}
	return far, true
}

// progressLine shows how far a range is: on a terminal in one line that is
// refreshed, else in a line whenever it changes.
type progressLine struct {
	*session
	last string
}

// show asks and prints. A query that fails says nothing of the range, and the next
// one is soon.
func (l *progressLine) show(ctx context.Context, c client.Client, id string) {
	ctx, cancel := context.WithTimeout(ctx, 5*progressEvery)
	defer cancel()
	p, waits, err := status.Progress(ctx, c, id, time.Now())
	if err != nil || p.Range == nil {
		return
	}
	parts := []string{fmt.Sprintf("%s: %s; %d published", id, p.Range.Text(), p.Counts.Published)}
	for _, wait := range waits {
		parts = append(parts, "WAITS FOR AN OPERATOR: "+wait.Text())
	}
	text := strings.Join(parts, "; ")
	switch {
	case text == l.last:
	case l.onTerminal():
		fmt.Fprintf(l.progress, "\r%s%s", text, strings.Repeat(" ", max(0, len(l.last)-len(text))))
	default:
		fmt.Fprintln(l.progress, text)
	}
	l.last = text
}

// end ends the line, so that what follows begins on its own.
func (l *progressLine) end() {
	if l.last != "" && l.onTerminal() {
		fmt.Fprintln(l.progress)
	}
}

func (l *progressLine) onTerminal() bool {
	file, ok := l.progress.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
