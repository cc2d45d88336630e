package status

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"healthlake-cdc/internal/queue"
)

// Text is the report for a terminal.
func (r Report) Text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, store := range r.Stores {
		store.text(w, r.At)
	}
	fmt.Fprintf(w, "queue\t%s\n", depth(r.Queue, r.QueueNote))
	fmt.Fprintf(w, "dead-letter queue\t%s\n", depth(r.DLQ, r.QueueNote))
	for _, one := range r.Ranges {
		one.text(w, "replay or backfill")
	}
	for _, one := range r.Audits {
		one.text(w, "audit")
	}
	for _, worker := range r.Workers {
		fmt.Fprintf(w, "worker\t%s, seen %s ago\n", worker.Identity, r.At.Sub(worker.LastSeen).Round(time.Second))
	}
	if len(r.Workers) == 0 {
		fmt.Fprintln(w, "worker\tNONE polls the task queue")
	}
	for _, one := range r.Waiting {
		label := "waiting"
		if one.Operator {
			label = "WAITS FOR YOU"
		}
		fmt.Fprintf(w, "%s\t%s: %s\n", label, one.WorkflowID, one.What)
	}
	if len(r.Waiting) == 0 {
		fmt.Fprintln(w, "waiting\tnothing waits for an operator, as far as could be seen")
	}
	for _, f := range r.Failed {
		fmt.Fprintf(w, "%s\t%s at %s: %s. Do: %s\n", strings.ToUpper(f.Status), f.WorkflowID, clock(f.Closed), f.What, f.Do)
	}
	if more := r.FailedTotal - len(r.Failed); more > 0 {
		fmt.Fprintf(w, "FAILED\tand %d more\n", more)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note\t%s\n", note)
	}
	_ = w.Flush() // into memory
	return strings.TrimRight(b.String(), "\n")
}

func (r Running) text(w *tabwriter.Writer, label string) {
	text := "progress not known: no worker answers, or see the notes"
	if r.Progress != nil {
		text = ProgressText(r.Progress)
	}
	fmt.Fprintf(w, "%s\t%s, since %s: %s\n", label, r.WorkflowID, clock(r.Started), text)
}

func (s Store) text(w *tabwriter.Writer, now time.Time) {
	fmt.Fprintf(w, "datastore\t%s\n", s.Datastore)
	open := "none"
	if s.OpenWindows > 0 {
		open = fmt.Sprintf("%d, the oldest from %s (%s ago)", s.OpenWindows, clock(s.OldestOpen), now.Sub(s.OldestOpen).Round(time.Second))
	}
	fmt.Fprintf(w, "  open windows\t%s\n", open)
	fmt.Fprintf(w, "  estimated cost per hour\t%.0f windows, %.0f actions ($%.4f), %.0f searches\n",
		s.WindowsPerHour, s.ActionsPerHour, s.DollarsPerHour, s.SearchesPerHour)
	fmt.Fprintf(w, "  audited\t%s\n", s.Audit.text())
	others := 0
	for _, one := range s.Types {
		if one.Published.IsZero() {
			others++
			continue
		}
		fmt.Fprintf(w, "  %s\tlast published %s, %.1f s after it was written\n", one.Type, clock(one.Published), one.Lag)
	}
	if others > 0 {
		fmt.Fprintf(w, "  %d other types\tnothing published recently\n", others)
	}
}

func (a *Audit) text() string {
	if a == nil {
		return "no scheduled audit has completed"
	}
	text := fmt.Sprintf("through %s, %d missing", clock(a.Through), a.Missing)
	if a.Unresolved > 0 {
		text += fmt.Sprintf("; %d time ranges are incomplete, the oldest from %s", a.Unresolved, clock(a.Oldest))
	}
	if a.Expired > 0 {
		text += fmt.Sprintf("; %d TIME RANGES EXPIRED: they grew older than the horizon before their audit was complete: see %s", a.Expired, a.WorkflowID)
	}
	return text
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func depth(d *queue.Depth, note string) string {
	if d == nil {
		return "unknown: " + note
	}
	return fmt.Sprintf("%d wait, %d in flight, %d delayed", d.Visible, d.InFlight, d.Delayed)
}
