package queue

import (
	"time"

	"healthlake-cdc/internal/trigger"
)

// Event is something to count; each is a value of a metric's label.
type Event string

// The events, of messages unless they say otherwise.
const (
	EventReceived     Event = "received"
	EventAcknowledged Event = "acknowledged"  // deleted from the queue
	EventReleased     Event = "released"      // made visible again at a stop
	EventExtended     Event = "extended"      // visibility, each time
	EventExpired      Event = "expired"       // visibility could not be extended any more
	EventDeleteFailed Event = "delete_failed" // comes again, and is coalesced then
	EventUnknownName  Event = "unknown_event" // triggers with an event name that we don't know

	EventPollFailed Event = "poll_failed" // polls

	EventDeleteOpened Event = "delete_opened" // deletes
	EventDeleteJoined Event = "delete_joined" // existed already
	EventImportOpened Event = "import_opened" // audits of imports
	EventImportJoined Event = "import_joined" // existed already
	EventJobOpened    Event = "job_opened"    // audits that follow a job
	EventJobJoined    Event = "job_joined"    // existed already
)

// Metrics counts what happens. Its methods are called concurrently and must not block.
type Metrics interface {
	// Outcome counts one message by what it meant.
	Outcome(outcome trigger.Outcome)
	// Count adds n to an event's count.
	Count(event Event, n int)
	// Window counts a window that a message asked for: opened, or there already. by is one
	// of the cdc.By constants.
	Window(by string, opened bool)
	// Delay is how long after its time a trigger was received.
	Delay(by string, d time.Duration)
	// Paused is called when polling pauses because Temporal is unavailable, and when it
	// goes on.
	Paused(paused bool)
}
