package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

type auditFlags struct {
	timeRange
	datastore string
	types     []string
	wait      bool
}

type auditReport struct {
	WorkflowID string `json:"workflowId"`
	// Started is false when the audit was running already: it was joined.
	Started bool            `json:"started"`
	Result  *cdc.AuditState `json:"result,omitempty"` // with --wait
}

func newAuditCommand(s *session) *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:   "audit --since TIME --until TIME",
		Short: "Compare what the stores hold of a time range with what was published, and heal it",
		Long: `Audit compares what the stores hold of the time range with the ledgers of its windows,
runs the windows that miss something, and publishes a statement for each type. It joins
an audit of the same time range that is running.

With --wait it prints the statements that have any versions, and fails when something
is missing after healing, is not published yet, or is not known. A time range older than
the audit's horizon has no ledgers any more: replay it.`,
		Example: "  starter audit --since 2026-11-23T08:00:00Z --until 2026-11-23T12:00:00Z --wait\n" +
			"  starter audit --since 2h --until 30m --type Observation --wait --json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.audit(cmd.Context(), f) },
	}
	flags := command.Flags()
	f.bind(flags)
	bindTypes(flags, &f.types)
	bindDatastore(flags, &f.datastore)
	flags.BoolVar(&f.wait, "wait", false, "wait until it is done, show progress, and print the statements")
	required(command, "since", "until")
	return command
}

func (s *session) audit(ctx context.Context, f auditFlags) error {
	now := time.Now()
	span, err := f.span(now)
	if err != nil {
		return err
	}
	if span.To.After(now) {
		return errors.New("--until lies in the future: nothing was written then")
	}
	return s.withConnection(ctx, needsWorkers, func(c *connection) error {
		datastores, err := c.datastores(f.datastore)
		if err != nil {
			return err
		}
		horizon, err := c.horizon(ctx)
		if err != nil {
			return err
		}
		if edge := now.Add(-horizon); span.From.Before(edge) {
			return fmt.Errorf("--since is older than the audit's horizon (%s): the ledgers of that time are gone; `starter replay` publishes it again",
				edge.UTC().Format(time.RFC3339))
		}
		reports, err := c.startAudits(ctx, datastores, f.types, cdc.AuditInput{
			Span: &span, Versions: c.config.Versions, Cause: cdc.Cause{CapturedBy: cdc.ByAudit, SourceTime: now.UTC()}, Horizon: horizon,
		})
		if err != nil {
			return printDone(s, reports, auditText(reports), err)
		}
		if f.wait {
			for i := range reports {
				reports[i].Result = &cdc.AuditState{}
				if err := s.await(ctx, c, reports[i].WorkflowID, reports[i].Result); err != nil {
					return err
				}
			}
		}
		if err := s.print(reports, auditText(reports)); err != nil {
			return err
		}
		return incomplete(reports)
	})
}

// startAudits starts the audit of each datastore, or joins the one that is running.
// Beside an error it returns those that were started before.
func (c *connection) startAudits(ctx context.Context, datastores, asked []string, in cdc.AuditInput) (reports []auditReport, err error) {
	types := make(map[string][]string)
	for _, datastore := range datastores {
		if types[datastore], err = chooseTypes(c.types[datastore], asked); err != nil {
			return nil, err
		}
	}
	for _, datastore := range datastores {
		in.Datastore, in.Types = datastore, types[datastore]
		id, started, err := c.launcher.Audit(ctx, in)
		if err != nil {
			return reports, err
		}
		if !started {
			var running cdc.AuditInput
			err := c.Input(ctx, id, "", &running)
			if err == nil {
				err = checkJoinedAudit(id, running.Types, in.Types)
			}
			if err != nil {
				return reports, err
			}
		}
		reports = append(reports, auditReport{WorkflowID: id, Started: started})
	}
	return reports, nil
}

func checkJoinedAudit(id string, running, asked []string) error {
	lacking := temporal.Lacking(asked, running)
	if len(lacking) == 0 {
		return nil
	}
	return fmt.Errorf("%s is running already, without %s: wait until it is done, as `starter status` shows, and start it again", id, strings.Join(lacking, ", "))
}

// incomplete is the error when not all is published.
func incomplete(reports []auditReport) error {
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
			r.writeResult(&b)
		case r.Started:
			b.WriteString(r.WorkflowID + " started\n")
		default:
			b.WriteString(r.WorkflowID + " is running already\n")
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

func (r auditReport) writeResult(b *strings.Builder) {
	t := r.Result.Totals
	fmt.Fprintf(b, "%s is done: %d time ranges, %d in the store, %d published (%d healed by %d windows), %d missing, %d open, %d skipped, %d superseded\n",
		r.WorkflowID, t.Spans, t.InStore, t.Published, t.Healed, t.Windows, t.Missing, t.Open, t.Skipped, t.Superseded)
	if t.Deletes != (cdc.DeleteCounts{}) {
		fmt.Fprintf(b, "deletes: %d exact and %d unresolved published, %d not published because the resource exists in the store\n",
			t.Deletes.Exact, t.Deletes.Unresolved, t.Deletes.Contradicted)
	}
	if t.Unreadable > 0 {
		fmt.Fprintf(b, "%d entries in the store have no readable id, version or time and cannot be published\n", t.Unreadable)
	}
	if t.Unknown > 0 {
		fmt.Fprintf(b, "%d versions are not counted: the ledgers that say whether they were published are older than the horizon or cannot be read; `starter replay` publishes them again\n", t.Unknown)
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	if len(r.Result.Statements) > 0 {
		fmt.Fprintln(w, "type\tfrom\tto\tin store\tpublished\thealed\tmissing\topen\tskipped\tsuperseded\tunreadable\tdeletes\tcontradicted")
	}
	for _, s := range r.Result.Statements {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", s.ResourceType, stamp(s.From), stamp(s.To),
			s.InStore, s.Published, s.Healed, s.Missing, s.Open, s.Skipped, s.Superseded, s.Unreadable,
			s.Deletes.Exact+s.Deletes.Unresolved, s.Deletes.Contradicted)
	}
	_ = w.Flush() // into memory
	if r.Result.StatementsOmitted > 0 {
		fmt.Fprintf(b, "and %d more statements, which are on the bus\n", r.Result.StatementsOmitted)
	}
	for _, u := range r.Result.Unresolved {
		for _, one := range u.Types {
			fmt.Fprintln(b, unresolvedText(u.Span, one))
		}
	}
}

func unresolvedText(span cdc.Span, u cdc.UnresolvedType) string {
	text := fmt.Sprintf("not complete: %s from %s to %s: %s", u.Type, stamp(span.From), stamp(span.To), u.Reason)
	if u.Class != "" {
		text += fmt.Sprintf(" (%s)", u.Class)
	}
	figure := func(n int, name string) {
		if n > 0 {
			text += fmt.Sprintf(", %d %s", n, name)
		}
	}
	figure(u.Missing, "missing")
	figure(u.Open, "not published yet")
	figure(u.Unknown, "not known")
	return text
}
