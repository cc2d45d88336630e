package cdc

import "time"

// HydrateInput asks for pages of several types of one window.
type HydrateInput struct {
	Origin Origin `json:"origin"`
	Window Window `json:"window"`
	// Salt is that of the requests' Known.
	Salt Salt `json:"salt"`
	// Requests are worked off in order, until the result is full.
	Requests []PageRequest `json:"requests"`
	// AllTypes is set when every open type is requested: only such an attempt shows
	// whether the store as a whole fails.
	AllTypes bool `json:"allTypes,omitempty"`
	// FailIfAllUnavailable makes an attempt for all types fail that can read none of
	// them, for a reason that may pass: Temporal retries it, which leaves nothing in
	// the history. After some minutes, or without it, they are PageUnavailable.
	FailIfAllUnavailable bool `json:"failIfAllUnavailable,omitempty"`
	// List asks for ids and meta only: the changes have no bodies, and are for the
	// ledger and not for the bus.
	List bool `json:"list,omitempty"`
}

// PageRequest asks for a page of one type.
type PageRequest struct {
	Type string `json:"type"`
	// Next is the link of a further page, empty for the first.
	Next string `json:"next,omitempty"`
	// Known are the versions to leave out.
	Known HashSet `json:"known"`
	// Confirm asks the store for ids and meta only, and reads the bodies that
	// Known lacks.
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
	// Remaining is how many matches the store counts beyond this page, -1 when
	// it does not count them.
	Remaining int      `json:"remaining"`
	Changes   []Change `json:"changes,omitempty"`
	Class     Class    `json:"class,omitempty"`
	// RetryAfter is how long the store asked to wait, with PageUnavailable.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
	// Trail is for the request of the page that follows.
	Trail PageTrail `json:"trail,omitzero"`
}

// HydrateResult holds at most MaxResultBytes of bodies, and at least one.
type HydrateResult struct {
	// Pages are in the order of the requests.
	Pages  []PageResult `json:"pages"`
	Counts Counts       `json:"counts"`
	// StoreTime is the earliest Date header of the store's responses; zero if none
	// had one.
	StoreTime time.Time `json:"storeTime"`
}

// MaxResultBytes bounds the raw bodies in one activity result: base64 makes a
// third more of them, and a payload may have 2 MiB (Temporal's blob size limit).
const MaxResultBytes = 1 << 20

// HydratePageInput asks for one page of a slice.
type HydratePageInput struct {
	Origin Origin `json:"origin"`
	Type   string `json:"type"`
	Span   Span   `json:"span"`
	Next   string `json:"next,omitempty"`
	// Known are the versions of this page to leave out, by Salt.
	Known HashSet `json:"known"`
	Salt  Salt    `json:"salt"`
	// List asks for ids and meta only: the result holds Listed, no Changes.
	List bool `json:"list,omitempty"`
	// Want asks for the bodies of these versions, by reads, and for no search.
	Want []Version `json:"want,omitempty"`
	// IDs asks for the current versions of these resources, by reads, and for no
	// search. Those that lie in the span are the page.
	IDs []string `json:"ids,omitempty"`
}

// HydratePageResult is one page.
type HydratePageResult struct {
	State PageState `json:"state"`
	// Restart is set when the store rejected the page token: start the pages again.
	Restart bool      `json:"restart,omitempty"`
	Next    string    `json:"next,omitempty"`
	Changes []Change  `json:"changes,omitempty"`
	Listed  []Version `json:"listed,omitempty"`
	// Content stands for everything that the page held; see PageTrail.
	Content Hash `json:"content,omitempty"`
	// Unread are the wanted versions that did not fit into this result.
	Unread []Version `json:"unread,omitempty"`
	// UnreadIDs are the asked resources that did not fit into this result.
	UnreadIDs []string `json:"unreadIds,omitempty"`
	Counts    Counts   `json:"counts"`
}

// CountInput asks how many versions search shows of one type in a span.
type CountInput struct {
	Datastore string `json:"datastore"`
	Type      string `json:"type"`
	Span      Span   `json:"span"`
}

// PublishInput is a batch of changes, one delete, or a span's statements, to put
// on the bus.
type PublishInput struct {
	Origin     Origin      `json:"origin"`
	Changes    []Change    `json:"changes,omitempty"`
	Delete     *Delete     `json:"delete,omitempty"`
	Statements []Statement `json:"statements,omitempty"`
	// Bus is the name or ARN of another bus than CDC_EVENT_BUS (a replay's).
	Bus string `json:"bus,omitempty"`
	// Accepted are the ids that EventBridge gave in an earlier Publish of the same
	// input, in its order; empty where it gave none.
	Accepted []string `json:"accepted,omitempty"`
	// Weigh asks for the result's Bytes and Events.
	Weigh bool `json:"weigh,omitempty"`
}

// PublishResult tells what EventBridge accepted, in the order of the input.
type PublishResult struct {
	// EventIDs are EventBridge's, one an entry; empty where it was rejected, or where a
	// Publish that was cancelled did not come to it.
	EventIDs []string `json:"eventIds"`
	// Rejected are the entries that EventBridge will not take as they are.
	Rejected []Rejection `json:"rejected,omitempty"`
	// Bytes of the bodies that were accepted, and Events as EventBridge bills them:
	// see Counts.
	Bytes  int64 `json:"bytes,omitempty"`
	Events int   `json:"events,omitempty"`
}

// Rejection is an entry that EventBridge will not accept as it is.
type Rejection struct {
	// Index into the input's changes.
	Index int `json:"index"`
	// Code is EventBridge's error code.
	Code string `json:"code"`
}

// LedgerInput names the execution whose ledger is to be read: a window's run or
// a slice.
type LedgerInput struct {
	WorkflowID string `json:"workflowId"`
}

// ReadDeleteInput asks what the store says of a resource that a record or a
// notification calls deleted.
type ReadDeleteInput struct {
	Origin Origin `json:"origin"`
	Delete Delete `json:"delete"`
}

// ReadDeleteResult is what the store says of a delete. It is confirmed when Gone or
// when there is a Tombstone.
type ReadDeleteResult struct {
	// Gone is set when a read of the resource finds nothing, or a tombstone.
	Gone bool `json:"gone,omitempty"`
	// Final is set when asking again later would bring nothing more: history has
	// the delete, or there is no history of the resource, which is gone.
	Final bool `json:"final,omitempty"`
	// Tombstone is the delete in history. Unless Final it is that of an earlier
	// delete, after which history has nothing so far.
	Tombstone *Tombstone `json:"tombstone,omitempty"`
	// NoHistory is the class of the error when the store does not let us look at the
	// history of a resource that is gone.
	NoHistory Class  `json:"noHistory,omitempty"`
	Counts    Counts `json:"counts"`
}

// Confirmed reports whether the store says that the delete was made.
func (r ReadDeleteResult) Confirmed() bool { return r.Gone || r.Tombstone != nil }
