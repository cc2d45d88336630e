package faults

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// entriesPerCall is the most that one lost answer repeats (PutEvents takes 10 entries).
const entriesPerCall = 10

// callsInFlight is how many calls a Publish makes at a time, which a worker that stood
// still may have under way.
const callsInFlight = 8

// evidence is what a run has left behind. The invariants are checked on it alone.
type evidence struct {
	writes     []simulator.Write
	deliveries []stack.Delivery
	events     []truth.Event
	statements []cdc.Statement
	// accepted is what the bus accepted, in order.
	accepted []acceptance
	// publishes are all Publish activities of all executions.
	publishes []publish
	// named is when a result said that a version was published, heartbeats when a heartbeat
	// did. Those of a cut Publish are lost with its execution.
	named, heartbeats map[string]time.Time
	// lostAnswers counts the calls of PutEvents that were accepted and whose answers were
	// lost, latePublishes the Publishes that workers had when they began to stand still: the
	// calls of each that were in flight may be accepted late.
	lostAnswers, latePublishes int
	// auditError is what the audit said at its end, empty if all was well.
	auditError string
	// open are the IDs of executions that did not close; dead is how many messages are in
	// the dead-letter queue beyond those that were malformed.
	open []string
	dead int
	// leaks are the places that hold what is planted in ids and names.
	leaks []string
	// grown says which figures of a worker were not flat.
	grown []string
}

// acceptance is an event that the bus accepted.
type acceptance struct {
	key string
	at  time.Time
}

// publish is a Publish activity: what it was to publish, and how often it was tried.
type publish struct {
	keys     []string
	attempts int
	// cut is set if nothing that goes on knows its result: its execution was terminated
	// or cancelled, or reset to before its end.
	cut bool
}

// Finding is an invariant, and how it was broken.
type Finding struct {
	Invariant string   `json:"invariant"`
	Broken    []string `json:"broken,omitempty"` // empty if it holds
}

// invariants are checked after the audit.
var invariants = []struct {
	name  string
	check func(evidence) []string
}{
	{"nothing is lost", checkLost},
	{"repeats are within the bound", checkRepeats},
	{"what Temporal has on record is not repeated", checkNamed},
	{"events are true", checkEvents},
	{"statements are true", checkStatements},
	{"nothing stays open", checkOpen},
	{"no patient data in clear", func(e evidence) []string { return e.leaks }},
	{"memory, goroutines and files are flat", func(e evidence) []string { return e.grown }},
}

// check checks all invariants.
func check(e evidence) []Finding {
	findings := make([]Finding, len(invariants))
	for i, one := range invariants {
		findings[i] = Finding{Invariant: one.name, Broken: one.check(e)}
	}
	return findings
}

func keyOf(w simulator.Write) string {
	return fmt.Sprintf("%s/%s/%s/_history/%d", w.Datastore, w.Type, w.ID, w.Version)
}

// lost are the versions that are not on the bus. The scenario runs with
// CDC_VERSIONS=all, and deletes only what is on the bus: so every version counts.
func (e evidence) lost() (lost []simulator.Write) {
	came := make(map[string]bool, len(e.accepted))
	for _, a := range e.accepted {
		came[a.key] = true
	}
	for _, w := range e.writes {
		if !w.Deleted && !came[keyOf(w)] {
			lost = append(lost, w)
		}
	}
	return lost
}

func checkLost(e evidence) (broken []string) {
	for _, w := range e.lost() {
		broken = append(broken, fmt.Sprintf("%s/%s/_history/%d of %s", w.Type, w.ID, w.Version, w.LastUpdated.Format(time.RFC3339Nano)))
	}
	report := truth.Compare(e.writes, e.deliveries, e.events, truth.Settings{Audited: true})
	if n := report.Total.DeletesMissing; n > 0 {
		broken = append(broken, fmt.Sprintf("%d deletes whose records were delivered", n))
	}
	if e.dead > 0 {
		broken = append(broken, fmt.Sprintf("%d triggers are in the dead-letter queue", e.dead))
	}
	return broken
}

