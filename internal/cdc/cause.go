package cdc

import "time"

// Cause is why something is captured: the one account of it from the trigger's
// message to the events.
type Cause struct {
	// SourceTime is the trigger's: meta.sourceTime of the events.
	SourceTime time.Time `json:"sourceTime"`
	// CapturedBy is one of the By constants: meta.capturedBy of the events.
	CapturedBy string `json:"capturedBy"`
	// Bulk is the lane behind live windows: another share of the search rate, and
	// task queues of its own.
	Bulk bool `json:"bulk,omitempty"`
}

// RecordDelay is how late CloudTrail's records come: minutes as a rule, up to about 15
// (best effort, so more is possible). It is less than the default of CDC_AUDIT_AFTER,
// after which the scheduled audit publishes what is in no ledger.
const RecordDelay = 15 * time.Minute
