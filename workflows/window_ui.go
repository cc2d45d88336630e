package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

func (w *captureWindow) sleepSummary(due time.Time) string {
	after := due.Sub(w.in.Window.End()).Round(time.Second)
	return fmt.Sprintf("sleep until %s, %s after the window's end", due.UTC().Format(time.TimeOnly), after)
}

func (w *captureWindow) hydrateSummary(requests []cdc.PageRequest) string {
	pass, further := 0, ""
	names := make([]string, len(requests))
	for i, request := range requests {
		names[i] = request.Type
		pass = max(pass, w.typeOf(request.Type).Pass+1)
		if request.Next != "" {
			further = ", further pages"
		}
	}
	text := fmt.Sprintf("pass %d%s: %d types", pass, further, len(requests))
	if len(names) <= 5 {
		text += " (" + strings.Join(names, ", ") + ")"
	}
	return shorten(text)
}

// publishedTypes are the types of which versions were published, in alphabetical order.
func (w *captureWindow) publishedTypes() []string {
	return slices.DeleteFunc(w.ledger.Names(), func(name string) bool { return w.ledger.Types[name].Published.Len() == 0 })
}

func (w *captureWindow) progress(ctx workflow.Context) cdc.Progress {
	p := cdc.Progress{
		Counts: w.counts, Versions: make(map[string]int), Unavailable: make(map[string]cdc.Class),
		Rejected: w.rejected.byType(), Due: make(map[string]time.Time),
		Ledger: w.before.Class, Waiting: w.waiting(ctx),
	}
	for _, name := range w.publishedTypes() {
		p.Versions[name] = w.ledger.Types[name].Published.Len()
	}
	for _, t := range w.types {
		if t.Retry.Failing() && t.Lost == "" {
			p.Unavailable[t.Type] = t.Retry.Class
		}
		if t.Retry.Failing() && t.Lost != "" {
			p.Ledger = t.Retry.Class
		}
		if t.hasStep() {
			p.Due[t.Type] = t.Due
		}
	}
	for _, wanted := range w.wanted {
		if wanted.retry.Failing() && p.Unavailable[wanted.name] == "" {
			p.Unavailable[wanted.name] = wanted.retry.Class
		}
		if due, ok := p.Due[wanted.name]; !ok || wanted.retry.Due.Before(due) {
			p.Due[wanted.name] = wanted.retry.Due
		}
	}
	return p
}

func (w *captureWindow) describe(ctx workflow.Context) {
	more := ""
	if w.in.Skip {
		more = "This run puts what it finds into the ledger as skipped, and publishes nothing"
	}
	workflow.SetCurrentDetails(ctx, details(w.progress(ctx), more))
}

// details is the text that the Temporal UI shows of a window or a slice now.
func details(p cdc.Progress, more string) string {
	parts := []string{fmt.Sprintf("**%d published** · %d searches · %d reads", p.Counts.Published, p.Counts.Searches, p.Counts.Reads)}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if len(p.Versions) > 0 {
		table := []string{"| type | published |", "|---|---|"}
		for _, name := range sortedKeys(p.Versions) {
			table = append(table, fmt.Sprintf("| %s | %d |", name, p.Versions[name]))
		}
		parts = append(parts, strings.Join(table, "\n"))
	}
	for _, name := range sortedKeys(p.Unavailable) {
		add("%s cannot be read: %s", name, p.Unavailable[name])
	}
	for _, name := range sortedKeys(p.Rejected) {
		add("%d of %s are rejected by EventBridge", p.Rejected[name], name)
	}
	if p.Ledger != "" {
		add("What a run or a slice before published cannot be read: %s", p.Ledger)
	}
	for _, wait := range p.Waiting {
		if wait.Bus {
			add("The event bus accepts nothing: %s", wait.Class)
		}
	}
	if len(p.Waiting) > 0 {
		parts = append(parts, operatorAdvice)
	}
	if p.Counts.Skipped+p.Counts.SkippedTypes > 0 {
		add("Skipped: %d versions, %d types", p.Counts.Skipped, p.Counts.SkippedTypes)
	}
	if p.Counts.Unswept > 0 {
		add("%d types were closed unswept: the store did not give them for an hour, the audit captures them", p.Counts.Unswept)
	}
	if more != "" {
		parts = append(parts, more)
	}
	return strings.Join(parts, "\n\n")
}
