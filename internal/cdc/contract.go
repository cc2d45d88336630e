package cdc

import "time"

// CaptureWindowInput starts a CaptureWindow. Everything that shapes the
// workflow's course is in it, so that workers with other settings may go on
// with a window that was opened under these.
type CaptureWindowInput struct {
	Window Window `json:"window"`
	// Rerun is n in the ID {window}/r{n}, 0 for the first run. A rerun reads the
	// ledger of run n-1 first and makes one pass.
	Rerun int `json:"rerun,omitempty"`
	// Salt is that of the window's ledger. A rerun goes by the one of the ledger that
	// it reads first, and by its own only where that cannot be read.
	Salt Salt `json:"salt"`
	// Types are the resource types to sweep.
	Types []string `json:"types"`
	// Passes are the delays of the passes after the window's end, ascending.
	Passes []time.Duration `json:"passes"`
	// Cause is what opened the window.
	Cause
	// Attributes is set when our search attributes are registered: the window upserts
	// them at its close, and CdcState when it begins or ceases to wait for an operator.
	Attributes bool `json:"attributes,omitempty"`
	// Audited is set when the store's audits are on: a type that the store does not
	// give for UnsweptAfter is closed unswept, for the audit to capture.
	Audited bool `json:"audited,omitempty"`
	// Wanted are versions that search does not show any more: the window reads them
	// from history, ahead of its passes. One that is gone there too is left out.
	Wanted []Version `json:"wanted,omitempty"`
	// Skip puts what the window finds, or is given as Wanted, into its ledger as
	// skipped, unpublished. No body is read.
	Skip bool `json:"skip,omitempty"`
	// Resume is where the window goes on after a continue-as-new.
	Resume *WindowState `json:"resume,omitempty"`
}

// WindowState is what a window carries over a continue-as-new.
type WindowState struct {
	Ledger Ledger      `json:"ledger"`
	Types  []TypeState `json:"types"`
	Counts Counts      `json:"counts"`
	// Slices is how many slices the window has started.
	Slices int `json:"slices"`
	// Rejected are the versions, by type, that EventBridge rejected and that are to
	// be read again: bodies are not carried over. Bus is how often they were tried.
	Rejected map[string]HashSet `json:"rejected,omitempty"`
	Bus      Retry              `json:"bus,omitzero"`
	// Wanted is where the wanted versions stand, by type.
	Wanted map[string]Retry `json:"wanted,omitempty"`
}

// TypeState is where one resource type stands in its window.
type TypeState struct {
	Type string `json:"type"`
	// Pass is the index of the next pass; from len(Passes) on it is an extra one.
	Pass int `json:"pass"`
	// Due is when the next step for this type is due.
	Due time.Time `json:"due"`
	// Delay is the delay of the last pass, doubled for an extra one.
	Delay time.Duration `json:"delay"`
	// Next is the link of the page to go on with, empty for a first page.
	Next string `json:"next,omitempty"`
	// Confirm is set when this pass asks for ids only.
	Confirm bool `json:"confirm,omitempty"`
	// Trail is what the pages of this pass were so far.
	Trail PageTrail `json:"trail,omitzero"`
	// Found is how many new versions this pass has found so far.
	Found int `json:"found,omitempty"`
	// Pages is how many further pages this pass has read.
	Pages int `json:"pages,omitempty"`
	// Retry is set while the type, or the ledger of its lost slice, cannot be read.
	Retry Retry `json:"retry,omitzero"`
	// Lost is the workflow ID of a slice of the type that did not complete and whose
	// ledger is still to be read.
	Lost string `json:"lost,omitempty"`
	// Closed is set when no further pass is due.
	Closed bool `json:"closed,omitempty"`
}

