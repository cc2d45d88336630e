package cdc

import "time"

// AuditInput starts an Audit: of what has settled since the last one (a schedule's),
// or of one span (asked for).
type AuditInput struct {
	Datastore string   `json:"datastore"`
	Types     []string `json:"types"`
	// Since is when a worker first put each type into the schedule. A scheduled
	// audit begins there, or at the start of the type's first window if that is
	// earlier.
	Since map[string]time.Time `json:"since,omitempty"`
	// Span is what was asked for; it is widened to windows' edges, and audited
	// however young it is. Nil is a scheduled audit.
	Span *Span `json:"span,omitempty"`
	// StartAt is until when an asked audit waits before it begins, so that search
	// has settled; zero is at once.
	StartAt time.Time `json:"startAt,omitzero"`
	// Versions is VersionsLatest or VersionsAll.
	Versions string `json:"versions"`
	// CapturedBy and SourceTime are of the windows that the audit runs. A zero
	// SourceTime is the audit's own start.
	CapturedBy string    `json:"capturedBy"`
	SourceTime time.Time `json:"sourceTime,omitzero"`
	// After is how old a span must be for a scheduled audit.
	After time.Duration `json:"after,omitempty"`
	// Horizon is how far back ledgers are relied on, at any moment: an audit that
	// waited, or a job that is followed, takes what has become older for unreadable.
	Horizon time.Duration `json:"horizon"`
	// Follow makes the audit follow an asynchronous job of whose end nothing is
	// reported: Span is [job's start - CDC_LOOKBACK, job's start + 1 s), and the time
	// range audited grows to the present, every two minutes from the job's start as
	// long as a round finds something that no window has or is about to publish, at
	// least for ten minutes and at most for three days. The statements come at the end.
	Follow bool `json:"follow,omitempty"`
	// Skip puts what is missing into the ledgers as skipped, unpublished
	// (CDC_IMPORTS=summary).
	Skip bool `json:"skip,omitempty"`
	// DryRun only counts what is missing: nothing is healed or stated.
	DryRun bool `json:"dryRun,omitempty"`
	// NoStatements heals without stating.
	NoStatements bool `json:"noStatements,omitempty"`
	// Attributes is set when our search attributes are registered.
	Attributes bool `json:"attributes,omitempty"`
	// Owner is the fleet that captures the datastore into the namespace; zero in
	// audits that were asked for.
	Owner Owner `json:"owner,omitzero"`
	// Resume is where the audit goes on after a continue-as-new.
	Resume *AuditState `json:"resume,omitempty"`
}

// Owner says which fleet captures a datastore into a namespace. There is one: the
// IDs of windows name the datastore only, so that two fleets would each get a part.
type Owner struct {
	TaskQueue string `json:"taskQueue"`
	// Bus is the name or ARN of the event bus, as the settings have it.
	Bus string `json:"bus"`
}

func (o Owner) String() string { return "task queue " + o.TaskQueue + ", event bus " + o.Bus }

// AuditState is what an audit carries over a continue-as-new, and what a scheduled
// one leaves to the next.
type AuditState struct {
	// Begun is when the run began; a run keeps it over a continue-as-new.
	Begun time.Time `json:"begun"`
	// Tracks tell, by types, which spans were stated: everything of a type before
	// the end of its track was, or is in Unresolved.
	Tracks []AuditTrack `json:"tracks,omitempty"`
	// Unresolved spans are audited and stated again at each run.
	Unresolved []UnresolvedSpan `json:"unresolved,omitempty"`
	// Restate are complete spans to be stated anew in this run, for versions of
	// theirs that the audits of other spans found.
	Restate []AuditPart `json:"restate,omitempty"`
	// Found are those versions, within the horizon, and FoundDropped how many
	// more there were than are kept (VersionsAll).
	Found        []Version `json:"found,omitempty"`
	FoundDropped int       `json:"foundDropped,omitempty"`
	// Healed is how many versions were healed in stated spans, for statements
	// that are made anew (VersionsAll).
	Healed []HealedSpan `json:"healed,omitempty"`
	// Expired are spans that had grown older than the horizon, in this run, before
	// they were audited or complete.
	Expired []AuditPart `json:"expired,omitempty"`
	// Statements of an asked audit that tell of any version, and StatementsOmitted
	// how many more there were than are kept.
	Statements        []Statement `json:"statements,omitempty"`
	StatementsOmitted int         `json:"statementsOmitted,omitempty"`
	// Totals are of this run.
	Totals AuditTotals `json:"totals"`
	// Follow is how far the audit has followed a job; nil of any other audit.
	Follow *FollowState `json:"follow,omitempty"`
}

// FollowState is how far an audit has followed a job: in rounds, of which each heals
// what is new, and at the end as an audit of the whole span, which states it.
type FollowState struct {
	// Rounds were begun, the last one at Began.
	Rounds int       `json:"rounds"`
	Began  time.Time `json:"began"`
	// Until is the end of what the round audits, on a window's edge.
	Until time.Time `json:"until"`
	// Found is set when the round has found something new, and Last is when the last
	// round began that did: at first the job's start.
	Found bool      `json:"found,omitempty"`
	Last  time.Time `json:"last"`
	// Unlisted is set when a type could not be listed in the round for a reason that
	// may pass: whether there is anything new is not known then.
	Unlisted bool `json:"unlisted,omitempty"`
	// From is the beginning of the oldest window in which the round left something
	// undone; zero without any.
	From time.Time `json:"from,omitzero"`
	// Stating is set when the rounds are over and the span is stated.
	Stating bool `json:"stating,omitempty"`
}

