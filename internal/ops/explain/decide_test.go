package explain

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/queue"
)

const minute = time.Minute

// anExplanation is of a version of Patient that was written some time ago, in a
// configured store, of which nothing else is known.
func anExplanation(age time.Duration) *explanation {
	version := written("").Log[0].Version
	window := cdc.WindowAt("d", version.Time())
	return &explanation{
		Result: Result{
			Datastore: "d", Type: "Patient", ID: "p", Store: Stored{Standing: Current, CurrentVersion: version.VersionID},
			Window: &Window{Start: window.Start, End: window.End()},
		},
		version: version, now: begin.Add(age), retention: 72 * time.Hour, configured: true, audited: true,
	}
}

func closedRun(searched, has bool) *Run {
	return &Run{WorkflowID: "window/d/x", Status: "closed", Searched: searched, Has: has, Closed: begin.Add(2 * minute)}
}

func TestDecide(t *testing.T) {
	replaced := func(x *explanation, at time.Time) {
		x.Store = Stored{Standing: Replaced, CurrentVersion: "9", ReplacedBy: "1", ReplacedAt: at}
	}
	open := func(x *explanation, types ...string) {
		x.Window.Runs = append(x.Window.Runs, &Run{WorkflowID: "window/d/x", Status: "open"})
		x.open, x.openTypes = x.Window.Runs[len(x.Window.Runs)-1], types
	}
	held := func(x *explanation, run *Run) {
		x.Window.Runs = []*Run{run}
		x.holder = run
	}
	for name, c := range map[string]struct {
		age    time.Duration
		given  func(x *explanation)
		want   Verdict
		says   string
		advice string
	}{
		"young":      {age: minute, want: WaitingForTrigger, says: "no trigger has opened its window yet", advice: "starter capture --at"},
		"no trigger": {age: time.Hour, want: NoTrigger, says: "lost the record", advice: "starter capture --at"},
		"old, in our own queue": {age: time.Hour, want: WaitingForTrigger, says: "7 messages are in the trigger queue, and its trigger may be among them; no worker polls the task queue healthlake-cdc",
			advice: "check that workers run", given: func(x *explanation) {
				x.backlog = Backlog{Queue: &queue.Depth{Visible: 4, InFlight: 2, Delayed: 1}, DLQ: &queue.Depth{Visible: 9}, NoWorker: true, TaskQueue: "healthlake-cdc"}
			}},
		"young, in our own queue": {age: minute, want: WaitingForTrigger, says: "1 message is in the trigger queue", given: func(x *explanation) {
			x.backlog = Backlog{Queue: &queue.Depth{Visible: 1}}
		}},
		"old, a dead letter": {age: time.Hour, want: WaitingForTrigger, says: "9 messages are in the dead-letter queue", advice: "starter redrive", given: func(x *explanation) {
			x.backlog = Backlog{Queue: &queue.Depth{}, DLQ: &queue.Depth{Visible: 9}}
		}},
		"old, queues not known": {age: time.Hour, want: NoTrigger, says: "could not be read (set CDC_QUEUE_URL), or CloudTrail has lost the record", given: func(x *explanation) {
			x.backlog = Backlog{Unknown: "set CDC_QUEUE_URL"}
		}},
		"old, queues empty, no worker": {age: time.Hour, want: NoTrigger, says: "most likely lost the record; no worker polls", given: func(x *explanation) {
			x.backlog = Backlog{Queue: &queue.Depth{}, NoWorker: true}
		}},
		"just within":          {age: 72 * time.Hour, want: NoTrigger},
		"older than retention": {age: 72*time.Hour + 10*time.Second, want: OlderThanRetention, says: "cannot be told", advice: "starter replay"},
		"never written": {want: NeverExisted, says: "never written", given: func(x *explanation) {
			x.version, x.Store = cdc.Version{}, Stored{Standing: Absent}
		}},
		"never written, and not configured": {want: NeverExisted, says: "not in CDC_RESOURCE_TYPES either", given: func(x *explanation) {
			x.Store, x.configured = Stored{Standing: Absent}, false
		}},
		"not in history": {want: NoHistory, says: "was replaced by version 2", given: func(x *explanation) {
			x.version, x.Store = cdc.Version{}, Stored{Standing: NotStored, ReplacedBy: "2"}
		}},
		"no time": {want: NoHistory, says: "does not say when", given: func(x *explanation) {
			x.Window = nil
		}},
		"deleted without history": {want: Deleted, says: "no history of it", given: func(x *explanation) {
			x.version, x.Store = cdc.Version{}, Stored{Standing: Gone}
		}},
		"deleted, last version published": {want: Deleted, says: "(published)", given: func(x *explanation) {
			x.Store = Stored{Standing: Gone, ByDelete: true, ReplacedBy: "1"}
			x.Publication = &Publication{EventID: "e"}
		}},
		"the delete": {want: Deleted, says: "this version is the delete", given: func(x *explanation) {
			x.version, x.Store = cdc.Version{}, Stored{Standing: Tombstone}
		}},
		"not configured": {age: minute, want: UnconfiguredType, advice: "CDC_RESOURCE_TYPES", given: func(x *explanation) {
			x.configured = false
		}},
		"not configured any more, but swept": {age: time.Hour, want: Missed, given: func(x *explanation) {
			x.configured = false
			x.Window.Runs = []*Run{closedRun(true, false)}
		}},
		"published": {want: Published, says: "accepted it at", given: func(x *explanation) {
			x.Publication = &Publication{EventID: "e", At: begin}
		}},
		"published, replaced since": {want: Published, says: "it was replaced by version 1", given: func(x *explanation) {
			replaced(x, begin.Add(minute))
			x.Publication = &Publication{EventID: "e", At: begin}
		}},
		"oversize": {want: Published, says: "CDC_MAX_EVENT_BYTES", given: func(x *explanation) {
			x.Publication = &Publication{EventID: "e", Payload: cdc.PayloadReference, PayloadReason: cdc.ReasonOversize}
		}},
		"reference by configuration": {want: Published, says: "CDC_EVENT_PAYLOAD", given: func(x *explanation) {
			x.Publication = &Publication{EventID: "e", Payload: cdc.PayloadReference, PayloadReason: cdc.ReasonConfigured}
		}},
		"by a replay only": {age: 90 * time.Hour, want: Published, says: "by replay/again; no window", given: func(x *explanation) {
			x.Replays = []Replay{{rangeID: "replay/again", slice: "s"}}
			x.Publication = &Publication{EventID: "e", WorkflowID: "s"}
		}},
		"by a replay whose slice has expired": {age: 90 * time.Hour, want: Published, says: "replay/again published it", given: func(x *explanation) {
			x.Replays = []Replay{{rangeID: "replay/again"}}
		}},
		"in the ledger, history gone": {want: Published, says: "has it as published", given: func(x *explanation) {
			held(x, closedRun(true, true))
		}},
		"skipped": {want: Skipped, says: "skipped", given: func(x *explanation) {
			held(x, closedRun(true, true))
			x.skipped = true
		}},
		"skipped by CDC_IMPORTS": {want: Skipped, says: "CDC_IMPORTS", given: func(x *explanation) {
			run := closedRun(true, true)
			run.Skips = true
			held(x, run)
			x.skipped = true
		}},
		"an audit's rerun for another type is open": {want: Missed, says: "closed without it", given: func(x *explanation) {
			x.Window.Runs = []*Run{closedRun(true, false)}
			open(x, "Claim")
		}},
		"only a rerun for another type is known": {want: UnconfiguredType, says: "without the type Patient", given: func(x *explanation) {
			open(x, "Claim")
			x.open.Searched = true // by the run before, whose ledger it has
		}},
		"skipped, window open": {want: Skipped, says: "skipped by an operator", given: func(x *explanation) {
			open(x, "Patient")
			x.holder, x.skipped = x.open, true
		}},
		"superseded": {want: Superseded, says: "search shows only the newest", given: func(x *explanation) {
			replaced(x, begin.Add(minute))
			x.Window.Runs = []*Run{closedRun(true, false)}
		}},
		"replaced after the window had closed": {want: Superseded, says: "after the window had closed", given: func(x *explanation) {
			replaced(x, begin.Add(time.Hour))
			x.Window.Runs = []*Run{closedRun(true, false)}
		}},
		"replaced, window open": {want: Superseded, says: "its window is open", given: func(x *explanation) {
			replaced(x, begin.Add(minute))
			open(x, "Patient")
		}},
		"replaced, no window": {age: time.Hour, want: NoTrigger, says: "was replaced by version 1", given: func(x *explanation) {
			replaced(x, begin.Add(minute))
		}},
		"missed": {want: Missed, says: "did not show it", advice: "starter capture --at", given: func(x *explanation) {
			x.Window.Runs = []*Run{closedRun(true, false)}
		}},
		"missed, audits off": {want: Missed, advice: "`starter capture", given: func(x *explanation) {
			x.Window.Runs, x.audited = []*Run{closedRun(true, false)}, false
		}},
		"ended before it swept": {want: Missed, says: "without a search of the type", given: func(x *explanation) {
			x.Window.Runs = []*Run{closedRun(false, false)}
		}},
		"waiting for its pass": {want: WaitingForPass, says: "next pass or try is at 2026-11-23T12:05:00.000Z", given: func(x *explanation) {
			open(x, "Patient")
			x.Window.NextStep = time.Date(2026, 11, 23, 12, 5, 0, 0, time.UTC)
		}},
		"waiting without a worker": {want: WaitingForPass, says: "no worker answers", advice: "starter status", given: func(x *explanation) {
			open(x, "Patient")
			x.noWorker = true
		}},
		"open, throttled": {want: WaitingForPass, says: "Throttled", given: func(x *explanation) {
			open(x, "Patient")
			x.Window.Blocked = string(cdc.ClassThrottled)
		}},
		"open, forbidden": {want: WaitingForOperator, says: "Forbidden", advice: "worker --check", given: func(x *explanation) {
			open(x, "Patient")
			x.Window.Blocked = string(cdc.ClassForbidden)
		}},
		"open under other types": {want: UnconfiguredType, says: "without the type Patient", given: func(x *explanation) {
			open(x, "Observation")
		}},
		"rejected by EventBridge": {want: WaitingForOperator, says: "MalformedDetail", given: func(x *explanation) {
			open(x, "Patient")
			x.rejected = &Publication{Rejected: "MalformedDetail"}
		}},
		"being published": {want: Publishing, says: "attempt 3", given: func(x *explanation) {
			open(x, "Patient")
			x.publishing, x.failing = &Publication{Attempt: 3}, string(cdc.ClassThrottled)
		}},
		"the bus is missing": {want: WaitingForOperator, says: "BusMissing", given: func(x *explanation) {
			open(x, "Patient")
			x.publishing, x.failing = &Publication{Attempt: 30}, string(cdc.ClassBusMissing)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			x := anExplanation(c.age)
			if c.given != nil {
				c.given(x)
			}
			x.decide()
			require.Equal(t, c.want, x.Verdict, x.Reason)
			require.Contains(t, x.Reason, c.says)
			require.Contains(t, x.Advice, c.advice)
			if !x.audited {
				require.NotContains(t, x.Advice, "audit")
			}
			require.NotContains(t, x.Text(), "%!", "every verb has its value")
		})
	}
}
