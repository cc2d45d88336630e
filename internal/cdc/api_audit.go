package cdc

import "time"

// Values of CDC_VERSIONS, and of a statement's versions.
const (
	VersionsLatest = "latest" // what search shows
	VersionsAll    = "all"    // and what history has of replaced versions
)

// AuditInput starts an Audit: the schedule's, of what became old enough since the last
// one, or one of a given span.
type AuditInput struct {
	Datastore string   `json:"datastore"`
	Types     []string `json:"types"`
	// Since is when a worker first put each type into the schedule: its scheduled audits
	// begin there, or with the store's first window if that is earlier and swept it.
	Since map[string]time.Time `json:"since,omitempty"`
	// Span is widened to windows' edges; nil is a scheduled audit.
	Span *Span `json:"span,omitempty"`
	// StartAt is when an audit of a span starts, so that search has settled.
	StartAt time.Time `json:"startAt,omitzero"`
	// Versions is VersionsLatest or VersionsAll.
	Versions string `json:"versions"`
	// Cause is that of the windows it runs, all in bulk. A zero SourceTime is the audit's
	// start.
	Cause
	// After is how old a span must be for a scheduled audit.
	After time.Duration `json:"after,omitempty"`
	// Horizon is how far back ledgers are relied on, at any moment: what becomes older
	// while an audit waits is unknown.
	Horizon time.Duration `json:"horizon"`
	// Follow makes the audit follow an asynchronous job of whose end nothing is reported:
	// Span is [job's start - CDC_LOOKBACK, job's start + 1 s), and rounds extend it to the
	// present until one finds nothing new. The statements come at the end.
	Follow bool `json:"follow,omitempty"`
	// Skip puts what is missing into the ledgers as skipped, unpublished.
	Skip bool `json:"skip,omitempty"`
	// DryRun only counts what is missing: nothing is healed or stated.
	DryRun       bool `json:"dryRun,omitempty"`
	NoStatements bool `json:"noStatements,omitempty"`
	// Attributes is set when our search attributes are registered.
	Attributes bool `json:"attributes,omitempty"`
	// Owner is zero without a schedule.
	Owner Owner `json:"owner,omitzero"`
	// Resume is where the audit goes on after a continue-as-new.
	Resume *AuditState `json:"resume,omitempty"`
}

// Owner is the fleet that captures a datastore into a namespace: there is one, since the
// IDs of windows name the datastore only.
type Owner struct {
	TaskQueue string `json:"taskQueue"`
	// Bus is the name or ARN of the event bus, as the settings have it.
	Bus string `json:"bus"`
}

func (o Owner) String() string { return "task queue " + o.TaskQueue + ", event bus " + o.Bus }

// AuditTotals are the figures of one run.
type AuditTotals struct {
	// Spans were audited, Stated statements published.
	Spans  int `json:"spans"`
	Stated int `json:"stated"`
	AuditFigures
	// Unknown versions are in no figure above: see TypeAudit.
	Unknown int `json:"unknown,omitempty"`
	// MissingBytes and MissingReferences are a dry run's.
	MissingBytes      int64 `json:"missingBytes,omitempty"`
	MissingReferences int   `json:"missingReferences,omitempty"`
	// Windows were run to heal.
	Windows int    `json:"windows"`
	Counts  Counts `json:"counts"`
}

// AuditFigures count versions.
type AuditFigures struct {
	// InStore = Published + Missing + Skipped + Open; Healed is part of Published.
	InStore   int `json:"inStore"`
	Published int `json:"published"`
	Missing   int `json:"missing"`
	Healed    int `json:"healed"`
	Skipped   int `json:"skipped"`
	// Superseded were published and are no longer shown.
	Superseded int          `json:"superseded"`
	Deletes    DeleteCounts `json:"deletes"`
	// Open are not published yet, by windows that are open and sweep the type.
	Open int `json:"open"`
	// Unreadable are entries that search shows and that are no readable version.
	Unreadable int `json:"unreadable"`
}

// Add adds other's figures.
func (f *AuditFigures) Add(other AuditFigures) {
	f.InStore += other.InStore
	f.Published += other.Published
	f.Missing += other.Missing
	f.Healed += other.Healed
	f.Skipped += other.Skipped
	f.Superseded += other.Superseded
	f.Deletes.Add(other.Deletes)
	f.Open += other.Open
	f.Unreadable += other.Unreadable
}

// FirstWindowInput looks for the first window in a span that a trigger opened.
type FirstWindowInput struct {
	Datastore string `json:"datastore"`
	Span      Span   `json:"span"`
}

// FirstWindowResult is the window's start and the types that it swept; zero for none.
type FirstWindowResult struct {
	Start time.Time `json:"start,omitzero"`
	Types []string  `json:"types,omitempty"`
}

