package trigger

import (
	"slices"
	"time"

	"healthlake-cdc/internal/cdc"
)

// Outcome is what becomes of a message; each is a value of a metric's label.
type Outcome string

// The outcomes. All but OutcomeMalformed are acknowledged when what they ask for has
// started.
const (
	// OutcomeTrigger: Windows or Late are to be opened; a notification may name
	// Deletes besides, and a bundle that goes on being written is a Job, too.
	OutcomeTrigger          Outcome = "trigger"
	OutcomeDelete           Outcome = "delete_unresolved" // of resources that it does not name
	OutcomeDeleteExact      Outcome = "delete_exact"      // with the resources' ids
	OutcomeOtherSource      Outcome = "other_source"      // an event of another service
	OutcomeReadOnly         Outcome = "read_only"         // a call that changed nothing
	OutcomeFailed           Outcome = "failed"            // a call that failed
	OutcomeUnknownStore     Outcome = "unknown_store"     // none of the configured datastores
	OutcomeUnconfiguredType Outcome = "unconfigured_type" // none of the configured types
	OutcomeMalformed        Outcome = "malformed"         // for the dead-letter queue
	OutcomeHandshake        Outcome = "handshake"         // a subscription was set up
	OutcomeHeartbeat        Outcome = "heartbeat"         // a subscription without news
	// OutcomeImport: an import was started, or has ended: then Import is to be audited.
	OutcomeImport Outcome = "import"
	// OutcomeJob: an asynchronous job was started that may write and of whose end
	// nothing is reported: Job is to be followed.
	OutcomeJob Outcome = "job"
	// OutcomeRestore: a datastore was restored, into a new one, whose contents are
	// for a backfill.
	OutcomeRestore Outcome = "restore"
	// OutcomeIgnored: HealthLake's, but no version comes of it.
	OutcomeIgnored Outcome = "ignored"
)

// Scope is what is ours, and the time now.
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
	// Reason says what is wrong with a malformed message, and nothing of its body.
	Reason string
	// UnknownEvent is the event name of a CloudTrail record that starts something and whose
	// name we don't know: as it is if it is 1 to 64 letters and digits, else a word that says
	// that it is not shown.
	UnknownEvent string
	Datastore    string // configured
	// Cause is what the message is, by one of the cdc.By constants, and its time, the
	// earliest one of a notification. Both are empty where they were not needed.
	Cause cdc.Cause
	// Windows are to be opened, oldest first, each once; Late likewise, in the bulk
	// lane, because their trigger is older than LateAfter.
	Windows, Late []cdc.Window
	// Deletes are to be published, each once. Their resources' ids are patient data.
	Deletes []cdc.Delete
	// Import is an import that has ended, whose time range is to be audited.
	Import *cdc.Import
	// Job is an asynchronous job that is to be followed by audits.
	Job *cdc.Job
}

const (
	// MaxBody is the size of the largest body that is read, in bytes: SQS's limit.
	MaxBody = 1 << 20
	// MaxAhead is how far a trigger's time may lie ahead of ours: a window far ahead
	// would stay open until then.
	MaxAhead = 10 * time.Minute
	// BundleLookback is the least lookback of a ProcessBundle: eventTime is
	// when the call completed, and 500 resources take their time.
	BundleLookback = 30 * time.Second
	// LateAfter is how old a trigger may be for its windows to be opened among the live
	// ones. What is older has waited in the queue, or is forged.
	LateAfter = time.Hour
	// MaxWindows is how many windows one message may open: a record opens 62 at most,
	// with the longest CDC_LOOKBACK.
	MaxWindows = 100
	// MaxDeletes is how many deletes one notification may name: as many as one bundle
	// can make (AWS General Reference, "HealthLake endpoints and quotas").
	MaxDeletes = 500
	// MaxImport is the longest time that an import may have taken.
	MaxImport = 7 * 24 * time.Hour
)

// eventTimeUnit is the precision of eventTime, which is cut to whole seconds: the
// call completed in [t, t+1s).
const eventTimeUnit = time.Second

func malformed(reason string) Result { return Result{Outcome: OutcomeMalformed, Reason: reason} }

// as is the result with an outcome.
func (r Result) as(outcome Outcome) Result {
	r.Outcome = outcome
	return r
}

// checkTime says what is wrong with a trigger's time, "" for nothing.
func (s Scope) checkTime(t time.Time) (reason string) {
	switch {
	case t.Unix() < 0:
		return "time is before 1970"
	case t.After(s.Now.Add(MaxAhead)):
		return "time is more than 10 minutes ahead"
	}
	return ""
}

// addWindows adds the windows in which a write may lie whose trigger's time is t. One
// that any trigger of the message wants live is not late.
func (r *Result) addWindows(s Scope, t time.Time, lookback time.Duration) {
	late := s.Now.Sub(t) > LateAfter
	for _, w := range cdc.WindowsTouching(r.Datastore, t.Add(-max(lookback, 0)), t.Add(eventTimeUnit)) {
		switch {
		case slices.Contains(r.Windows, w):
		case !late:
			r.Windows = append(r.Windows, w)
			r.Late = slices.DeleteFunc(r.Late, func(other cdc.Window) bool { return other == w })
		case !slices.Contains(r.Late, w):
			r.Late = append(r.Late, w)
		}
	}
	byStart := func(a, b cdc.Window) int { return a.Start.Compare(b.Start) }
	slices.SortFunc(r.Windows, byStart)
	slices.SortFunc(r.Late, byStart)
}
