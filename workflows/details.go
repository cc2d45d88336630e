package workflows

import (
	"fmt"
	"strings"

	"healthlake-cdc/internal/cdc"
)

// details is the text that the Temporal UI shows of a window, a slice, a delete or a range.
func details(p cdc.Progress) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if p.Range == nil {
		add("**%d published** · %d searches · %d reads", p.Counts.Published, p.Counts.Searches, p.Counts.Reads)
	} else {
		add("**%s** · %d published · %d searches · %d slices are open", p.Range.Text(),
			p.Counts.Published, p.Counts.Searches, len(p.Range.Slices))
	}
	if len(p.Versions) > 0 {
		table := []string{"| type | published |", "|---|---|"}
		for _, name := range sortedKeys(p.Versions) {
			table = append(table, fmt.Sprintf("| %s | %d |", name, p.Versions[name]))
		}
		parts = append(parts, strings.Join(table, "\n"))
	}
	for _, failing := range p.Failing {
		add("Fails: %s", failing.Text())
	}
	if len(p.Waiting) > 0 {
		add("**Waits for an operator**: fix the cause, or use `starter retry` or `starter skip` with this workflow ID.")
	}
	if p.Counts.Skipped+p.Counts.SkippedTypes > 0 {
		add("Skipped: %d versions, %d types", p.Counts.Skipped, p.Counts.SkippedTypes)
	}
	if p.Counts.Unswept > 0 {
		add("%d types were closed unswept: the store did not give them for an hour, the audit captures them", p.Counts.Unswept)
	}
	if p.Note != "" {
		parts = append(parts, p.Note)
	}
	return strings.Join(parts, "\n\n")
}
