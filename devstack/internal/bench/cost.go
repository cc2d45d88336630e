package bench

import (
	"fmt"
	"math"
	"time"

	"healthlake-cdc/devstack/internal/rivals"
)

// List prices in dollars, for us-east-1 where there are regions, without free tiers and
// discounts for volume.
const (
	// An action of Temporal Cloud, of the first five million a month; a GB-hour of closed
	// histories (docs.temporal.io/cloud/pricing).
	dollarsPerAction       = 50.0 / 1e6
	dollarsPerRetainedHour = 0.00105
	// A custom event, for each 64 KB begun (aws.amazon.com/eventbridge/pricing).
	dollarsPerEvent = 1.0 / 1e6
	// An Express state machine's start, and a GB-second of its first 1,000 GB-hours
	// (aws.amazon.com/step-functions/pricing).
	dollarsPerRun       = 1.0 / 1e6
	dollarsPerRunSecond = 0.06 / 3600 // and GB
	// A function's call and its GB-seconds (aws.amazon.com/lambda/pricing, x86).
	dollarsPerCall       = 0.20 / 1e6
	dollarsPerCallSecond = 0.0000166667 // and GB
	// A write request unit of an on-demand table (aws.amazon.com/dynamodb/pricing).
	dollarsPerWriteUnit = 0.625 / 1e6
)

// What the prices are applied to, where nothing measures it.
const (
	// runMemory is an Express state machine's in GB: 50 MB and its data, in units of 64 MB.
	runMemory = 64.0 / 1024
	// callMemory is a function's in GB, by default 128 MB; callTime is assumed for each,
	// searchCallTime for the one that searches.
	callMemory     = 128.0 / 1024
	callTime       = 50 * time.Millisecond
	searchCallTime = 150 * time.Millisecond
	// roundTime is a state machine's for a resource, of which it works on several at a
	// time: two functions and PutEvents.
	roundTime = 2*callTime + awsLatency
	// retention of closed histories, as long as audits need ledgers by default.
	retention = 72 * time.Hour
	// eventUnit is what an event is billed in.
	eventUnit = 64 << 10
	// month is AWS's of 730 hours.
	month = 730 * time.Hour
	// auditActions are those of a scheduled audit that finds nothing missing: two of the
	// schedule, the start, AuditSpan, Publish. One runs each auditEvery, by default.
	auditActions = 5
	auditEvery   = 15 * time.Minute
)

// billedEvents is what EventBridge bills for an event of this size in bytes.
func billedEvents(size int) int { return max(1, (size+eventUnit-1)/eventUnit) }

// usage is what is billed of a run.
type usage struct {
	changes int
	actions int
	history int64 // bytes of closed executions
	events  int   // as billed
	chain   rivals.Counts
}

// bill is a cost by what it is for, in dollars.
type bill struct{ actions, history, runs, calls, rows, events float64 }

func (b bill) total() float64 { return b.actions + b.history + b.runs + b.calls + b.rows + b.events }

// perMillion is the bill for a million changes.
func (u usage) perMillion() bill {
	scale := 1e6 / float64(max(1, u.changes))
	return bill{
		actions: scale * float64(u.actions) * dollarsPerAction,
		history: scale * float64(u.history) / 1e9 * retention.Hours() * dollarsPerRetainedHour,
		runs:    scale * (float64(u.chain.Runs)*dollarsPerRun + u.runSeconds()*runMemory*dollarsPerRunSecond),
		calls:   scale * (float64(u.calls())*dollarsPerCall + u.callSeconds()*callMemory*dollarsPerCallSecond),
		rows:    scale * float64(u.chain.WriteUnits) * dollarsPerWriteUnit,
		events:  scale * float64(u.events) * dollarsPerEvent,
	}
}

// runSeconds is the state machines' time, as it would be on AWS: a machine of ours that is
// busy must not make them dearer.
func (u usage) runSeconds() float64 {
	rounds := float64(u.chain.Found) / rivals.MapConcurrency
	return float64(u.chain.Runs)*(rivals.Settle+searchCallTime).Seconds() + rounds*roundTime.Seconds()
}

