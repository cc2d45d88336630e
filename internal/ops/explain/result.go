package explain

import "time"

// Verdict is the result in one word.
type Verdict string

// The verdicts.
const (
	// Published: EventBridge accepted the version.
	Published Verdict = "published"
	// Publishing: it is in a Publish that has not ended.
	Publishing Verdict = "publishing"
	// WaitingForPass: its window is open and has not published it yet.
	WaitingForPass Verdict = "waiting_for_pass"
	// WaitingForTrigger: its window is not open, and a trigger may still come.
	WaitingForTrigger Verdict = "waiting_for_trigger"
	// NoTrigger: its window does not exist, and no trigger is expected.
	NoTrigger Verdict = "no_trigger"
	// WaitingForOperator: EventBridge rejects it, or its type cannot be read
	// until someone does something.
	WaitingForOperator Verdict = "waiting_for_operator"
	// Superseded: it was replaced, and its window has closed without it.
	Superseded Verdict = "superseded"
	// Missed: its window has closed without it, although it is the newest.
	Missed Verdict = "missed"
	// Skipped: an operator skipped it, or CDC_IMPORTS says not to publish it.
	Skipped Verdict = "skipped"
	// Deleted: the resource is deleted.
	Deleted Verdict = "deleted"
	// UnconfiguredType: its type is not in CDC_RESOURCE_TYPES.
	UnconfiguredType Verdict = "unconfigured_type"
	// NeverExisted: the store knows no such resource or version.
	NeverExisted Verdict = "never_existed"
	// OlderThanRetention: it exists, and its window may have expired.
	OlderThanRetention Verdict = "older_than_retention"
	// NoHistory: it existed, and the store does not say when.
	NoHistory Verdict = "no_history"
)

// Result is what happened to one version. Fields of its JSON are added, never renamed.
type Result struct {
	Datastore string `json:"datastore"`
	Type      string `json:"resourceType"`
	ID        string `json:"resourceId"`
	// Version is the one that was asked for, else the current one, else the last one
	// before the delete. Empty when not known.
	Version     string  `json:"versionId,omitempty"`
	LastUpdated string  `json:"lastUpdated,omitempty"`
	Verdict     Verdict `json:"verdict"`
	// Reason explains the verdict in one or more sentences.
	Reason string `json:"reason"`
	// Advice says what to do, empty where nothing.
	Advice string `json:"advice,omitempty"`
	Store  Stored `json:"store"`
	// Window is nil when the version's time is not known.
	Window      *Window      `json:"window,omitempty"`
	Publication *Publication `json:"published,omitempty"`
	// Replays are those that published it, of the newest in the namespace.
	Replays []Replay `json:"replays,omitempty"`
}

// Standing is how a version stands in its store.
type Standing string

// The standings.
const (
	Current    Standing = "current"
	Replaced   Standing = "replaced"
	Gone       Standing = "deleted"        // the resource is deleted
	Tombstone  Standing = "delete"         // the version is the delete itself
	Absent     Standing = "absent"         // no such resource
	NotWritten Standing = "not_written"    // the resource has no such version yet
	NotStored  Standing = "not_in_history" // an older version that history does not have
)

// Stored is how the version stands in its store.
type Stored struct {
	Standing Standing `json:"standing"`
	// CurrentVersion is the newest version, empty when it is not known.
	CurrentVersion string `json:"currentVersion,omitempty"`
	// ReplacedBy is the version that replaced it, empty when it is not known;
	// ReplacedAt is its lastUpdated, zero when it is not known.
	ReplacedBy string    `json:"replacedBy,omitempty"`
	ReplacedAt time.Time `json:"replacedAt,omitzero"`
	// ByDelete is set when a delete replaced it.
	ByDelete bool `json:"replacedByDelete,omitempty"`
	// AtLatest is set when ReplacedBy is the newest version, because history does not
	// have the one that followed: it was replaced then or before.
	AtLatest bool `json:"atLatest,omitempty"`
}

// Window is the window that the version lies in, with all its runs.
type Window struct {
	WorkflowID string    `json:"workflowId"`
	Start      time.Time `json:"start"`
	End        time.Time `json:"end"`
	// Runs are the executions that the namespace still has, the first run first.
	Runs []*Run `json:"runs,omitempty"`
	// NextStep is when an open window searches the type again.
	NextStep time.Time `json:"nextStep,omitzero"`
	// Blocked is the error class of the last try.
	Blocked string `json:"blocked,omitempty"`
}

// Run is one execution of a window: the first run or a rerun.
type Run struct {
	WorkflowID string    `json:"workflowId"`
	Status     string    `json:"status"`
	Started    time.Time `json:"started"`
	Closed     time.Time `json:"closed,omitzero"`
	// CapturedBy and SourceTime are of the trigger that opened it.
	CapturedBy string    `json:"capturedBy,omitempty"`
	SourceTime time.Time `json:"sourceTime,omitzero"`
	// Skips is set when it puts what it finds into its ledger as skipped, unpublished
	// (CDC_IMPORTS).
	Skips bool `json:"skips,omitempty"`
	// Searched is set when it searched the type, and Has when its ledger holds the version.
	// An open run has no ledger yet.
	Searched bool   `json:"searched"`
	Has      bool   `json:"inLedger"`
	URL      string `json:"url"`
}

// Publication is the publishing of the version, or the attempt at it.
type Publication struct {
	WorkflowID string `json:"workflowId"`
	// EventID is EventBridge's; empty when the history that held it is gone, or
	// nothing was accepted.
	EventID string    `json:"eventId,omitempty"`
	At      time.Time `json:"at,omitzero"`
	// Attempt counts from 1; Step is what found the version, as the Temporal UI
	// shows it: "pass 2: 36 types".
	Attempt int    `json:"attempt,omitempty"`
	Step    string `json:"step,omitempty"`
	// Pass counts from 1; 0 when not known, and for versions found by a slice.
	Pass    int    `json:"pass,omitempty"`
	Payload string `json:"payload,omitempty"`
	// PayloadReason says why the payload is a reference.
	PayloadReason string    `json:"payloadReason,omitempty"`
	CapturedBy    string    `json:"capturedBy,omitempty"`
	SourceTime    time.Time `json:"sourceTime,omitzero"`
	Replay        string    `json:"replay,omitempty"`
	// Rejected is EventBridge's error code, where it rejected the version.
	Rejected string `json:"rejected,omitempty"`
	URL      string `json:"url"`

	activityID string
}

// Replay is a replay that published the version once more.
type Replay struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	URL  string    `json:"url"`

	slice string // the workflow ID of its slice
}
