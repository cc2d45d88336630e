package cdc

import (
	"slices"
	"time"
)

// Counts are a window's, a slice's or a range's figures.
type Counts struct {
	// Searches and Reads that were made.
	Searches int `json:"searches"`
	Reads    int `json:"reads"`
	// Published versions, and References among them.
	Published  int `json:"published"`
	References int `json:"references,omitempty"`
	// Passes that were made (of any type).
	Passes int `json:"passes,omitempty"`
	// Skipped versions; SkippedTypes (of a window) or slices that an operator closed before
	// they were swept; Unswept ones that were closed after UnsweptAfter.
	Skipped      int `json:"skipped,omitempty"`
	SkippedTypes int `json:"skippedTypes,omitempty"`
	Unswept      int `json:"unswept,omitempty"`
	// Bytes of the bodies that went full, and Events as EventBridge bills them (of
	// up to 64 KB each). Ranges count them.
	Bytes  int64 `json:"bytes,omitempty"`
	Events int   `json:"events,omitempty"`
	// NotFound are the named resources of a range that a datastore does not have in it.
	NotFound int `json:"notFound,omitempty"`
}

// Add adds other's figures.
func (c *Counts) Add(other Counts) {
	c.Searches += other.Searches
	c.Reads += other.Reads
	c.Published += other.Published
	c.References += other.References
	c.Passes += other.Passes
	c.Skipped += other.Skipped
	c.SkippedTypes += other.SkippedTypes
	c.Unswept += other.Unswept
	c.Bytes += other.Bytes
	c.Events += other.Events
	c.NotFound += other.NotFound
}

// Progress is the result of the QueryProgress query. It holds no FHIR id.
type Progress struct {
	Counts Counts `json:"counts"`
	// Versions published so far by type.
	Versions map[string]int `json:"versions,omitempty"`
	// Failing is what failed at its last try, Waiting what of it waits for an operator.
	Failing []Wait `json:"failing,omitempty"`
	Waiting []Wait `json:"waiting,omitempty"`
	// Note says what else an operator should know.
	Note string `json:"note,omitempty"`
	// Due is when a window's next step is due, by type. One that is done, or whose pages a
	// slice reads, has none.
	Due map[string]time.Time `json:"due,omitempty"`
	// Total is how many spans an audit has, Done how many are finished.
	Done  int `json:"done,omitempty"`
	Total int `json:"total,omitempty"`
	// Range is how far a range is.
	Range *RangeProgress `json:"range,omitempty"`
}

// Add adds what a Retry is of, if it failed at its last try.
func (p *Progress) Add(what Wait, retry Retry, now time.Time) {
	if what.Versions == 0 {
		what.Class = retry.Class
	}
	if retry.Failing() && !slices.Contains(p.Failing, what) {
		p.Failing = append(p.Failing, what)
	}
	if retry.Waits(now) && !slices.Contains(p.Waiting, what) {
		p.Waiting = append(p.Waiting, what)
	}
}