// AuditSpanInput compares what the store holds of a span with its windows' ledgers.
type AuditSpanInput struct {
	Datastore string `json:"datastore"`
	// Span lies on windows' edges.
	Span  Span     `json:"span"`
	Types []string `json:"types"`
	// Versions is VersionsLatest or VersionsAll.
	Versions string `json:"versions"`
	// Since is where the audit of each type begins, with VersionsAll: earlier versions
	// that history shows are not audited. A type without one begins with the span.
	Since map[string]time.Time `json:"since,omitempty"`
	// Found are versions of the span that search no longer shows and that audits of
	// other spans found in history: their resources' histories are read too.
	Found []Version `json:"found,omitempty"`
	// Measure reads the bodies of what is missing, for a dry run's figures.
	Measure bool `json:"measure,omitempty"`
	// Horizon and ExpiryGrace: ledgers of windows that are older, when they are read, may
	// be gone, and count as unknown.
	Horizon time.Duration `json:"horizon"`
	// Attributes is set when deletes are found by the search attribute CdcWindowStart.
	Attributes bool `json:"attributes,omitempty"`
}

// ExpiryGrace is how much older than the horizon a window may have become since the
// audit started. It is half of what the horizon leaves of the namespace's retention
// (CDC_AUDIT_HORIZON: two hours at least).
const ExpiryGrace = time.Hour

// AuditSpanResult is what an audit of a span found.
type AuditSpanResult struct {
	// Split is set, and nothing else, when a type has more versions in the span than one
	// listing should hold: its halves are to be audited instead.
	Split bool        `json:"split,omitempty"`
	Types []TypeAudit `json:"types,omitempty"`
	// Windows are those that miss something, are open or cannot be read, oldest first.
	Windows []WindowGap `json:"windows,omitempty"`
	// Earlier are versions before the span that are in no ledger (VersionsAll).
	Earlier []Version `json:"earlier,omitempty"`
	Counts  Counts    `json:"counts"`
}

// TypeAudit is what an audit found of one type in a span.
type TypeAudit struct {
	Type string `json:"type"`
	// Unavailable is why the store did not list the type; there are no figures then.
	Unavailable Class `json:"unavailable,omitempty"`
	// AuditFigures without Healed. InStore counts the Unknown, too.
	AuditFigures
	// Unknown are versions of windows whose ledger cannot be read, or is older than the
	// horizon: whether they were published is not known. With any there is no statement.
	Unknown int `json:"unknown,omitempty"`
	// OpenWindows is how many windows are open and sweep the type.
	OpenWindows int `json:"openWindows,omitempty"`
	// Incomplete is set when the store counts more versions than it lists.
	Incomplete bool `json:"incomplete,omitempty"`
	// Digest is of the idempotency keys of what is in the store: see Statement.
	Digest string `json:"digest"`
	// HistoryUnavailable is for how many resources the store has no history (VersionsAll).
	HistoryUnavailable int `json:"historyUnavailable,omitempty"`
	// MissingBytes and MissingReferences are those of the missing versions, with Measure.
	MissingBytes      int64 `json:"missingBytes,omitempty"`
	MissingReferences int   `json:"missingReferences,omitempty"`
}

// DeleteCounts are the deletes of a span.
type DeleteCounts struct {
	Exact      int `json:"exact"`
	Unresolved int `json:"unresolved"`
	// Contradicted ones were not published: the store shows the resource alive.
	Contradicted int `json:"contradicted"`
}

// Add adds other's figures.
func (c *DeleteCounts) Add(other DeleteCounts) {
	c.Exact += other.Exact
	c.Unresolved += other.Unresolved
	c.Contradicted += other.Contradicted
}

// WindowGap is a window that needs something.
type WindowGap struct {
	Start time.Time `json:"start"`
	// Run is the number of the window's newest run, -1 when it never ran.
	Run int `json:"run"`
	// Open is set when the newest run has not closed, Waiting when it waits for an
	// operator, as far as CdcState shows it, NoLedger when its ledger cannot be read.
	Open     bool `json:"open,omitempty"`
	Waiting  bool `json:"waiting,omitempty"`
	NoLedger bool `json:"noLedger,omitempty"`
	// Missing versions, and their types in alphabetical order.
	Missing int      `json:"missing,omitempty"`
	Types   []string `json:"types,omitempty"`
	// Wanted are the missing versions that search does not show.
	Wanted []Version `json:"wanted,omitempty"`
}

// HealInput runs windows that miss something.
type HealInput struct {
	Datastore string      `json:"datastore"`
	Windows   []WindowGap `json:"windows"`
	// Cause is that of the windows.
	Cause
	// Skip and Horizon are as in AuditInput.
	Skip    bool          `json:"skip,omitempty"`
	Horizon time.Duration `json:"horizon"`
}

// HealResult is how many windows were started, by any attempt.
type HealResult struct {
	Started int `json:"started"`
}
