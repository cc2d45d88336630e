package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// summaryBytes keeps a summary under the SDK's 200 bytes (the server's limit is
// 400 after encoding).
const summaryBytes = 150

// changesSummary says how many changes of which types, never which ones.
func changesSummary(changes []cdc.Change) string {
	var names []string
	counts := make(map[string]int)
	for _, change := range changes {
		if counts[change.Type] == 0 {
			names = append(names, change.Type)
		}
		counts[change.Type]++
	}
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("%s %d", name, counts[name])
	}
	return shorten(fmt.Sprintf("publish %d: %s", len(changes), strings.Join(parts, ", ")))
}

func shorten(text string) string {
	if len(text) > summaryBytes {
		return text[:summaryBytes-3] + "..."
	}
	return text
}

func (w *captureWindow) sleepSummary(due time.Time) string {
	end := w.in.Window.End()
	return fmt.Sprintf("sleep until %s, %s after the window's end", due.UTC().Format(time.TimeOnly), due.Sub(end).Round(time.Second))
}

func (w *captureWindow) hydrateSummary(asks []cdc.PageRequest) string {
	pass, further := 0, 0
	names := make([]string, len(asks))
	for i, ask := range asks {
		names[i] = ask.Type
		pass = max(pass, w.state(ask.Type).Pass+1)
		if ask.Next != "" {
			further++
		}
	}
	text := fmt.Sprintf("pass %d: %d types", pass, len(asks))
	if further > 0 {
		text = fmt.Sprintf("pass %d, further pages: %d types", pass, len(asks))
	}
	if len(names) <= 5 {
		text += " (" + strings.Join(names, ", ") + ")"
	}
	return shorten(text)
}

// settleAdvice is for what waits for an operator.
const settleAdvice = "**Waits for an operator**: fix the cause, or use `starter retry` or `starter skip` with this workflow ID."

// describe sets the text that the Temporal UI shows of the window now.
func (w *captureWindow) describe(ctx workflow.Context) {
	var text strings.Builder
	fmt.Fprintf(&text, "**%d published** · %d searches · %d reads · %d slices\n\n",
		w.counts.Published, w.counts.Searches, w.counts.Reads, w.started)
	if names := w.publishedTypes(); len(names) > 0 {
		text.WriteString("| type | published |\n|---|---|\n")
		for _, name := range names {
			fmt.Fprintf(&text, "| %s | %d |\n", name, w.ledger.Types[name].Published.Len())
		}
	}
	for _, t := range w.types {
		if t.Retry.Failing() {
			fmt.Fprintf(&text, "\n%s cannot be read: %s, %d times; next try %s\n", t.Type, t.Retry.Class, t.Retry.Tries, t.Due.UTC().Format(time.TimeOnly))
		}
	}
	if !w.refused.empty() {
		fmt.Fprintf(&text, "\n%d versions are refused by EventBridge; next try %s\n", len(w.refused.changes), w.refused.retry.Due.UTC().Format(time.TimeOnly))
	}
	for _, name := range w.wanted.types() {
		if retry := w.wanted.retries[name]; retry.Failing() {
			fmt.Fprintf(&text, "\n%d wanted versions of %s cannot be read: %s; next try %s\n",
				len(w.wanted.of(name)), name, retry.Class, retry.Due.UTC().Format(time.TimeOnly))
		}
	}
	for i, t := range w.types {
		if lost := w.lost[i]; lost != nil && lost.Retry.Failing() {
			fmt.Fprintf(&text, "\nWhat a slice of %s published cannot be read: %s\n", t.Type, lost.Retry.Class)
		}
	}
	if w.before.Failing() {
		fmt.Fprintf(&text, "\nWhat the run before published cannot be read: %s\n", w.before.Class)
	}
	if w.bus != "" {
		fmt.Fprintf(&text, "\nThe event bus takes nothing: %s\n", w.bus)
	}
	if w.waits(ctx) {
		text.WriteString("\n" + settleAdvice + "\n")
	}
	switch {
	case w.in.Skip:
		fmt.Fprintf(&text, "\n%d versions skipped: this run puts what it finds into the ledger and publishes nothing\n", w.counts.Skipped)
	case w.counts.Skipped+w.counts.SkippedTypes > 0:
		fmt.Fprintf(&text, "\nSkipped by an operator: %d versions, %d types\n", w.counts.Skipped, w.counts.SkippedTypes)
	}
	if w.counts.Unswept > 0 {
		fmt.Fprintf(&text, "\n%d types were closed unswept: the store did not give them for an hour, the audit captures them\n", w.counts.Unswept)
	}
	workflow.SetCurrentDetails(ctx, text.String())
}

func (w *captureWindow) publishedTypes() []string {
	var names []string
	for _, name := range w.ledger.Names() {
		if w.ledger.Types[name].Published.Len() > 0 {
			names = append(names, name)
		}
	}
	return names
}

func (w *captureWindow) progress(ctx workflow.Context) cdc.Progress {
	p := cdc.Progress{
		Counts: w.counts, Versions: make(map[string]int), Unavailable: make(map[string]cdc.Class),
		Rejected: w.refused.byType(), Due: make(map[string]time.Time),
		Ledger: w.before.Class, Waiting: w.waiting(ctx),
	}
	for _, name := range w.publishedTypes() {
		p.Versions[name] = w.ledger.Types[name].Published.Len()
	}
	for i, t := range w.types {
		if t.Retry.Failing() {
			p.Unavailable[t.Type] = t.Retry.Class
		}
		if lost := w.lost[i]; lost != nil && lost.Retry.Failing() {
			p.Ledger = lost.Retry.Class
		}
		if !t.Closed && w.slices[i] == nil {
			p.Due[t.Type] = t.Due
		}
	}
	w.wanted.progress(&p)
	return p
}
