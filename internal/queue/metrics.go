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
	EventLeft         Event = "left"          // to redelivery, after an error or as malformed
	EventGivenBack    Event = "given_back"    // at a stop
	EventExtended     Event = "extended"      // visibility, each time
	EventExpired      Event = "expired"       // visibility could not be extended any more
	EventDeleteFailed Event = "delete_failed" // comes again, and is coalesced then
	EventUnknownName  Event = "unknown_event" // triggers with an event name that we don't know

	EventPollFailed Event = "poll_failed" // polls

	EventWindowOpened    Event = "window_opened"    // windows
	EventWindowJoined    Event = "window_joined"    // existed already
	EventWindowCoalesced Event = "window_coalesced" // known to exist, not asked for
	EventDeleteOpened    Event = "delete_opened"    // deletes
	EventDeleteJoined    Event = "delete_joined"    // existed already
	EventImportOpened    Event = "import_opened"    // audits of imports
	EventImportJoined    Event = "import_joined"    // existed already
	EventJobOpened       Event = "job_opened"       // audits that follow a job
	EventJobJoined       Event = "job_joined"       // existed already
)

// Events returns every event there is, for metrics that are to exist before
// their first count.
func Events() []Event {
	return []Event{
		EventReceived, EventAcknowledged, EventLeft, EventGivenBack, EventExtended, EventExpired,
		EventDeleteFailed, EventUnknownName, EventPollFailed, EventWindowOpened, EventWindowJoined,
		EventWindowCoalesced, EventDeleteOpened, EventDeleteJoined, EventImportOpened, EventImportJoined,
		EventJobOpened, EventJobJoined,
	}
}

// Metrics is told what happens. Its methods are called concurrently and must
// not block.
type Metrics interface {
	// Outcome counts one message by what it meant.
	Outcome(outcome trigger.Outcome)
	// Count adds n to an event's count; windows have their own.
	Count(event Event, n int)
	// Window counts one of the window events. source, one of the cdc.By constants,
	// tells who asked for the window.
	Window(source string, event Event)
	// Delay is how long after its time a trigger was received. source is one of
	// the cdc.By constants.
	Delay(source string, d time.Duration)
	// Paused tells whether polling is paused because Temporal is unavailable.
	Paused(paused bool)
}

type noMetrics struct{}

func (noMetrics) Outcome(trigger.Outcome)     {}
func (noMetrics) Count(Event, int)            {}
func (noMetrics) Window(string, Event)        {}
func (noMetrics) Delay(string, time.Duration) {}
func (noMetrics) Paused(bool)                 {}