// Counts are a window's, a slice's or a range's figures.
type Counts struct {
	// Searches and Reads that were asked of the datastore.
	Searches int `json:"searches"`
	Reads    int `json:"reads"`
	// Published versions, and References among them.
	Published  int `json:"published"`
	References int `json:"references,omitempty"`
	// Passes that were made (of any type).
	Passes int `json:"passes,omitempty"`
	// Skipped versions, and SkippedTypes: types (of a window) or slices that an operator
	// closed before they were swept. Unswept are types that were closed because the
	// store did not give them for UnsweptAfter.
	Skipped      int `json:"skipped,omitempty"`
	SkippedTypes int `json:"skippedTypes,omitempty"`
	Unswept      int `json:"unswept,omitempty"`
	// Bytes of the bodies that went full, and Events as EventBridge bills them (of
	// up to 64 KB each). Ranges count them.
	Bytes  int64 `json:"bytes,omitempty"`
	Events int   `json:"events,omitempty"`
	// NotFound are the named resources of a range that a datastore does not have, or
	// not within the range: one of two stores that has it counts the other.
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

// CaptureWindowResult is what a closed window leaves: its ledger, read by
// whoever doubts the window later.
type CaptureWindowResult struct {
	Ledger Ledger `json:"ledger"`
	Counts Counts `json:"counts"`
}

// CaptureSliceInput starts a CaptureSlice: page after page of one type's span.
type CaptureSliceInput struct {
	Origin Origin `json:"origin"`
	Type   string `json:"type"`
	Span   Span   `json:"span"`
	// Salt is that of Known, and of everything that the slice publishes.
	Salt Salt `json:"salt"`
	// Next is the page to begin with; empty for the first.
	Next string `json:"next,omitempty"`
	// Confirm lists ids first and reads only the bodies that are new.
	Confirm bool `json:"confirm,omitempty"`
	// Known is what was published before or is being published by the parent.
	Known HashSet `json:"known"`
	// Attributes and Audited are as in CaptureWindowInput.
	Attributes bool `json:"attributes,omitempty"`
	Audited    bool `json:"audited,omitempty"`
	// Range is of a slice that a range started; nil for a window's.
	Range *RangeSlice `json:"range,omitempty"`
	// Resume is where the slice goes on after a continue-as-new.
	Resume *SliceState `json:"resume,omitempty"`
}

// SliceState is what a slice carries over a continue-as-new.
type SliceState struct {
	Published HashSet `json:"published"`
	// Skipped are those that an operator skipped.
	Skipped HashSet `json:"skipped,omitzero"`
	// Rejected are those that EventBridge rejected and that are to be read again, Bus
	// how often they were tried.
	Rejected HashSet `json:"rejected,omitzero"`
	Bus      Retry   `json:"bus,omitzero"`
	// PageKnown are the versions already read from the page that Next names, which
	// did not fit into one result.
	PageKnown HashSet `json:"pageKnown"`
	Counts    Counts  `json:"counts"`
	// Trail is what the pages were since the first one.
	Trail PageTrail `json:"trail,omitzero"`
	// Retry is set while the store does not give the page.
	Retry Retry `json:"retry,omitzero"`
}

// CaptureSliceResult is what a slice gives its parent.
type CaptureSliceResult struct {
	// Salt is that of Published and Skipped.
	Salt Salt `json:"salt"`
	// Published are the versions that this slice published.
	Published HashSet `json:"published"`
	// Skipped are those that an operator skipped.
	Skipped HashSet `json:"skipped,omitzero"`
	// Cancelled is set when its parent cancelled it before its last page, to continue
	// as new or because it was cancelled itself. That is in the result because the SDK
	// encodes what a cancelled workflow reports without the workflow's ID.
	Cancelled bool `json:"cancelled,omitempty"`
	// Unswept is set when it was closed before its last page, which could not be read,
	// by an operator or after UnsweptAfter: its type is not swept.
	Unswept bool   `json:"unswept,omitempty"`
	Counts  Counts `json:"counts"`
}

// PublishDeleteResult is what a PublishDelete leaves, for the audit to count.
type PublishDeleteResult struct {
	Type      string    `json:"type,omitempty"`
	EventTime time.Time `json:"eventTime"`
	// Exact tells that the delete's resource was known.
	Exact bool `json:"exact,omitempty"`
	// Skipped is set when an operator skipped it: it was not published.
	Skipped bool `json:"skipped,omitempty"`
	// Contradicted is set when the store shows the resource alive and its history
	// without a delete of that time: it was not published.
	Contradicted bool `json:"contradicted,omitempty"`
}

// PublishDeleteInput starts a PublishDelete.
type PublishDeleteInput struct {
	Origin Origin `json:"origin"`
	Delete Delete `json:"delete"`
	// Attributes is set when our search attributes are registered: CdcState is kept
	// while the delete waits for an operator.
	Attributes bool `json:"attributes,omitempty"`
	// Resume is where the delete goes on after a continue-as-new; Read is set when the
	// store was asked before that, and Delete holds its answer.
	Resume *Retry `json:"resume,omitempty"`
	Read   bool   `json:"read,omitempty"`
}

// Skip names what an operator skips of an execution: no more than was seen to
// wait.
type Skip struct {
	// Versions are the types whose versions (or delete) EventBridge rejects: those
	// go into the ledger as skipped.
	Versions []string `json:"versions,omitempty"`
	// Types are those that cannot be read: they close without being swept.
	Types []string `json:"types,omitempty"`
	// Ledger is the ledger of the run before, which cannot be read: what the rerun
	// finds goes into its own as skipped, for it may have been published.
	Ledger bool `json:"ledger,omitempty"`
}

// Progress is the answer to the QueryProgress query. It holds no FHIR id.
type Progress struct {
	Counts Counts `json:"counts"`
	// Versions published so far by type.
	Versions map[string]int `json:"versions,omitempty"`
	// Unavailable are the types that could not be read at the last attempt.
	Unavailable map[string]Class `json:"unavailable,omitempty"`
	// Waiting is what waits for an operator.
	Waiting []Wait `json:"waiting,omitempty"`
	// Rejected are the versions, by type, that EventBridge rejected and that are tried
	// again. A delete that names no type counts under "".
	Rejected map[string]int `json:"rejected,omitempty"`
	// Ledger is why a ledger that is needed cannot be read: of the run before, or of a
	// slice that did not complete.
	Ledger Class `json:"ledger,omitempty"`
	// Due is when a window's next step is due, by type: a pass, a further page or
	// another try. A type that is done, or whose pages a slice reads, has none.
	Due map[string]time.Time `json:"due,omitempty"`
	// Total is how many spans an audit has, Done how many are finished.
	Done  int `json:"done,omitempty"`
	Total int `json:"total,omitempty"`
	// Range is how far a range is.
	Range *RangeProgress `json:"range,omitempty"`
}