// AuditTrack is a row of spans that lie end to end, the same for all its types.
type AuditTrack struct {
	Types []string `json:"types"`
	// Edges are those of the spans: n+1 edges of n spans. Those older than the
	// horizon are dropped, but for the last.
	Edges Edges `json:"edges"`
}

// Through is the end of the track's last span.
func (t AuditTrack) Through() time.Time { return t.Edges[len(t.Edges)-1] }

// AuditPart is a span of some types.
type AuditPart struct {
	Span  Span     `json:"span"`
	Types []string `json:"types"`
}

// UnresolvedSpan is a span of which anything was missing, not published yet, not known
// or refused when it was last audited.
type UnresolvedSpan struct {
	Span Span `json:"span"`
	// Types are those that are not complete, with where they stand.
	Types []UnresolvedType `json:"types"`
	// Tries is how many runs have audited the span.
	Tries int `json:"tries"`
	// Stuck is how many runs in a row have healed it without progress.
	Stuck int `json:"stuck,omitempty"`
	// Tried tells that this run has.
	Tried bool `json:"tried,omitempty"`
}

// Why a type of a span is not complete.
const (
	UnresolvedOpen        = "open"        // an open window has not published everything
	UnresolvedUnreadable  = "unreadable"  // a window's ledger cannot be read, or is older than the horizon
	UnresolvedMissing     = "missing"     // something is missing after healing
	UnresolvedUnavailable = "unavailable" // the store did not list the type
	UnresolvedUnstated    = "unstated"    // EventBridge refused the statement
	UnresolvedIncomplete  = "incomplete"  // the store counts more versions than it lists
)

// UnresolvedType is a type of an unresolved span.
type UnresolvedType struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
	// Class is the store's error, with UnresolvedUnavailable.
	Class Class `json:"class,omitempty"`
	// Missing after the last healing, and Healed in all runs so far.
	Missing int `json:"missing,omitempty"`
	Healed  int `json:"healed,omitempty"`
	// Open and Unknown are as in TypeAudit.
	Open    int `json:"open,omitempty"`
	Unknown int `json:"unknown,omitempty"`
}

// HealedSpan is how many versions of a stated span were healed, by type.
type HealedSpan struct {
	Span  Span           `json:"span"`
	Types map[string]int `json:"types"`
}

// AuditTotals are the figures of one run: of each span's last statement, or of what
// a dry run would have found to do.
type AuditTotals struct {
	// Spans were audited, Stated statements published.
	Spans  int `json:"spans"`
	Stated int `json:"stated"`
	// Versions, as in statements.
	InStore    int `json:"inStore"`
	Published  int `json:"published"`
	Missing    int `json:"missing"`
	Healed     int `json:"healed"`
	Skipped    int `json:"skipped"`
	Superseded int `json:"superseded"`
	Open       int `json:"open"`
	Unreadable int `json:"unreadable"`
	// Deletes of the spans, as in statements.
	Deletes DeleteCounts `json:"deletes"`
	// Unknown versions are in no figure above, and in no statement: their window's
	// ledger cannot be read, or is older than the horizon.
	Unknown int `json:"unknown,omitempty"`
	// HistoryUnavailable is of how many resources the store gave no history.
	HistoryUnavailable int `json:"historyUnavailable,omitempty"`
	// MissingBytes and MissingReferences are a dry run's.
	MissingBytes      int64 `json:"missingBytes,omitempty"`
	MissingReferences int   `json:"missingReferences,omitempty"`
	// Windows were run to heal.
	Windows int `json:"windows"`
	// OpenWindows were open when their spans were last looked at.
	OpenWindows int    `json:"openWindows,omitempty"`
	Counts      Counts `json:"counts"`
}

// Add adds a statement's figures.
func (t *AuditTotals) Add(s Statement) {
	t.InStore += s.InStore
	t.Published += s.Published
	t.Missing += s.Missing
	t.Healed += s.Healed
	t.Skipped += s.Skipped
	t.Superseded += s.Superseded
	t.Open += s.Open
	t.Unreadable += s.Unreadable
	t.Deletes.Add(s.Deletes)
	t.HistoryUnavailable += s.HistoryUnavailable
}

// AuditResult is what an audit leaves.
type AuditResult struct {
	Datastore string      `json:"datastore"`
	Totals    AuditTotals `json:"totals"`
	// Statements of an asked audit that tell of any version, Left how many more
	// there were than are kept.
	Statements        []Statement `json:"statements,omitempty"`
	StatementsOmitted int         `json:"statementsOmitted,omitempty"`
	// Unresolved spans of an asked audit.
	Unresolved []UnresolvedSpan `json:"unresolved,omitempty"`
	// State is what a scheduled audit leaves to the next.
	State *AuditState `json:"state,omitempty"`
}

// FirstWindowsInput asks which windows first swept types of a store.
type FirstWindowsInput struct {
	Datastore string `json:"datastore"`
	// Types to ask for, with the time before which to look.
	Types map[string]time.Time `json:"types"`
	// From is how far back to look.
	From time.Time `json:"from"`
}

// FirstWindowsResult holds the start of the first window that swept each type. A
// type that none swept before its time is absent.
type FirstWindowsResult struct {
	Starts map[string]time.Time `json:"starts"`
}
