package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// maxShown is how many unresolved spans the details list.
const maxShown = 20

// describe sets the text that the Temporal UI shows of the audit now.
func (a *audit) describe(ctx workflow.Context) {
	t := a.state.Totals
	var text strings.Builder
	fmt.Fprintf(&text, "**%d in the store, %d published, %d open, %d missing** · %d time ranges · %d searches\n\n",
		t.InStore, t.Published, t.Open, t.Missing, t.Spans, t.Counts.Searches)
	if f := a.state.Follow; f != nil && !f.Stating {
		fmt.Fprintf(&text, "Follows a job: round %d, through %s; something new was last found in the round of %s. Statements come at the end.\n\n",
			f.Rounds, f.RoundEnd.UTC().Format(time.RFC3339), f.LastNew.UTC().Format(time.RFC3339))
	}
	text.WriteString("| | |\n|---|---|\n")
	if through := auditedThrough(&a.state, a.in.Types); !through.IsZero() {
		fmt.Fprintf(&text, "| audited through | %s |\n", through.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(&text, "| to be audited until | %s |\n", a.end().UTC().Format(time.RFC3339))
	fmt.Fprintf(&text, "| healed | %d, by %d windows |\n| skipped | %d |\n| superseded | %d |\n| statements | %d |\n",
		t.Healed, t.Windows, t.Skipped, t.Superseded, t.Stated)
	fmt.Fprintf(&text, "| unreadable entries of the store | %d |\n| versions of windows whose ledger is gone or cannot be read | %d |\n",
		t.Unreadable, t.Unknown)
	fmt.Fprintf(&text, "| deletes that the store contradicts | %d |\n| unresolved time ranges | %d |\n",
		t.Deletes.Contradicted, len(a.state.Unresolved))
	for _, part := range a.state.Expired {
		fmt.Fprintf(&text, "\n%s grew older than the horizon unaudited or unresolved, %d types\n", spanText(part.Span), len(part.Types))
	}
	if a.state.FoundDropped > 0 {
		fmt.Fprintf(&text, "\n%d versions that were found later are not in statements: more than %d\n", a.state.FoundDropped, maxFound)
	}
	if len(a.state.Unresolved) > 0 {
		text.WriteString("\n| unresolved | why | missing | open | unknown | runs |\n|---|---|---|---|---|---|\n")
	}
	for _, u := range a.state.Unresolved[:min(len(a.state.Unresolved), maxShown)] {
		missing, open, unknown := 0, 0, 0
		for _, t := range u.Types {
			missing, open, unknown = missing+t.Missing, open+t.Open, unknown+t.Unknown
		}
		fmt.Fprintf(&text, "| %s | %s | %d | %d | %d | %d |\n", spanText(u.Span), reasonsOf(u), missing, open, unknown, u.Runs)
	}
	workflow.SetCurrentDetails(ctx, text.String())
}

// reasonsOf is how many types of an unresolved span have which reason.
func reasonsOf(u cdc.UnresolvedSpan) string {
	counts := make(map[string]int)
	for _, t := range u.Types {
		counts[t.Reason]++
	}
	names := sortedKeys(counts)
	for i, name := range names {
		names[i] = fmt.Sprintf("%s (%d types)", name, counts[name])
	}
	return strings.Join(names, ", ")
}

func spanText(s cdc.Span) string {
	return s.From.UTC().Format(time.DateTime) + " to " + s.To.UTC().Format(time.DateTime)
}

// progress has the spans that are done, and how many there will be at least.
func (a *audit) progress() cdc.Progress {
	p := cdc.Progress{Counts: a.state.Totals.Counts, Done: a.state.Totals.Spans}
	p.Counts.Published = a.state.Totals.Healed
	p.Total = p.Done + len(a.state.Pending)
	if through := auditedThrough(&a.state, a.in.Types); !through.IsZero() && through.Before(a.end()) {
		p.Total += int((a.end().Sub(through) + maxSpan - 1) / maxSpan)
	}
	return p
}
