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
	now := workflow.Now(ctx)
	p := cdc.Progress{Counts: w.counts, Versions: make(map[string]int), Due: make(map[string]time.Time)}
	if w.in.Skip {
		p.Note = "This run puts what it finds into the ledger as skipped, and publishes nothing"
	}
	for _, name := range w.publishedTypes() {
		p.Versions[name] = w.ledger.Types[name].Published.Len()
	}
	for _, t := range w.steps() {
		p.Add(cdc.Wait{Type: t.Type, Ledger: len(t.Lost) > 0}, t.Retry, now)
		if due, found := p.Due[t.Type]; !found || t.Due.Before(due) {
			p.Due[t.Type] = t.Due
		}
	}
	w.rejected.addTo(&p, now)
	p.Add(cdc.Wait{Ledger: true}, w.ledgerRetry, now)
	return p
}