// calls are those of the chain's functions: one that starts the state machine, one that
// searches, and two for each resource found.
func (u usage) calls() int { return 2*u.chain.Runs + 2*u.chain.Found }

func (u usage) callSeconds() float64 {
	return float64(u.calls()-u.chain.Runs)*callTime.Seconds() + float64(u.chain.Runs)*searchCallTime.Seconds()
}

// arithmetic says how the bill of a run comes about.
func (u usage) arithmetic(name string) string {
	each := func(n float64) float64 { return n / float64(max(1, u.changes)) }
	b := u.perMillion()
	if u.chain.Runs == 0 {
		return fmt.Sprintf("%s, a million changes: %.4f actions a change × $%.0f a million = $%.2f; %.2f GB of histories × %.0f h × $%.5f = $%.2f; %.3f events a change × $%.0f a million = $%.2f",
			name, each(float64(u.actions)), dollarsPerAction*1e6, b.actions, each(float64(u.history))/1e3, retention.Hours(), dollarsPerRetainedHour, b.history,
			each(float64(u.events)), dollarsPerEvent*1e6, b.events)
	}
	return fmt.Sprintf("%s, a million changes: %.3f state machines a change × ($%.0f a million + %.1f s × %.4f GB × $%.7f) = $%.2f (the wait, the search, and %s for each %d resources found); %.2f function calls a change × $%.2f a million + %.3f s × %.3f GB × $%.8f = $%.2f (%s each, the search %s: assumed); %.1f write units a change × $%.3f a million = $%.2f; %.2f events a change × $%.0f a million = $%.2f",
		name, each(float64(u.chain.Runs)), dollarsPerRun*1e6, u.runSeconds()/float64(u.chain.Runs), runMemory, dollarsPerRunSecond, b.runs, roundTime, rivals.MapConcurrency,
		each(float64(u.calls())), dollarsPerCall*1e6, each(u.callSeconds()), callMemory, dollarsPerCallSecond, b.calls, callTime, searchCallTime,
		each(float64(u.chain.WriteUnits)), dollarsPerWriteUnit*1e6, b.rows, each(float64(u.events)), dollarsPerEvent*1e6, b.events)
}

// windowModel is what windows cost against a workflow a change, in engine actions, where
// writes come one by one at random.
type windowModel struct {
	// full is a window that publishes, empty one that only looks.
	full, empty float64
	// perChange is a trigger's workflow and a change's.
	perChange float64
	// touched is the span in which a write's trigger opens the window, width the span of
	// the window itself.
	touched, width time.Duration
}

// audits are the actions of audits a second.
const audits = float64(auditActions) / float64(auditEvery/time.Second)

// windows is the actions a second at a rate of writes a second. A window is opened by any
// trigger within touched, and is full if a write lies within its width; both are of a
// Poisson process. It includes the audits.
func (m windowModel) windows(rate float64) float64 {
	return audits + m.empty*m.opened(rate) + (m.full-m.empty)*atLeastOne(rate, m.width)/m.width.Seconds()
}

// opened is how many windows are opened a second.
func (m windowModel) opened(rate float64) float64 {
	return atLeastOne(rate, m.touched) / m.width.Seconds()
}

// atLeastOne is the probability of a write in a span.
func atLeastOne(rate float64, span time.Duration) float64 { return 1 - math.Exp(-rate*span.Seconds()) }

// changes is the same for a workflow a change.
func (m windowModel) changes(rate float64) float64 { return m.perChange * rate }

// evenRate is the rate, in writes a second, below which a workflow a change takes fewer
// actions: there is one, since windows cost ever less a write and the other always the
// same. It is 0 when perChange is not known.
func (m windowModel) evenRate() float64 {
	low, high := 0.0, 1.0
	if m.perChange <= 0 {
		return 0
	}
	for m.changes(high) < m.windows(high) {
		high *= 2
	}
	for range 60 {
		middle := (low + high) / 2
		if m.changes(middle) < m.windows(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// monthly is what actions a second cost a month, in dollars.
func monthly(actionsPerSecond float64) float64 {
	return actionsPerSecond * month.Seconds() * dollarsPerAction
}
