package explain

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/queue"
)

const minute = time.Minute

// aFact is a version of Patient that was written some time ago, in a configured
// store, of which nothing else is known.
func aFact(age time.Duration) *facts {
	now := begin.Add(age)
	version := (&aStore{}).at(0).Version
	return &facts{
		request: Request{Datastore: "d", Type: "Patient", ID: "p"}, now: now, retention: 72 * time.Hour, configured: true, audited: true,
		found:  found{version: version, state: Stored{Standing: Current, CurrentVersion: version.VersionID}},
		window: cdc.WindowAt("d", version.Time()),
	}
}

func closedRun(searched, has bool) *Run {
	return &Run{WorkflowID: "window/d/x", Status: "closed", Searched: searched, Has: has, Closed: begin.Add(2 * minute)}
}

func TestDecide(t *testing.T) {
	replaced := func(f *facts, at time.Time) {
		f.found.state = Stored{Standing: Replaced, CurrentVersion: "9", ReplacedBy: "1", ReplacedAt: at}
	}
	open := func(f *facts, types ...string) {
		f.runs = append(f.runs, &Run{WorkflowID: "window/d/x", Status: "open"})
		f.open, f.openTypes = f.runs[len(f.runs)-1], types
	}
	held := func(f *facts, run *Run) {
		f.runs = []*Run{run}
		f.holder = run
	}
	for name, c := range map[string]struct {
		age    time.Duration
		given  func(f *facts, a *Result)
		want   Verdict
		says   string
		advice string
	}{
		"young":      {age: minute, want: WaitingForTrigger, says: "no trigger has opened its window yet", advice: "starter capture --at"},
		"no trigger": {age: time.Hour, want: NoTrigger, says: "lost the record", advice: "starter capture --at"},
		"old, in our own queue": {age: time.Hour, want: WaitingForTrigger, says: "7 messages are in the trigger queue, and its trigger may be among them; no worker polls the task queue healthlake-cdc",
			advice: "check that workers run", given: func(f *facts, _ *Result) {
				f.triggers = Triggers{Queue: &queue.Depth{Visible: 4, InFlight: 2, Delayed: 1}, DLQ: &queue.Depth{Visible: 9}, NoWorker: true, TaskQueue: "healthlake-cdc"}
			}},
		"young, in our own queue": {age: minute, want: WaitingForTrigger, says: "1 message is in the trigger queue", given: func(f *facts, _ *Result) {
			f.triggers = Triggers{Queue: &queue.Depth{Visible: 1}}
		}},
		"old, a dead letter": {age: time.Hour, want: WaitingForTrigger, says: "9 messages are in the dead-letter queue", advice: "starter redrive", given: func(f *facts, _ *Result) {
			f.triggers = Triggers{Queue: &queue.Depth{}, DLQ: &queue.Depth{Visible: 9}}
		}},
		"old, queues not known": {age: time.Hour, want: NoTrigger, says: "could not be read (set CDC_QUEUE_URL), or CloudTrail has lost the record", given: func(f *facts, _ *Result) {
			f.triggers = Triggers{Unknown: "set CDC_QUEUE_URL"}
		}},
		"old, queues empty, no worker": {age: time.Hour, want: NoTrigger, says: "most likely lost the record; no worker polls", given: func(f *facts, _ *Result) {
			f.triggers = Triggers{Queue: &queue.Depth{}, NoWorker: true}
		}},
		"just within":          {age: 72 * time.Hour, want: NoTrigger},
		"older than retention": {age: 72*time.Hour + 10*time.Second, want: OlderThanRetention, says: "cannot be told", advice: "starter replay"},
		"never written": {want: NeverExisted, says: "never written", given: func(f *facts, _ *Result) {
			f.found = found{state: Stored{Standing: Absent}}
		}},
		"never written, and not configured": {want: NeverExisted, says: "not in CDC_RESOURCE_TYPES either", given: func(f *facts, _ *Result) {
			f.found, f.configured = found{state: Stored{Standing: Absent}}, false
		}},
		"not in history": {want: NoHistory, says: "was replaced by version 2", given: func(f *facts, _ *Result) {
			f.found = found{state: Stored{Standing: NotStored, ReplacedBy: "2"}}
		}},
		"deleted without history": {want: Deleted, says: "no history of it", given: func(f *facts, _ *Result) {
			f.found = found{state: Stored{Standing: Gone}}
		}},
		"deleted, last version published": {want: Deleted, says: "(published)", given: func(f *facts, a *Result) {
			f.found.state = Stored{Standing: Gone, ByDelete: true, ReplacedBy: "1"}
			a.Publication = &Publication{EventID: "e"}
		}},
		"the delete": {want: Deleted, says: "this version is the delete", given: func(f *facts, _ *Result) {
			f.found = found{state: Stored{Standing: Tombstone}}
		}},
		"not configured": {age: minute, want: UnconfiguredType, advice: "CDC_RESOURCE_TYPES", given: func(f *facts, _ *Result) {
			f.configured = false
		}},
		"not configured any more, but swept": {age: time.Hour, want: Missed, given: func(f *facts, _ *Result) {
			f.configured = false
			f.runs = []*Run{closedRun(true, false)}
		}},
		"published": {want: Published, says: "accepted it at", given: func(_ *facts, a *Result) {
			a.Publication = &Publication{EventID: "e", At: begin}
		}},
		"published, replaced since": {want: Published, says: "it was replaced by version 1", given: func(f *facts, a *Result) {
			replaced(f, begin.Add(minute))
			a.Publication = &Publication{EventID: "e", At: begin}
		}},
		"oversize": {want: Published, says: "CDC_MAX_EVENT_BYTES", given: func(_ *facts, a *Result) {
			a.Publication = &Publication{EventID: "e", Payload: cdc.PayloadReference, PayloadReason: cdc.ReasonOversize}
		}},
		"reference by configuration": {want: Published, says: "CDC_EVENT_PAYLOAD", given: func(_ *facts, a *Result) {
			a.Publication = &Publication{EventID: "e", Payload: cdc.PayloadReference, PayloadReason: cdc.ReasonConfigured}
		}},
		"by a replay only": {age: 90 * time.Hour, want: Published, says: "replay again", given: func(f *facts, a *Result) {
			f.replayed = true
			a.Publication = &Publication{EventID: "e", Replay: "again"}
		}},
		"in the ledger, history gone": {want: Published, says: "has it as published", given: func(f *facts, _ *Result) {
			held(f, closedRun(true, true))
		}},
		"skipped": {want: Skipped, says: "skipped", given: func(f *facts, _ *Result) {
			held(f, closedRun(true, true))
			f.skippedInLedger = true
		}},
		"skipped by CDC_IMPORTS": {want: Skipped, says: "CDC_IMPORTS", given: func(f *facts, _ *Result) {
			run := closedRun(true, true)
			run.Skips = true
			held(f, run)
			f.skippedInLedger = true
		}},
		"an audit's rerun for another type is open": {want: Missed, says: "closed without it", given: func(f *facts, _ *Result) {
			f.runs = []*Run{closedRun(true, false)}
			open(f, "Claim")
		}},
		"skipped, window open": {want: Skipped, says: "skipped by an operator at 2026", given: func(f *facts, _ *Result) {
			open(f, "Patient")
			f.rejected, f.skippedAt = &Publication{Rejected: "MalformedDetail"}, begin
		}},
		"superseded": {want: Superseded, says: "search shows only the newest", given: func(f *facts, _ *Result) {
			replaced(f, begin.Add(minute))
			f.runs = []*Run{closedRun(true, false)}
		}},
		"replaced after the window had closed": {want: Superseded, says: "after the window had closed", given: func(f *facts, _ *Result) {
			replaced(f, begin.Add(time.Hour))
			f.runs = []*Run{closedRun(true, false)}
		}},
		"replaced, window open": {want: Superseded, says: "its window is open", given: func(f *facts, _ *Result) {
			replaced(f, begin.Add(minute))
			open(f, "Patient")
		}},
		"replaced, no window": {age: time.Hour, want: NoTrigger, says: "was replaced by version 1", given: func(f *facts, _ *Result) {
			replaced(f, begin.Add(minute))
		}},
		"missed": {want: Missed, says: "did not show it", advice: "starter capture --at", given: func(f *facts, _ *Result) {
			f.runs = []*Run{closedRun(true, false)}
		}},
		"missed, audits off": {want: Missed, advice: "`starter capture", given: func(f *facts, _ *Result) {
			f.runs, f.audited = []*Run{closedRun(true, false)}, false
		}},
		"ended before it swept": {want: Missed, says: "without a search of the type", given: func(f *facts, _ *Result) {
			f.runs = []*Run{closedRun(false, false)}
		}},
		"waiting for its pass": {want: WaitingForPass, says: "next pass or try is at 2026-11-23T12:05:00.000Z", given: func(f *facts, a *Result) {
			open(f, "Patient")
			a.Window.NextStep = time.Date(2026, 11, 23, 12, 5, 0, 0, time.UTC)
		}},
		"waiting without a worker": {want: WaitingForPass, says: "no worker answers", advice: "starter status", given: func(f *facts, _ *Result) {
			open(f, "Patient")
			f.noWorker = true
		}},
		"open, throttled": {want: WaitingForPass, says: "Throttled", given: func(f *facts, a *Result) {
			open(f, "Patient")
			a.Window.Blocked = string(cdc.ClassThrottled)
		}},
		"open, forbidden": {want: WaitingForOperator, says: "Forbidden", advice: "worker --check", given: func(f *facts, a *Result) {
			open(f, "Patient")
			a.Window.Blocked = string(cdc.ClassForbidden)
		}},
		"open under other types": {want: UnconfiguredType, says: "without the type Patient", given: func(f *facts, _ *Result) {
			open(f, "Observation")
		}},
		"rejected by EventBridge": {want: WaitingForOperator, says: "MalformedDetail", given: func(f *facts, _ *Result) {
			open(f, "Patient")
			f.rejected = &Publication{Rejected: "MalformedDetail"}
		}},
		"being published": {want: Publishing, says: "attempt 3", given: func(f *facts, _ *Result) {
			open(f, "Patient")
			f.publishing, f.failing = &Publication{Attempt: 3}, string(cdc.ClassThrottled)
		}},
		"the bus is missing": {want: WaitingForOperator, says: "BusMissing", given: func(f *facts, _ *Result) {
			open(f, "Patient")
			f.publishing, f.failing = &Publication{Attempt: 30}, string(cdc.ClassBusMissing)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := aFact(c.age)
			a := &Result{Window: &Window{}}
			if c.given != nil {
				c.given(f, a)
			}
			f.decide(a)
			require.Equal(t, c.want, a.Verdict, a.Reason)
			require.Contains(t, a.Reason, c.says)
			require.Contains(t, a.Advice, c.advice)
			if !f.audited {
				require.NotContains(t, a.Advice, "audit")
			}
			require.NotContains(t, a.Text(), "%!", "every verb has its value")
		})
	}
}
