package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/internal/cdc"
)

type auditFlags struct {
	since, until, datastore string
	types                   []string
	wait                    bool
}

// auditReport is what audit prints of a datastore.
type auditReport struct {
	WorkflowID string `json:"workflowId"`
	// Started is false when an audit of the same span ran already: it was joined.
	Started bool `json:"started"`
	// Result is that of an audit that was waited for.
	Result *cdc.AuditResult `json:"result,omitempty"`
}

func newAuditCommand(s *session) *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:   "audit --since TIME --until TIME",
		Short: "Compare what the stores hold of a span with what was published, and heal it",
		Long: `Audit asks the stores what they hold of the span, however young it is, compares
it with the ledgers of the span's windows, runs the windows that miss something,
and publishes a statement for each type. The span is widened to windows' edges.
With --wait it prints the statements in which there is anything, and exits with an
error when something is missing after healing, is not published yet, or is not
known. Windows that are open are waited for, some minutes at most; what they have
published already counts.

An audit of the same span that is running is joined when it is of all the types that
are asked for, and is an error when it is not; one that has finished runs again. What is older than the audit's horizon
cannot be audited, for its ledgers are gone: replay it.`,
		Example: "  starter audit --since 2026-11-23T08:00:00Z --until 2026-11-23T12:00:00Z --wait\n" +
			"  starter audit --since 2h --until 30m --type Observation --wait --json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.audit(cmd.Context(), f) },
	}
	flags := command.Flags()
	flags.StringVar(&f.since, "since", "", "beginning of the span: RFC 3339, or how long ago, as in 2h")
	flags.StringVar(&f.until, "until", "", "end of the span, not part of it")
	flags.StringSliceVar(&f.types, "type", nil, "only these resource types (repeat or separate by commas)")
	flags.StringVar(&f.datastore, "datastore", "", "only this one of the configured datastores")
	flags.BoolVar(&f.wait, "wait", false, "wait until it is done, showing progress, and print the statements")
	for _, name := range []string{"since", "until"} {
		_ = command.MarkFlagRequired(name)
	}
	return command
}

func (s *session) audit(ctx context.Context, f auditFlags) error {
	now := time.Now()
	ends := rangeFlags{since: f.since, until: f.until}
	span, err := ends.span(now)
	if err != nil {
		return err
	}
	if span.To.After(now) {
		return errors.New("--until lies in the future: nothing was written then")
	}
	c, err := s.connectToStart(ctx)
	if err != nil {
		return err
	}
	defer c.client.Close()
	datastores, err := selectOne(c.config.Datastores, f.datastore)
	if err != nil {
		return err
	}
	horizon, err := c.withinHorizon(ctx, span, now)
	if err != nil {
		return err
	}
	reports, err := c.startAudits(ctx, datastores, f.types, span, horizon, now)
	if err != nil && len(reports) > 0 {
		return errors.Join(s.print(reports, auditText(reports)), err) // those go on
	}
	if err != nil {
		return err
	}
	if f.wait {
		for i := range reports {
			if reports[i].Result, err = s.awaitAudit(ctx, c.client, reports[i].WorkflowID); err != nil {
				return err
			}
		}
	}
	if err := s.print(reports, auditText(reports)); err != nil {
		return err
	}
	return unresolved(reports)
}

// startAudits starts the audit of each datastore, or joins the one that runs. Beside an
// error it returns those that were started before.
func (c *connection) startAudits(ctx context.Context, datastores, asked []string, span cdc.Span, horizon time.Duration, now time.Time) ([]auditReport, error) {
	types := make(map[string][]string)
	var err error
	for _, datastore := range datastores {
		if types[datastore], err = typesOf(c.types[datastore], asked); err != nil {
			return nil, err
		}
	}
	var reports []auditReport
	for _, datastore := range datastores {
		id, started, err := c.launcher.Audit(ctx, cdc.AuditInput{
			Datastore: datastore, Types: types[datastore], Span: &span, Versions: c.config.Versions,
			CapturedBy: cdc.ByAudit, SourceTime: now.UTC(), Horizon: horizon,
		})
		if err != nil {
			return reports, err
		}
		if !started {
			running, err := c.launcher.ExistingAudit(ctx, id, c.temporal.Converter)
			if err == nil {
				err = auditsAll(id, running.Types, types[datastore])
			}
			if err != nil {
				return reports, err
			}
		}
		reports = append(reports, auditReport{WorkflowID: id, Started: started})
	}
	return reports, nil
}

