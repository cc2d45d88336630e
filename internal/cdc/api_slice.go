package cdc

import "time"

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
	// Range is of a slice that a range started; zero for a window's.
	Range RangeSlice `json:"range,omitzero"`
	// Resume is where the slice goes on after a continue-as-new.
	Resume *SliceState `json:"resume,omitempty"`
}

// RangeSlice is what a slice of a range has beyond a window's.
type RangeSlice struct {
	// Listing is set when listings of ids follow the pages until one finds nothing new.
	Listing bool `json:"listing,omitempty"`
	// Rate is how many versions a second this slice publishes at most; 0 is any.
	Rate float64 `json:"rate,omitempty"`
	// Bus and Weigh are as in PublishInput.
	Bus   string `json:"bus,omitempty"`
	Weigh bool   `json:"weigh,omitempty"`
	// IDs are the only resources to read: their current versions, by reads.
	IDs []string `json:"ids,omitempty"`
}

// SliceState is what a slice carries over a continue-as-new.
type SliceState struct {
	// TypeLedger has what the slice published, and what an operator skipped.
	TypeLedger
	// Rejected are those that EventBridge rejected, RejectedRetry when they are tried again.
	Rejected      HashSet `json:"rejected,omitzero"`
	RejectedRetry Retry   `json:"rejectedRetry,omitzero"`
	// PageKnown are the versions already read from the page that Next names.
	PageKnown HashSet `json:"pageKnown"`
	Counts    Counts  `json:"counts"`
	// Trail is what the pages were since the first one.
	Trail PageTrail `json:"trail,omitzero"`
	// Retry is set while the store does not give the page.
	Retry Retry `json:"retry,omitzero"`
	// Began is when the slice's first run began.
	Began time.Time `json:"began,omitzero"`
	// Listings is how many listings were started, Found what the last one found.
	Listings int `json:"listings,omitempty"`
	Found    int `json:"found,omitempty"`
	// NextID is the index of the next of the range's IDs.
	NextID int `json:"nextId,omitempty"`
	// Paused is set while the range is paused; Ready is when the rate lets the slice
	// publish again.
	Paused bool      `json:"paused,omitempty"`
	Ready  time.Time `json:"ready,omitzero"`
}

// CaptureSliceResult is what a slice gives its parent.
type CaptureSliceResult struct {
	// Salt is that of Published and Skipped, which are as in a TypeLedger.
	Salt      Salt    `json:"salt"`
	Published HashSet `json:"published"`
	Skipped   HashSet `json:"skipped,omitzero"`
	// Cancelled is set when its parent cancelled it before its last page. It is in the
	// result because the SDK encodes what a cancelled workflow reports without its ID.
	Cancelled bool `json:"cancelled,omitempty"`
	// Unswept is set when an operator, or UnsweptAfter, ended it before its last page,
	// which could not be read: its type is not swept.
	Unswept bool   `json:"unswept,omitempty"`
	Counts  Counts `json:"counts"`
}

// MaxPages is how many pages one HydratePage reads at most: 1,000 versions, so that an
// attempt costs little against what it reads, while the slice still publishes those of one
// attempt beside the reading of the next.
const MaxPages = 10

// HydratePageInput asks for pages of a slice.
type HydratePageInput struct {
	Origin Origin `json:"origin"`
	Type   string `json:"type"`
	Span   Span   `json:"span"`
	// Next is the link of the first of them; empty for the slice's first.
	Next string `json:"next,omitempty"`
	// Known are versions to leave out, by Salt: those that were read of the page that Next
	// names.
	Known HashSet `json:"known"`
	Salt  Salt    `json:"salt"`
	// Trail is what the pages before were.
	Trail PageTrail `json:"trail,omitzero"`
	// Pages is how many pages to read at most; 0 is MaxPages.
	Pages int `json:"pages,omitempty"`
	// List asks for ids and meta only: the result holds Listed, no Changes.
	List bool `json:"list,omitempty"`
	// Want asks for these versions, IDs for the current versions of these resources that
	// lie in the span: by reads, and for no search.
	Want []Version `json:"want,omitempty"`
	IDs  []string  `json:"ids,omitempty"`
}

// HydratePageResult is what was read of the pages.
type HydratePageResult struct {
	// State and Next are those of the last page: with PageMore, Next links to the page that
	// follows; with PageIncomplete it is the page's own, to be requested again with the
	// versions of this result in Known. They may be more than what was read of that page.
	State PageState `json:"state"`
	// Restart is set when the store rejected the page token: start the pages again.
	Restart bool      `json:"restart,omitempty"`
	Next    string    `json:"next,omitempty"`
	Changes []Change  `json:"changes,omitempty"`
	Listed  []Version `json:"listed,omitempty"`
	// Trail is for the request of the pages that follow.
	Trail PageTrail `json:"trail,omitzero"`
	// Unread and UnreadIDs are what of Want and IDs did not fit into this result.
	Unread    []Version `json:"unread,omitempty"`
	UnreadIDs []string  `json:"unreadIds,omitempty"`
	Counts    Counts    `json:"counts"`
}

// Bodies are those of the changes, which travel beside the result's JSON.
func (r HydratePageResult) Bodies() []*Body { return bodiesOf(r.Changes, nil) }
