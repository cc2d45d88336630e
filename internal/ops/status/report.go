// Package status reports lag, open work, queues, what waits, what failed and what it
// costs, from what Temporal and SQS show at one moment. It reads a bounded number of
// windows, makes a bounded number of queries, which are billed, and says what its figures
// are based on.
package status

import (
	"time"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/queue"
)

// Report is what status shows. Fields of its JSON are added, never renamed. It holds no
// FHIR id.
type Report struct {
	At time.Time `json:"at"`
	// Lookback is in seconds.
	Lookback float64   `json:"lookbackSeconds"`
	Stores   []Store   `json:"stores"`
	Ranges   []Running `json:"ranges"`
	// Audits are those that are running.
	Audits []Running `json:"audits"`
	// Queue and DLQ are nil when not known; QueueNote says why.
	Queue     *queue.Depth `json:"queue"`
	DLQ       *queue.Depth `json:"deadLetterQueue"`
	QueueNote string       `json:"queueNote,omitempty"`
	Waiting   []Waiting    `json:"waiting"`
	// Failed are at most 50 of FailedTotal.
	Failed      []Failed `json:"failed"`
	FailedTotal int      `json:"failedTotal"`
	Workers     []Worker `json:"workers"`
	// Notes say what the figures are based on.
	Notes []string `json:"notes"`
}

// Store is what status shows of one datastore.
type Store struct {
	Datastore string `json:"datastore"`
	// OldestOpen is zero when none is open.
	OpenWindows int       `json:"openWindows"`
	OldestOpen  time.Time `json:"oldestOpen,omitzero"`
	// These are estimates.
	WindowsPerHour  float64 `json:"windowsPerHour"`
	ActionsPerHour  float64 `json:"actionsPerHour"`
	DollarsPerHour  float64 `json:"actionDollarsPerHour"`
	SearchesPerHour float64 `json:"searchesPerHour"`
	Types           []Type  `json:"types"`
	// Audit is nil when no scheduled audit has completed.
	Audit *Audit `json:"audit"`
}

// Audit is how far a datastore is audited.
type Audit struct {
	WorkflowID string    `json:"workflowId"`
	Closed     time.Time `json:"closed"`
	// Through is up to where every type is stated or in Unresolved.
	Through time.Time `json:"through"`
	// Unresolved is how many spans are not complete, Missing how many versions are missing in
	// them, and Oldest the beginning of the oldest.
	Unresolved int       `json:"unresolvedSpans"`
	Oldest     time.Time `json:"oldestUnresolved,omitzero"`
	Missing    int       `json:"missing"`
	// Healed is how many versions the last run published, Expired how many spans grew older
	// than the horizon before they were complete.
	Healed  int `json:"healed"`
	Expired int `json:"expiredSpans"`
}

// Type is what status shows of one resource type of a datastore.
type Type struct {
	Type string `json:"type"`
	// Published is when EventBridge accepted the type's last event, LastUpdated the time of
	// that version; both are zero when there was none within the lookback.
	Published   time.Time `json:"lastPublished,omitzero"`
	LastUpdated time.Time `json:"lastUpdated,omitzero"`
	// Lag is in seconds.
	Lag    float64 `json:"lagSeconds,omitempty"`
	Window string  `json:"window,omitempty"`
}

// Running is a replay, a backfill or an audit that is open.
type Running struct {
	WorkflowID string    `json:"workflowId"`
	Started    time.Time `json:"started"`
	// Progress is nil when no worker answered.
	Progress *cdc.Progress `json:"progress"`
}

// Waiting is something that waits for an operator, or has failed for long.
type Waiting struct {
	WorkflowID string    `json:"workflowId"`
	Type       string    `json:"type,omitempty"`
	Class      cdc.Class `json:"class,omitempty"`
	What       string    `json:"what"`
	// Operator is set when someone has to do something, and not when it is just retried.
	Operator bool `json:"operator"`
}

// Worker is a process that polls the task queue.
type Worker struct {
	Identity string    `json:"identity"`
	LastSeen time.Time `json:"lastSeen"`
}

const (
	// actionsPerWindow is of a window without further pages.
	actionsPerWindow = 7
	// DollarsPerAction is Temporal Cloud's list price of $50 for a million.
	DollarsPerAction = 50.0 / 1e6
)
