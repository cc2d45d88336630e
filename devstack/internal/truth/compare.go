package truth

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// Settings are the workers', as far as the comparison depends on them.
type Settings struct {
	Passes   []time.Duration
	Lookback time.Duration
	// Audited is set if everything was audited after the last write: then a version of a
	// window without a trigger that had been replaced by then is superseded.
	Audited bool
	// Types are the configured ones; empty means all that were written.
	Types []string
}

// Row counts the versions of one type.
type Row struct {
	Type       string
	Written    int
	Published  int
	Superseded int
	Missing    int
	Duplicated int
	// Deletes of single resources, and those that were published.
	Deleted, DeletesPublished, DeletesMissing int
}

// Report compares what was written with what was published.
type Report struct {
	Rows  []Row
	Total Row
	// Wrong lists events whose body is not the version's, or of versions that
	// were never written.
	Wrong []string
	// MissingVersions names the missing ones, for tests on synthetic data.
	MissingVersions []simulator.Write
}

// OK reports whether nothing is missing, repeated or wrong.
func (r Report) OK() bool {
	return r.Total.Missing == 0 && r.Total.Duplicated == 0 && r.Total.DeletesMissing == 0 && len(r.Wrong) == 0
}

// Compare compares the write log with the events of a subscriber. Deletes in
// bundles leave no record of their own and are not expected to be published. One
// delete may be published unresolved, by CloudTrail's record, and exactly, by a
// notification: each is one delivery.
func Compare(writes []simulator.Write, deliveries []stack.Delivery, events []Event, s Settings) Report {
	c := comparison{
		settings: s, rows: make(map[string]*Row), seen: make(map[string]int, len(events)),
		first: firstTriggers(deliveries, s.Lookback), deletes: make(map[string]bool),
		gone: make(map[string][]string), exact: make(map[string]int),
	}
	for _, delivery := range deliveries {
		if delivery.EventName == "DeleteResource" {
			c.deletes[delivery.EventID] = true
		}
	}
	digests := make(map[string]string, len(writes))
	last := make(map[string]string) // digest of each resource's newest body so far
	for _, write := range writes {
		digests[key(write)] = write.Digest
		if write.Deleted {
			digests[key(write)] = last[resourceOf(write)] // an exact delete carries the last body
			digests[deleteKey(write)] = ""
			c.gone[resourceOf(write)] = append(c.gone[resourceOf(write)], last[resourceOf(write)])
		} else {
			last[resourceOf(write)] = write.Digest
		}
	}
	for _, event := range events {
		c.seen[event.Meta.IdempotencyKey]++
		digest, known := digests[event.Meta.IdempotencyKey]
		if resource, _, unversioned := strings.Cut(event.Meta.IdempotencyKey, "/_delete/"); !known && unversioned {
			// An exact delete without a version may be any delete of the resource.
			if n := len(c.gone[resource]); n > 0 {
				digest, known = c.gone[resource][n-1], true
				c.exact[resource]++
			}
		}
		if !known {
			c.wrong = append(c.wrong, fmt.Sprintf("an event of %s for a version that was never written", event.Meta.ResourceType))
		} else if event.Meta.Payload == cdc.PayloadFull && event.Digest != digest {
			c.wrong = append(c.wrong, fmt.Sprintf("an event of %s whose data is not the version's bytes", event.Meta.ResourceType))
		}
	}
	for _, write := range writes {
		c.add(write)
	}
	return c.report()
}

type comparison struct {
	settings Settings
	rows     map[string]*Row
	seen     map[string]int
	// first is when the first trigger of a window was delivered.
	first   map[cdc.Window]time.Time
	deletes map[string]bool
	// gone has the digests of the last bodies of each deleted resource, one for each
	// delete; exact counts its exact deletes without a version.
	gone    map[string][]string
	exact   map[string]int
	wrong   []string
	missing []simulator.Write
}

func key(w simulator.Write) string {
	return fmt.Sprintf("%s/%s/%s/_history/%d", w.Datastore, w.Type, w.ID, w.Version)
}

func resourceOf(w simulator.Write) string {
	return fmt.Sprintf("%s/%s/%s", w.Datastore, w.Type, w.ID)
}

func deleteKey(w simulator.Write) string {
	return fmt.Sprintf("%s/%s/_delete/%s", w.Datastore, w.Type, w.EventID)
}

func (c *comparison) add(w simulator.Write) {
	row := c.rows[w.Type]
	if row == nil {
		row = &Row{Type: w.Type}
		c.rows[w.Type] = row
	}
	if w.Deleted {
		c.addDelete(row, w)
		return
	}
	row.Written++
	n := c.seen[key(w)]
	switch {
	case n > 0:
		row.Published++
		row.Duplicated += n - 1
	case c.superseded(w):
		row.Superseded++
	default:
		row.Missing++
		c.missing = append(c.missing, w)
	}
}

