package cdc

import (
	"errors"
	"fmt"
	"time"
)

// Class says what an error means for us. It is also the type of the Temporal application
// error, which is plaintext.
type Class string

// The classes of errors of the datastore and of the bus.
const (
	// ClassThrottled: 429 or a throttling code. Retry, after RetryAfter if given.
	ClassThrottled Class = "Throttled"
	// ClassUnavailable: 5xx, no connection, no response in time. Retry.
	ClassUnavailable Class = "Unavailable"
	// ClassMalformed: a response that is cut off or not FHIR. Retry.
	ClassMalformed Class = "MalformedResponse"
	// ClassTooLarge: a single resource that is larger than one response may be. It is
	// published as a reference: no workflow sees this class.
	ClassTooLarge Class = "TooLarge"
	// ClassForbidden: 401 or 403. Retry with long delays and tell the operator.
	ClassForbidden Class = "Forbidden"
	// ClassInvalidRequest: any other 4xx to a request that we built. Tell the operator.
	ClassInvalidRequest Class = "InvalidRequest"
	// ClassPageTokenRejected: a page token that the store rejected. Start the pages again.
	ClassPageTokenRejected Class = "PageTokenRejected"
	// ClassNotFound: 404 or 410 to a read: the version is not there (any more).
	ClassNotFound Class = "NotFound"
	// ClassBusMissing: the event bus does not exist. Retry and tell the operator.
	ClassBusMissing Class = "BusMissing"
	// ClassLedgerUnreadable: a ledger that cannot be read: gone with the retention, or
	// encrypted by a key that is not in the ring. Tell the operator.
	ClassLedgerUnreadable Class = "LedgerUnreadable"
	// ClassEventRejected: an event that EventBridge does not accept as it is. Tell the operator.
	ClassEventRejected Class = "EventRejected"
	// ClassStillOpen: an execution that must close first is still open. Retry.
	ClassStillOpen Class = "StillOpen"
	// ClassInvalidInput: what a workflow or activity was given makes no sense. Never retry.
	ClassInvalidInput Class = "InvalidInput"
	// ClassInterrupted: the process is stopping. Retry elsewhere.
	ClassInterrupted Class = "Interrupted"
)

// retryable has every class of an activity's error.
var retryable = map[Class]bool{
	ClassThrottled: true, ClassUnavailable: true, ClassMalformed: true, ClassInterrupted: true, ClassStillOpen: true,
	ClassForbidden: false, ClassInvalidRequest: false, ClassPageTokenRejected: false, ClassNotFound: false, ClassBusMissing: false,
	ClassLedgerUnreadable: false, ClassEventRejected: false, ClassInvalidInput: false,
}

// Known reports whether an activity's error can be of the class.
func (c Class) Known() bool {
	_, known := retryable[c]
	return known
}

// Retryable reports whether the same request may succeed later by itself.
func (c Class) Retryable() bool { return retryable[c] }

// NeedsOperator reports whether the error lasts until somebody does something. That of a
// page token does not: the pages start again.
func (c Class) NeedsOperator() bool {
	return c != "" && c != ClassPageTokenRejected && c != ClassTooLarge && !c.Retryable()
}

// Error is an error of the datastore or of the bus. Its text never holds a URL, an id or
// a body.
type Error struct {
	// Op is what was being done, as a route template: "GET {Type}?_lastUpdated".
	Op    string
	Class Class
	// Status is the HTTP status, 0 when there was no response.
	Status int
	// Code is the service's own error code, where it has one.
	Code string
	// RetryAfter is how long the service asked us to wait, 0 if it did not.
	RetryAfter time.Duration
	// Advice says what an operator can do, empty where nothing.
	Advice string
}

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
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return ClassUnavailable
}
