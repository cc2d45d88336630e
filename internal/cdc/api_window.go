package cdc

import "time"

// CaptureWindowInput starts a CaptureWindow. Everything that shapes the workflow is in
// it: workers with other settings can go on with the window.
type CaptureWindowInput struct {
	Window Window `json:"window"`
	// Rerun is n in the ID {window}/r{n}, 0 for the first run. A rerun reads the
	// ledger of run n-1 first and makes one pass.
	Rerun int `json:"rerun,omitempty"`
	// Salt is that of the window's ledger, of a rerun's where the one that it reads first
	// has none.
	Salt Salt `json:"salt"`
	// Types are the resource types to sweep.
	Types []string `json:"types"`
	// Passes are the delays of the passes after the window's end, ascending.
	Passes []time.Duration `json:"passes"`
	// Cause is what opened the window.
	Cause
	// Attributes is set when our search attributes are registered.
	Attributes bool `json:"attributes,omitempty"`
	// Audited is set when the store's audits are on: see UnsweptAfter.
	Audited bool `json:"audited,omitempty"`
	// Wanted are versions that search does not show any more: the window reads them
	// from history, ahead of its passes. One that is gone there too is omitted.
	Wanted []Version `json:"wanted,omitempty"`
	// Skip puts what the window finds into its ledger as skipped, unpublished. No body
	// is read.
	Skip bool `json:"skip,omitempty"`
	// Resume is where the window goes on after a continue-as-new.
	Resume *WindowState `json:"resume,omitempty"`
}

// WindowRun is how one run of a window differs from another.
type WindowRun struct {
	// Types to sweep; empty means all that are configured.
	Types []string
	// Wanted are versions that search does not show.
	Wanted []Version
	Cause
	// Skip puts what the run finds into the ledger as skipped, unpublished.
	Skip bool
}

// WindowState is what a window carries over a continue-as-new.
type WindowState struct {
	Ledger Ledger      `json:"ledger"`
	Types  []TypeState `json:"types"`
	Counts Counts      `json:"counts"`
	// Slices is how many slices the window has started.
	Slices int `json:"slices"`
	// Rejected are the versions, by type, that EventBridge rejected: bodies, to be read
	// again, are not carried over. RejectedRetry says when they are tried again.
	Rejected      map[string]HashSet `json:"rejected,omitempty"`
	RejectedRetry Retry              `json:"rejectedRetry,omitzero"`
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
	// Lost are the workflow IDs of slices that did not complete: their ledgers are read
	// first.
	Lost []string `json:"lost,omitempty"`
	// Closed is set when no further pass is due.
	Closed bool `json:"closed,omitempty"`
}

// CaptureWindowResult is a closed window's ledger, for reruns, audits and `explain`.
type CaptureWindowResult struct {
	Ledger Ledger `json:"ledger"`
	Counts Counts `json:"counts"`
}

// HydrateInput asks for pages of several types of one window.
type HydrateInput struct {
	Origin Origin `json:"origin"`
	Window Window `json:"window"`
	// Salt is that of the requests' Known.
	Salt Salt `json:"salt"`
	// Requests are worked off in order, until the result is full.
	Requests []PageRequest `json:"requests"`
	// AllTypes is set when every open type is requested.
	AllTypes bool `json:"allTypes,omitempty"`
	// FailIfAllUnavailable makes an attempt for all types that can read none of them fail:
	// Temporal retries it, which leaves nothing in the history. After some minutes, or
	// without it, they are PageUnavailable.
	FailIfAllUnavailable bool `json:"failIfAllUnavailable,omitempty"`
	// List asks for ids and meta only: the changes have no bodies.
	List bool `json:"list,omitempty"`
}

// PageRequest asks for a page of one type.
type PageRequest struct {
	Type string `json:"type"`
	// Next is the link of a further page, empty for the first.
	Next string `json:"next,omitempty"`
	// Known are the versions to leave out.
	Known HashSet `json:"known"`
	// Confirm asks the store for ids and meta only, and reads the bodies Known lacks.
	Confirm bool `json:"confirm,omitempty"`
	// Trail is what the pages before this one were.
	Trail PageTrail `json:"trail,omitzero"`
}

// PageState says how far a PageRequest got.
type PageState string

const (
	// PageDone: the type's last page was read and all of it is in the result.
	PageDone PageState = "done"
	// PageMore: the page is in the result, Next links to the following one.
	PageMore PageState = "more"
	// PageIncomplete: the page was not read, or did not fit wholly. Request Next (the
	// same page) again, with what the result holds in Known.
	PageIncomplete PageState = "incomplete"
	// PageUnavailable: the store did not give the page; Class says why.
	PageUnavailable PageState = "unavailable"
)

// PageResult is what a PageRequest brought.
type PageResult struct {
	Type  string    `json:"type"`
	State PageState `json:"state"`
	Next  string    `json:"next,omitempty"`
	// Remaining is how many matches the store counts beyond this page, -1 if it does not.
	Remaining int      `json:"remaining"`
	Changes   []Change `json:"changes,omitempty"`
	Class     Class    `json:"class,omitempty"`
	// RetryAfter is how long the store asked to wait, with PageUnavailable.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
	// Trail is for the request of the page that follows.
	Trail PageTrail `json:"trail,omitzero"`
}

// HydrateResult holds at most MaxResultBytes, and at least one version.
type HydrateResult struct {
	// Pages are in the order of the requests.
	Pages  []PageResult `json:"pages"`
	Counts Counts       `json:"counts"`
	// StoreTime is the earliest Date header of the responses; zero if none had one.
	StoreTime time.Time `json:"storeTime"`
}

// Bodies are those of all pages' changes, which travel beside the result's JSON.
func (r HydrateResult) Bodies() (all []*Body) {
	for _, page := range r.Pages {
		all = bodiesOf(page.Changes, all)
	}
	return all
}

// MaxResultBytes bounds one activity result: what names its versions, and their bodies
// packed. A payload may have 2 MiB (Temporal's blob size limit).
const MaxResultBytes = 1 << 20

// MaxResultBodies bounds the bodies of one activity result before they are packed, and
// with it the memory of whoever publishes them.
const MaxResultBodies = 4 << 20

// LedgerInput names the window's run or the slice whose ledger is to be read.
type LedgerInput struct {
	WorkflowID string `json:"workflowId"`
}
