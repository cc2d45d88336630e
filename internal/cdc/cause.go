package cdc

import "time"

// Cause is why something is captured.
type Cause struct {
	// SourceTime is the trigger's: meta.sourceTime of the events.
	SourceTime time.Time `json:"sourceTime"`
	// CapturedBy is one of the By constants: meta.capturedBy of the events.
	CapturedBy string `json:"capturedBy"`
	// Bulk is the lane behind live windows: its searches come after theirs, and it has
	// task queues of its own.
	Bulk bool `json:"bulk,omitempty"`
}

// RecordDelay is how late CloudTrail's records come: minutes as a rule, up to about 15
// (best effort, so more is possible).
const RecordDelay = 15 * time.Minute