func (c *comparison) addDelete(row *Row, w simulator.Write) {
	row.Deleted++
	unresolved, exact := c.seen[deleteKey(w)], c.seen[key(w)]
	row.Duplicated += max(0, unresolved-1) + max(0, exact-1)
	if exact == 0 && c.exact[resourceOf(w)] > 0 {
		c.exact[resourceOf(w)]--
		exact = 1
	}
	switch {
	case unresolved+exact > 0:
		row.DeletesPublished++
	case c.deletes[w.EventID]:
		row.DeletesMissing++
	}
}

// superseded reports whether no search could find the version: it was replaced or deleted
// before the first time at which it was searchable, a pass of its window was due, and a
// trigger of the window had been delivered.
func (c *comparison) superseded(w simulator.Write) bool {
	if w.Replaced.IsZero() {
		return false
	}
	window := cdc.WindowAt(w.Datastore, w.LastUpdated)
	triggered, ok := c.first[window]
	if !ok {
		return c.settings.Audited // otherwise a window without a trigger is missing
	}
	return w.Replaced.Before(c.firstChance(window, w.Searchable, triggered))
}

// firstChance is the first time at which a pass was due, with the version searchable and
// the window triggered. A late trigger makes earlier passes due at once.
func (c *comparison) firstChance(window cdc.Window, searchable, triggered time.Time) time.Time {
	for _, delay := range c.settings.Passes {
		due := window.End().Add(delay)
		if triggered.After(due) {
			due = triggered
		}
		if !due.Before(searchable) {
			return due
		}
	}
	return searchable
}

// firstTriggers is when each window's first trigger was delivered, by the rule
// of the windows that a trigger touches.
func firstTriggers(deliveries []stack.Delivery, lookback time.Duration) map[cdc.Window]time.Time {
	first := make(map[cdc.Window]time.Time)
	for _, d := range deliveries {
		if d.EventName == "DeleteResource" || d.EventName == stack.NotificationOfDelete {
			continue
		}
		back := lookback
		if d.EventName == "ProcessBundle" && back < 30*time.Second {
			back = 30 * time.Second
		}
		for _, window := range cdc.WindowsTouching(d.Datastore, d.EventTime.Add(-back), d.EventTime.Add(time.Second)) {
			if at, ok := first[window]; !ok || d.At.Before(at) {
				first[window] = d.At
			}
		}
	}
	return first
}

func (c *comparison) report() Report {
	r := Report{Total: Row{Type: "total"}, Wrong: c.wrong, MissingVersions: c.missing}
	for _, row := range c.rows {
		r.Rows = append(r.Rows, *row)
		r.Total.Written += row.Written
		r.Total.Published += row.Published
		r.Total.Superseded += row.Superseded
		r.Total.Missing += row.Missing
		r.Total.Duplicated += row.Duplicated
		r.Total.Deleted += row.Deleted
		r.Total.DeletesPublished += row.DeletesPublished
		r.Total.DeletesMissing += row.DeletesMissing
	}
	sort.Slice(r.Rows, func(i, j int) bool { return r.Rows[i].Type < r.Rows[j].Type })
	return r
}

// String is the report as a table.
func (r Report) String() string {
	head := []string{"type", "versions written", "published", "superseded", "missing", "duplicated", "deletes", "published"}
	lines := [][]string{head}
	for _, row := range append(append([]Row(nil), r.Rows...), r.Total) {
		lines = append(lines, []string{
			row.Type, strconv.Itoa(row.Written), strconv.Itoa(row.Published), strconv.Itoa(row.Superseded),
			strconv.Itoa(row.Missing), strconv.Itoa(row.Duplicated), strconv.Itoa(row.Deleted), strconv.Itoa(row.DeletesPublished),
		})
	}
	widths := make([]int, len(head))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var text strings.Builder
	for n, line := range lines {
		if n == len(lines)-1 {
			text.WriteString(strings.Repeat("-", sum(widths)+2*(len(widths)-1)) + "\n")
		}
		fmt.Fprintf(&text, "%-*s", widths[0], line[0])
		for i, cell := range line[1:] {
			fmt.Fprintf(&text, "  %*s", widths[i+1], cell)
		}
		text.WriteByte('\n')
	}
	for _, wrong := range r.Wrong[:min(len(r.Wrong), 10)] {
		text.WriteString("wrong: " + wrong + "\n")
	}
	return text.String()
}

func sum(numbers []int) int {
	total := 0
	for _, n := range numbers {
		total += n
	}
	return total
}