// repeats counts the deliveries beyond the first, by idempotency key.
func (e evidence) repeats() map[string]int {
	again := make(map[string]int)
	for _, a := range e.accepted {
		again[a.key]++
	}
	maps.DeleteFunc(again, func(key string, n int) bool {
		again[key] = n - 1
		return n == 1
	})
	return again
}

// checkRepeats checks the bound of docs/failures.md: a version is repeated by each further
// attempt of a Publish at most once, and otherwise only by a lost answer, which repeats at
// most its call. What a cut Publish held may come again.
func checkRepeats(e evidence) (broken []string) {
	may := make(map[string]int)
	for _, p := range e.publishes {
		further := p.attempts - 1
		if p.cut {
			further = len(e.accepted)
		}
		for _, key := range p.keys {
			may[key] += max(0, further)
		}
	}
	over := 0
	for key, n := range e.repeats() {
		if more := n - may[key]; more > 0 {
			over += more
			broken = append(broken, fmt.Sprintf("%s came %d times more than its Publishes explain", key, more))
		}
	}
	if allowed := entriesPerCall * e.lostAnswers; over <= allowed {
		return nil
	}
	slices.Sort(broken)
	return append([]string{fmt.Sprintf("%d repeats without a further attempt, %d answers of %d entries were lost", over, e.lostAnswers, entriesPerCall)}, broken...)
}

// checkNamed checks that what a heartbeat or a result has named is not sent again, but for
// the calls of a worker that stood still.
func checkNamed(e evidence) (broken []string) {
	named := maps.Clone(e.heartbeats)
	for _, p := range e.publishes {
		if p.cut {
			for _, key := range p.keys {
				delete(named, key)
			}
		}
	}
	if named == nil {
		named = make(map[string]time.Time)
	}
	for key, at := range e.named {
		earliest(named, key, at)
	}
	for _, a := range e.accepted {
		if at, ok := named[a.key]; ok && a.at.After(at) {
			broken = append(broken, fmt.Sprintf("%s came %s after Temporal had it on record", a.key, a.at.Sub(at).Round(time.Millisecond)))
		}
	}
	if len(broken) <= entriesPerCall*callsInFlight*e.latePublishes {
		return nil
	}
	return broken
}

// earliest keeps the earlier of two times.
func earliest(times map[string]time.Time, key string, at time.Time) {
	if before, ok := times[key]; !ok || at.Before(before) {
		times[key] = at
	}
}

func checkEvents(e evidence) []string {
	return truth.Compare(e.writes, e.deliveries, e.events, truth.Settings{Audited: true}).Wrong
}

// checkStatements holds the audit's statements against the write log: each of them, and
// that together they account for every version of every resource that was not deleted.
func checkStatements(e evidence) []string {
	broken := truth.CheckStatements(e.writes, e.statements)
	deleted := make(map[string]bool)
	for _, w := range e.writes {
		deleted[w.Type+"/"+w.ID] = w.Deleted // the last write decides
	}
	there := 0
	for _, w := range e.writes {
		if !w.Deleted && !deleted[w.Type+"/"+w.ID] {
			there++
		}
	}
	sum := truth.SumStatements(e.statements)
	if sum.InStore != there {
		broken = append(broken, fmt.Sprintf("together they state %d versions, the log has %d", sum.InStore, there))
	}
	if sum.Missing+sum.Open+sum.Skipped > 0 {
		broken = append(broken, fmt.Sprintf("%d are stated as missing, %d as open, %d as skipped", sum.Missing, sum.Open, sum.Skipped))
	}
	if e.auditError != "" {
		broken = append(broken, "the audit ended with: "+strings.TrimSpace(e.auditError))
	}
	return broken
}

func checkOpen(e evidence) []string { return e.open }

// holds reports whether all invariants hold.
func holds(findings []Finding) bool {
	return !slices.ContainsFunc(findings, func(f Finding) bool { return len(f.Broken) > 0 })
}

// sameBreak reports whether two runs broke one invariant in common.
func sameBreak(a, b []Finding) bool {
	for i := range a {
		if len(a[i].Broken) > 0 && len(b[i].Broken) > 0 {
			return true
		}
	}
	return false
}
