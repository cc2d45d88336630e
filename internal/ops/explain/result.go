package explain

import "time"

// Verdict is the result in one word.
type Verdict string

// The verdicts.
const (
	Published          Verdict = "published"            // EventBridge accepted it
	Publishing         Verdict = "publishing"           // it is in a Publish that has not ended
	WaitingForPass     Verdict = "waiting_for_pass"     // its window is open and has not published it yet
	WaitingForTrigger  Verdict = "waiting_for_trigger"  // its window is not open, and a trigger may still come
	NoTrigger          Verdict = "no_trigger"           // its window does not exist, and no trigger is expected
	WaitingForOperator Verdict = "waiting_for_operator" // EventBridge rejects it, or its type cannot be read
	Superseded         Verdict = "superseded"           // it was replaced, and its window has closed without it
	Missed             Verdict = "missed"               // it is the newest, and its window has closed without it
	Skipped            Verdict = "skipped"              // by an operator, or by CDC_IMPORTS
	Deleted            Verdict = "deleted"              // the resource is deleted
	UnconfiguredType   Verdict = "unconfigured_type"    // its type is not in CDC_RESOURCE_TYPES
	NeverExisted       Verdict = "never_existed"        // the store knows no such resource or version
	OlderThanRetention Verdict = "older_than_retention" // it exists, and its window may have expired
	NoHistory          Verdict = "no_history"           // it existed, and the store does not say when
)

// Result is what happened to one version. Fields of its JSON are added, never renamed.
type Result struct {
	Datastore string `json:"datastore"`
	Type      string `json:"resourceType"`
	ID        string `json:"resourceId"`
	// Version is the one that was asked for, else the current one, else the last one
	// before the delete.
	Version     string  `json:"versionId,omitempty"`
	LastUpdated string  `json:"lastUpdated,omitempty"`
	Verdict     Verdict `json:"verdict"`
	Reason      string  `json:"reason"`
	Advice      string  `json:"advice,omitempty"`
	Store       Stored  `json:"store"`
	// Window is nil when the version's time is not known.
	Window      *Window      `json:"window,omitempty"`
	Publication *Publication `json:"published,omitempty"`
	// Replays are looked for among the newest in the namespace.
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
	// CurrentVersion is the newest one.
	CurrentVersion string `json:"currentVersion,omitempty"`
	// ReplacedBy is the version that replaced it, ReplacedAt its lastUpdated.
	ReplacedBy string    `json:"replacedBy,omitempty"`
	ReplacedAt time.Time `json:"replacedAt,omitzero"`
	ByDelete   bool      `json:"replacedByDelete,omitempty"`
	// AtLatest is set when ReplacedBy is the newest version, and it was replaced then or
	// before.
	AtLatest bool `json:"atLatest,omitempty"`
}

// Window is the window that the version lies in, with all its runs.
type Window struct {
	WorkflowID string    `json:"workflowId"`
	Start      time.Time `json:"start"`
	End        time.Time `json:"end"`
	// Runs are those that the namespace still has, the first run first.
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
	Closed     time.Time `json:"closed,omitzero"`
	// CapturedBy and SourceTime are of the trigger that opened it.
	CapturedBy string    `json:"capturedBy,omitempty"`
	SourceTime time.Time `json:"sourceTime,omitzero"`
	// Skips is set when it publishes nothing of what it finds (CDC_IMPORTS).
	Skips bool `json:"skips,omitempty"`
	// Searched is set when it searched the type, Has when its ledger holds the version.
	Searched bool   `json:"searched"`
	Has      bool   `json:"inLedger"`
	URL      string `json:"url"`
}

// Publication is the publishing of the version, or the attempt at it.
type Publication struct {
	WorkflowID string `json:"workflowId"`
	// EventID is EventBridge's; empty when its history is gone, or nothing was accepted.
	EventID string    `json:"eventId,omitempty"`
	At      time.Time `json:"at,omitzero"`
	// Attempt counts from 1; Step is as the Temporal UI shows it: "pass 2: 36 types".
	Attempt       int       `json:"attempt,omitempty"`
	Step          string    `json:"step,omitempty"`
	Payload       string    `json:"payload,omitempty"`
	PayloadReason string    `json:"payloadReason,omitempty"`
	CapturedBy    string    `json:"capturedBy,omitempty"`
	SourceTime    time.Time `json:"sourceTime,omitzero"`
	Replay        string    `json:"replay,omitempty"`
	// Rejected is EventBridge's error code.
	Rejected string `json:"rejected,omitempty"`
	URL      string `json:"url"`

	activityID string
	scheduled  int64 // the event
	index      int   // of the version among the changes
}

// Replay is a replay that published the version once more.
type Replay struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	URL  string    `json:"url"`

	rangeID, slice string // workflow IDs
}
