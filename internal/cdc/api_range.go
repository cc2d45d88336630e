package cdc

import (
	"slices"
	"time"
)

// CaptureRangeInput starts a CaptureRange, a replay or a backfill.
type CaptureRangeInput struct {
	// Name is what the operator called the range.
	Name       string    `json:"name"`
	Datastores []string  `json:"datastores"`
	Types      []string  `json:"types"`
	Span       Span      `json:"span"`
	SourceTime time.Time `json:"sourceTime"`
	// Salt is that of its slices.
	Salt       Salt `json:"salt"`
	Attributes bool `json:"attributes,omitempty"`
	// CapturedBy is ByOperator for a replay, ByBackfill for a backfill.
	CapturedBy string `json:"capturedBy,omitempty"`
	// Border, on a window's edge, is where the recent part of a backfill begins: from
	// here on ledgers are known, and the span is audited. Zero, or not before the span's
	// end, is no recent part.
	Border time.Time `json:"border,omitzero"`
	// Versions and Horizon are those of the recent part's audits; WindowsCloseAfter is how
	// long after its end a window has usually closed.
	Versions          string        `json:"versions,omitempty"`
	WindowsCloseAfter time.Duration `json:"windowsCloseAfter,omitempty"`
	Horizon           time.Duration `json:"horizon,omitempty"`
	// IDs are the only resources of a replay that names any.
	IDs []ResourceID `json:"ids,omitempty"`
	// DryRun only counts what the range would publish.
	DryRun bool `json:"dryRun,omitempty"`
	// Rate is how many versions a second the whole range publishes at most; 0 is as
	// fast as live windows leave it room in the search rate.
	Rate float64 `json:"rate,omitempty"`
	// Bus is the name or ARN of another bus than CDC_EVENT_BUS.
	Bus string `json:"bus,omitempty"`
	// Plan is where the range goes on after a continue-as-new.
	Plan *RangePlan `json:"plan,omitempty"`
}

// ResourceID names one resource. ID is a FHIR logical id: payloads only.
type ResourceID struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// RangePlan is what a range still has to do and has done.
type RangePlan struct {
	// Started is when the range began, and PausedFor how long it was paused since.
	Started   time.Time     `json:"started"`
	PausedFor time.Duration `json:"pausedFor,omitempty"`
	// Paused since PausedAt.
	Paused   bool      `json:"paused,omitempty"`
	PausedAt time.Time `json:"pausedAt,omitzero"`
	// Planned is set when every part was counted once: Total is known.
	Planned bool `json:"planned,omitempty"`
	// Parts are still to do, the next one last.
	Parts []*RangePart `json:"parts,omitempty"`
	// CaptureRangeResult is what the range has done so far.
	CaptureRangeResult
}

// RangePart is a span of one type, or the recent part of a backfill in one datastore.
type RangePart struct {
	Datastore string `json:"datastore"`
	// Type is empty for a part that is audited, which is of all types.
	Type string `json:"type,omitempty"`
	Span Span   `json:"span"`
	// Count is how many versions search shows in it, or should by the counts of
	// what it was cut from; NotCounted where it was not counted yet.
	Count int `json:"count"`
	// Uncounted is set when the store does not count: the part is cut by its length.
	Uncounted bool `json:"uncounted,omitempty"`
	// Retry is set while the store does not give the part's count, or figures.
	Retry Retry `json:"retry,omitzero"`
	// Known are versions that a slice of the part published before it was cancelled.
	Known HashSet `json:"known,omitzero"`
	// Lost is the workflow ID of a slice that did not complete: its ledger is read first.
	Lost string `json:"lost,omitempty"`
}

// NotCounted is the Count of a part before it is counted, and of a store that does not.
const NotCounted = -1

// CaptureRangeResult is a range's result, and in the error of a cancelled one.
type CaptureRangeResult struct {
	Counts Counts `json:"counts"`
	Slices int    `json:"slices"`
	// Total and Done are versions, by the counts of the parts.
	Total int `json:"total,omitempty"`
	Done  int `json:"done,omitempty"`
	// Missing versions of a backfill's recent part that could not be healed.
	Missing int `json:"missing,omitempty"`
	// Unknown versions of it were not published: see TypeAudit.
	Unknown int `json:"unknown,omitempty"`
	// Actions that the real run is estimated to take, of a dry run.
	Actions int `json:"actions,omitempty"`
}

// MeasureInput measures what a slice would publish.
type MeasureInput struct {
	// Origin is the real run's: what it says is part of an event's size.
	Origin Origin   `json:"origin"`
	Type   string   `json:"type"`
	Span   Span     `json:"span"`
	IDs    []string `json:"ids,omitempty"`
}

// MeasureResult is what a slice would publish, in figures only.
type MeasureResult struct {
	// Counts are the searches and reads that were made, and what would be published.
	Counts Counts `json:"counts"`
	// Pages is how many activities the slice would read with.
	Pages int `json:"pages"`
}

// IDsOf are the ids of one type among resources, in order, each once.
func IDsOf(resources []ResourceID, resourceType string) []string {
	var ids []string
	for _, r := range resources {
		if r.Type == resourceType {
			ids = append(ids, r.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// CountInput counts the versions of one type that search shows in a span.
type CountInput struct {
	Datastore string `json:"datastore"`
	Type      string `json:"type"`
	Span      Span   `json:"span"`
}