// auditsAll makes sure that a running audit, which is joined, is of everything that is
// asked for.
func auditsAll(id string, running, asked []string) error {
	var lacking []string
	for _, name := range asked {
		if !slices.Contains(running, name) {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	return fmt.Errorf("%s is running already, without %s: wait until it is done, as `starter status` shows, and start it again", id, strings.Join(lacking, ", "))
}

// withinHorizon returns the audit's horizon, and refuses a time range whose ledgers
// may be gone: what they held would not be known.
func (c *connection) withinHorizon(ctx context.Context, span cdc.Span, now time.Time) (horizon time.Duration, err error) {
	kept, err := c.retention(ctx)
	if err != nil {
		return 0, err
	}
	if err := c.config.CheckHorizon(kept); err != nil {
		return 0, err
	}
	horizon = c.config.Horizon(kept)
	if edge := now.Add(-horizon); span.From.Before(edge) {
		return 0, fmt.Errorf("--since is older than the audit's horizon (%s): the ledgers of that time are gone; `starter replay` publishes it again",
			edge.UTC().Format(time.RFC3339))
	}
	return horizon, nil
}

// typesOf are the asked types, each of which must be configured, else all.
func typesOf(configured, asked []string) ([]string, error) {
	if len(asked) == 0 {
		return configured, nil
	}
	for _, name := range asked {
		if !slices.Contains(configured, name) {
			return nil, notConfigured(name)
		}
	}
	return asked, nil
}

// awaitAudit waits for an audit, showing how far it is.
func (s *session) awaitAudit(ctx context.Context, c client.Client, id string) (*cdc.AuditResult, error) {
	done := make(chan error, 1)
	var result cdc.AuditResult
	go func() { done <- c.GetWorkflow(ctx, id, "").Get(ctx, &result) }()
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return nil, waitError(ctx, id, err)
			}
			return &result, nil
		case <-ticker.C:
			value, err := c.QueryWorkflow(ctx, id, "", cdc.QueryProgress)
			var p cdc.Progress
			if err == nil && value.Get(&p) == nil { // a query that fails says nothing of the audit
				fmt.Fprintf(s.progress, "%s: %d of %d spans, %d healed, %d searches\n",
					id, p.Done, p.Total, p.Counts.Published, p.Counts.Searches)
			}
		}
	}
}

// unresolved is the error of audits after which something is missing, not published
// yet, or not known.
func unresolved(reports []auditReport) error {
	missing, spans := 0, 0
	for _, r := range reports {
		if r.Result != nil {
			missing += r.Result.Totals.Missing
			spans += len(r.Result.Unresolved)
		}
	}
	switch {
	case missing > 0:
		return fmt.Errorf("%d versions are missing after healing", missing)
	case spans > 0:
		return fmt.Errorf("%d time ranges are not complete: audit them again when what they wait for is over", spans)
	default:
		return nil
	}
}

func auditText(reports []auditReport) string {
	var b strings.Builder
	for _, r := range reports {
		switch {
		case r.Result != nil:
			r.table(&b)
		case r.Started:
			b.WriteString(r.WorkflowID + " started\n")
		default:
			b.WriteString(r.WorkflowID + " runs already\n")
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

func (r auditReport) table(b *strings.Builder) {
	t := r.Result.Totals
	fmt.Fprintf(b, "%s is done: %d spans, %d in the store, %d published (%d healed by %d windows), %d missing, %d open, %d skipped, %d superseded\n",
		r.WorkflowID, t.Spans, t.InStore, t.Published, t.Healed, t.Windows, t.Missing, t.Open, t.Skipped, t.Superseded)
	if t.Deletes.Any() {
		fmt.Fprintf(b, "deletes: %d exact and %d unresolved published, %d not published because the store shows the resource alive\n",
			t.Deletes.Exact, t.Deletes.Unresolved, t.Deletes.Contradicted)
	}
	if t.Unreadable > 0 {
		fmt.Fprintf(b, "%d entries that the store shows are no readable version (no id, version or time) and cannot be published\n", t.Unreadable)
	}
	if t.Unknown > 0 {
		fmt.Fprintf(b, "%d versions are in no figure: the ledgers that say whether they were published are older than the horizon or cannot be read; `starter replay` publishes them again\n", t.Unknown)
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	if len(r.Result.Statements) > 0 {
		fmt.Fprintln(w, "type\tfrom\tto\tin store\tpublished\thealed\tmissing\topen\tskipped\tsuperseded\tunreadable\tdeletes\tcontradicted")
	}
	for _, s := range r.Result.Statements {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", s.ResourceType, s.From.UTC().Format(time.RFC3339),
			s.To.UTC().Format(time.RFC3339), s.InStore, s.Published, s.Healed, s.Missing, s.Open, s.Skipped, s.Superseded, s.Unreadable,
			s.Deletes.Exact+s.Deletes.Unresolved, s.Deletes.Contradicted)
	}
	_ = w.Flush() // into memory
	if r.Result.StatementsOmitted > 0 {
		fmt.Fprintf(b, "and %d more statements, which are on the bus\n", r.Result.StatementsOmitted)
	}
	for _, u := range r.Result.Unresolved {
		for _, one := range u.Types {
			fmt.Fprintf(b, "not complete: %s from %s to %s: %s", one.Type, u.Span.From.UTC().Format(time.RFC3339), u.Span.To.UTC().Format(time.RFC3339), one.Reason)
			if one.Class != "" {
				fmt.Fprintf(b, " (%s)", one.Class)
			}
			for _, figure := range []struct {
				n    int
				name string
			}{{one.Missing, "missing"}, {one.Open, "not published yet"}, {one.Unknown, "not known"}} {
				if figure.n > 0 {
					fmt.Fprintf(b, ", %d %s", figure.n, figure.name)
				}
			}
			b.WriteString("\n")
		}
	}
}
