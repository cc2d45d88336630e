package trigger

import (
	"regexp"
	"time"

	"healthlake-cdc/internal/cdc"
)

// Outcome is what becomes of a message; each is a value of a metric's label.
type Outcome string

// The outcomes. Only OutcomeTrigger, the deletes, OutcomeImport and OutcomeRestore
// may ask for anything to be started; all others but OutcomeMalformed are
// acknowledged as they are.
const (
	// OutcomeTrigger: Windows are to be opened; a notification may tell of Deletes
	// besides.
	OutcomeTrigger Outcome = "trigger"
	// OutcomeDelete: Deletes are to be published; of which resources is unknown.
	OutcomeDelete Outcome = "delete_unresolved"
	// OutcomeDeleteExact: Deletes are to be published, with their resources' ids.
	OutcomeDeleteExact Outcome = "delete_exact"
	// OutcomeForeign: an event of another service.
	OutcomeForeign Outcome = "foreign"
	// OutcomeReadOnly: a call that changed nothing.
	OutcomeReadOnly Outcome = "read_only"
	// OutcomeFailed: a call that was refused.
	OutcomeFailed Outcome = "failed"
	// OutcomeUnknownStore: a datastore that is not configured.
	OutcomeUnknownStore Outcome = "unknown_store"
	// OutcomeUnconfiguredType: only resource types that are not configured.
	OutcomeUnconfiguredType Outcome = "unconfigured_type"
	// OutcomeMalformed: not understood; left to the dead-letter queue.
	OutcomeMalformed Outcome = "malformed"
	// OutcomeHandshake: a subscription was set up.
	OutcomeHandshake Outcome = "handshake"
	// OutcomeHeartbeat: a subscription without news.
	OutcomeHeartbeat Outcome = "heartbeat"
	// OutcomeImport: an import was started, or has ended: then Import's span is to
	// be audited.
	OutcomeImport Outcome = "import"
	// OutcomeRestore: a datastore was restored: Import's span is to be audited.
	OutcomeRestore Outcome = "restore"
	// OutcomeIgnored: HealthLake's, but no version comes of it.
	OutcomeIgnored Outcome = "ignored"
)

// Outcomes returns every outcome there is, for metrics that are to exist before
// their first count.
func Outcomes() []Outcome {
	return []Outcome{
		OutcomeTrigger, OutcomeDelete, OutcomeDeleteExact, OutcomeForeign, OutcomeReadOnly, OutcomeFailed,
		OutcomeUnknownStore, OutcomeUnconfiguredType, OutcomeMalformed, OutcomeHandshake,
		OutcomeHeartbeat, OutcomeImport, OutcomeRestore, OutcomeIgnored,
	}
}

// Scope is what is ours, and when it is now.
type Scope struct {
	// Datastores and Types are the configured ones.
	Datastores map[string]bool
	Types      map[string]bool
	// Lookback is how far before a trigger's time its write may lie
	// (CDC_LOOKBACK). For bundles it is at least BundleLookback.
	Lookback time.Duration
	// Now is the time of receipt.
	Now time.Time
}

// Result is what a message means.
type Result struct {
	Outcome Outcome
	// Reason says what is wrong with a malformed message. It is one of a fixed
	// set of texts and holds nothing of the body.
	Reason string
	// EventName is the CloudTrail eventName, only if it is 1 to 64 letters.
	EventName string
	// UnknownEvent marks a trigger whose EventName is not one that we know.
	UnknownEvent bool
	// Source is one of the cdc.By constants, empty for foreign messages.
	Source string
	// Datastore is the configured datastore that the message is about.
	Datastore string
	// Time is the trigger's time: a record's eventTime, the earliest event of
	// a notification, the time of a job's event. Zero where it was not needed.
	Time time.Time
	// Windows are to be opened, oldest first, each once.
	Windows []cdc.Window
	// Deletes are to be published, each once. Their resources' ids are patient data.
	Deletes []cdc.Delete
	// Import is something whose span is to be audited.
	Import *cdc.Import
}

const (
	// MaxBody is how large a body is looked at, in bytes: what SQS lets a
	// message have.
	MaxBody = 1 << 20
	// MaxAhead is how far a trigger's time may lie ahead of ours. More is no
	// difference of clocks any more, and a window far ahead would stay open
	// until then.
	MaxAhead = 10 * time.Minute
	// BundleLookback is the least lookback of a ProcessBundle: eventTime is
	// when the call completed, and 500 resources take their time.
	BundleLookback = 30 * time.Second
	// AsyncSpan is how long after its start an asynchronous job is expected to
	// write; what it writes later is the audit's to find.
	AsyncSpan = time.Hour
	// MaxWindows is how many windows one message may open: an asynchronous job
	// opens some 360, everything else a few.
	MaxWindows = 1000
	// MaxDeletes is how many deletes one notification may tell of.
	MaxDeletes = 1000
)

// eventTimeUnit is the precision of eventTime, which is cut to whole seconds: the
// call completed in [t, t+1s).
const eventTimeUnit = time.Second

var eventNamePattern = regexp.MustCompile(`^[A-Za-z]{1,64}$`)

func malformed(reason string) Result {
	return Result{Outcome: OutcomeMalformed, Reason: reason}
}

// malformed keeps what is known already and says what is wrong.
func (r Result) malformed(reason string) Result {
	return Result{Outcome: OutcomeMalformed, Reason: reason, EventName: r.EventName, Source: r.Source, Datastore: r.Datastore}
}

func (r Result) as(outcome Outcome) Result {
	r.Outcome = outcome
	return r
}

// checkTime says what is wrong with the trigger's time, or nothing.
func (s Scope) checkTime(t time.Time) (reason string) {
	switch {
	case t.Unix() < 0:
		return "time is before 1970"
	case t.After(s.Now.Add(MaxAhead)):
		return "time is more than 10 minutes ahead"
	}
	return ""
}

// touching returns the windows that a write may lie in of which a trigger tells
// at t.
func (s Scope) touching(datastore string, t time.Time, lookback time.Duration) []cdc.Window {
	return cdc.WindowsTouching(datastore, t.Add(-max(lookback, 0)), t.Add(eventTimeUnit))
}
