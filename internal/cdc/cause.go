package cdc

import "time"

// Cause is why a window is opened.
type Cause struct {
	// Time is the trigger's: meta.sourceTime of the window's events.
	Time time.Time
	// By is one of the By constants: meta.capturedBy of the window's events.
	By string
	// Bulk opens the window in the bulk lane, behind live ones.
	Bulk bool
}
