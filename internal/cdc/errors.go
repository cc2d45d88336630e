package cdc

import (
	"errors"
	"fmt"
	"time"
)

// Class says what an error means for us: whether to retry, never to retry, or
// to tell the operator. It is also the type of the Temporal application error,
// which is plaintext: a class never says anything about a patient.
type Class string

// The classes of errors of the datastore and of the bus.
const (
	// ClassThrottled: 429 or a throttling code. Retry, after RetryAfter if given.
	ClassThrottled Class = "Throttled"
	// ClassUnavailable: 5xx, no connection, no answer in time. Retry.
	ClassUnavailable Class = "Unavailable"
	// ClassMalformed: an answer that is cut off or not FHIR. Retry.
	ClassMalformed Class = "MalformedAnswer"
	// ClassTooLarge: a single resource that is larger than one answer may be. The
	// version goes as a reference; whoever asks sees to that.
	ClassTooLarge Class = "TooLarge"
	// ClassForbidden: 401 or 403. Retry with long delays and tell the operator.
	ClassForbidden Class = "Forbidden"
	// ClassRejected: any other 4xx to a request that we built. The same request
	// will not succeed; another type's may. Tell the operator.
	ClassRejected Class = "Rejected"
	// ClassPageToken: a page token that the store refused. Start the pages again.
	ClassPageToken Class = "PageTokenRefused"
	// ClassNotFound: 404 or 410 to a read: the version is not there (any more).
	ClassNotFound Class = "NotFound"
	// ClassBusMissing: the event bus does not exist. Retry and tell the operator.
	ClassBusMissing Class = "BusMissing"
	// ClassLedger: a ledger that cannot be read: gone with the retention, or
	// encrypted by a key that is not in the ring. Tell the operator.
	ClassLedger Class = "LedgerUnreadable"
	// ClassEvent: an event that EventBridge will not take as it is. Tell the operator.
	ClassEvent Class = "EventRejected"
	// ClassOpen: an execution that must close first is still open. Retry.
	ClassOpen Class = "StillOpen"
	// ClassInvalidInput: what a workflow or activity was given makes no sense.
	// Never retry: a bug of ours or of the caller's.
	ClassInvalidInput Class = "InvalidInput"
	// ClassInterrupted: the process is stopping. Retry elsewhere.
	ClassInterrupted Class = "Interrupted"
)

// Known reports whether it is one of the classes above.
func (c Class) Known() bool {
	switch c {
	case ClassThrottled, ClassUnavailable, ClassMalformed, ClassForbidden, ClassRejected, ClassPageToken,
		ClassNotFound, ClassBusMissing, ClassLedger, ClassEvent, ClassOpen, ClassInvalidInput, ClassInterrupted:
		return true
	default:
		return false
	}
}

// Retryable tells whether the same request may succeed later without anyone
// doing anything.
func (c Class) Retryable() bool {
	switch c {
	case ClassThrottled, ClassUnavailable, ClassMalformed, ClassInterrupted, ClassOpen:
		return true
	default:
		return false
	}
}

// NeedsOperator tells whether it lasts until somebody does something. A refused
// page token does not: the pages start again. Nor does a resource that is too
// large: it goes as a reference.
func (c Class) NeedsOperator() bool {
	return c != "" && c != ClassPageToken && c != ClassTooLarge && !c.Retryable()
}

// Error is an error of the datastore or of the bus. Its text holds the
// operation's template, the class and the status, never a URL, an id or a body.
type Error struct {
	// Op is what was being done, as a route template: "GET {Type}?_lastUpdated".
	Op string
	// Class says what to do about it.
	Class Class
	// Status is the HTTP status, 0 when there was no answer.
	Status int
	// Code is the service's own error code, where it has one.
	Code string
	// RetryAfter is how long the service asked us to wait, 0 if it did not.
	RetryAfter time.Duration
	// Advice says what an operator can do, empty where nothing.
	Advice string
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %s", e.Op, e.Class)
	if e.Status != 0 {
		text += fmt.Sprintf(" (status %d)", e.Status)
	}
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Advice != "" {
		text += ": " + e.Advice
	}
	return text
}

// ClassOf is the class of err: that of the *Error it holds, else
// ClassUnavailable, which is retried. No error has no class.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ClassUnavailable
}
