package cdc

import "time"

// Backoff is the delay after the n-th failure in a row, n from 1: first, doubled after
// each further one, and at most longest. Processes that must not come back together add
// a random part of their own.
func Backoff(n int, first, longest time.Duration) time.Duration {
	delay := first
	for ; n > 1 && delay < longest; n-- {
		delay *= 2
	}
	return min(delay, longest)
}

const (
	// firstDelay and MaxDelay bound the pauses between two tries, doubled after each one in
	// a row: a day of failures is about a hundred tries. MaxDelay also bounds the delays of
	// a window's extra passes.
	firstDelay = 5 * time.Second
	MaxDelay   = 15 * time.Minute
	// MaxAttempts is how many attempts an activity makes before its workflow plans the next
	// tries, and says that it fails: some eight minutes (1 s, doubled).
	MaxAttempts = 10
	// operatorAfter is how long something may fail, whatever the reason, before it
	// counts as waiting for an operator.
	operatorAfter = 15 * time.Minute
	// UnsweptAfter is how long the store may not give a type before a window whose store
	// is audited closes the type unswept: the audit captures it when it can be read again.
	UnsweptAfter = time.Hour
)

// Retry is where something stands that could not be done: why, since when, how often
// in a row it was tried, and when it is tried again.
type Retry struct {
	Class Class     `json:"class,omitempty"`
	Since time.Time `json:"since,omitzero"`
	Tries int       `json:"tries,omitempty"`
	Due   time.Time `json:"due,omitzero"`
}

// Failed adds another try that failed. The next is due after the pause for so many
// tries, or after retryAfter, the store's own, if that is longer.
func (r *Retry) Failed(now time.Time, class Class, retryAfter time.Duration) {
	if r.Tries == 0 {
		r.Since = now
	}
	r.Tries++
	r.Class = class
	r.Due = now.Add(max(Delay(r.Tries), retryAfter))
}

// Failing reports whether the last try failed.
func (r Retry) Failing() bool { return r.Tries > 0 }

// Waits reports whether it waits for an operator: by its class at once, else when it
// has failed for long.
func (r Retry) Waits(now time.Time) bool {
	return r.Failing() && (r.Class.NeedsOperator() || now.Sub(r.Since) >= operatorAfter)
}

// FailingFor is how long it has been failing, 0 when it is not.
func (r Retry) FailingFor(now time.Time) time.Duration {
	if !r.Failing() {
		return 0
	}
	return now.Sub(r.Since)
}

// Delay is the pause after the n-th try in a row that failed.
func Delay(n int) time.Duration { return Backoff(n, firstDelay, MaxDelay) }
