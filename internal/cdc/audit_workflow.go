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
	// After is how old a span must be for a scheduled audit, and Horizon how far
	// back ledgers are relied on.
	After   time.Duration `json:"after,omitempty"`
	Horizon time.Duration `json:"horizon,omitempty"`
	// Skip puts what is missing into the ledgers as skipped, unpublished
	// (CDC_IMPORTS=summary).
	Skip bool `json:"skip,omitempty"`
	// DryRun only counts what is missing: nothing is healed or stated.
	DryRun bool `json:"dryRun,omitempty"`
	// NoStatements heals without stating.
	NoStatements bool `json:"noStatements,omitempty"`
	// Attributes tells whether our search attributes are registered.
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
	// the end of its track was, or is in Unsettled.
	Tracks []AuditTrack `json:"tracks,omitempty"`
	// Unsettled spans are audited and stated again at each run.
	Unsettled []UnsettledSpan `json:"unsettled,omitempty"`
	// Restate are settled spans to be stated anew in this run, for versions of
	// theirs that the audits of other spans found.
	Restate []AuditPart `json:"restate,omitempty"`
	// Found are those versions, within the horizon, and FoundDropped how many
	// more there were than are kept (VersionsAll).
	Found        []Version `json:"found,omitempty"`
	FoundDropped int       `json:"foundDropped,omitempty"`
	// Healed is how many versions were healed in stated spans, for statements
	// that are made anew (VersionsAll).
	Healed []HealedSpan `json:"healed,omitempty"`
	// Passed are spans that had grown older than the horizon, in this run, before
	// they were audited or settled.
	Passed []AuditPart `json:"passed,omitempty"`
	// Statements of an asked audit that tell of any version, and StatementsLeft
	// how many more there were than are kept.
	Statements     []Statement `json:"statements,omitempty"`
	StatementsLeft int         `json:"statementsLeft,omitempty"`
	// Totals are of this run.
	Totals AuditTotals `json:"totals"`
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

// UnsettledSpan is a span of which a window was open or unreadable, or anything was
// missing or refused, when it was last audited.
type UnsettledSpan struct {
	Span Span `json:"span"`
	// Types are those that are not settled, with where they stand.
	Types []UnsettledType `json:"types"`
	// Tries is how many runs have audited the span.
	Tries int `json:"tries"`
	// Stuck is how many runs in a row have healed it without progress.
	Stuck int `json:"stuck,omitempty"`
	// Tried tells that this run has.
	Tried bool `json:"tried,omitempty"`
}

// Why a type of a span is not settled.
const (
	UnsettledOpen       = "open"       // a window of the span is open
	UnsettledUnreadable = "unreadable" // a window's ledger cannot be read
	UnsettledMissing    = "missing"    // something is missing after healing
	UnsettledRefused    = "refused"    // the store did not list the type
	UnsettledUnstated   = "unstated"   // EventBridge refused the statement
	UnsettledIncomplete = "incomplete" // the store counts more versions than it lists
)

// UnsettledType is a type of an unsettled span.
type UnsettledType struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
	// Class is the store's error, with UnsettledRefused.
	Class Class `json:"class,omitempty"`
	// Missing after the last healing, and Healed in all runs so far.
	Missing int `json:"missing,omitempty"`
	Healed  int `json:"healed,omitempty"`
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
	// HistoryUnavailable is of how many resources the store gave no history.
	HistoryUnavailable int `json:"historyUnavailable,omitempty"`
	// MissingBytes and MissingReferences are a dry run's.
	MissingBytes      int64 `json:"missingBytes,omitempty"`
	MissingReferences int   `json:"missingReferences,omitempty"`
	// Windows were run to heal.
	Windows int `json:"windows"`
	// Refused types of spans had no figures.
	Refused int `json:"refused,omitempty"`
	// Open windows kept spans from being settled.
	Open   int    `json:"open,omitempty"`
	Counts Counts `json:"counts"`
}

// Add adds a statement's figures.
func (t *AuditTotals) Add(s Statement) {
	t.InStore += s.InStore
	t.Published += s.Published
	t.Missing += s.Missing
	t.Healed += s.Healed
	t.Skipped += s.Skipped
	t.Superseded += s.Superseded
	t.HistoryUnavailable += s.HistoryUnavailable
}

// AuditResult is what an audit leaves.
type AuditResult struct {
	Datastore string      `json:"datastore"`
	Totals    AuditTotals `json:"totals"`
	// Statements of an asked audit that tell of any version, Left how many more
	// there were than are kept.
	Statements []Statement `json:"statements,omitempty"`
	Left       int         `json:"left,omitempty"`
	// Unsettled spans of an asked audit.
	Unsettled []UnsettledSpan `json:"unsettled,omitempty"`
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
