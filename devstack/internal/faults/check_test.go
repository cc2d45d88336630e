package faults

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// whole is the evidence of a run without faults: ten versions, each published once by one
// Publish, and stated.
func whole() evidence {
	e := evidence{named: make(map[string]time.Time)}
	var keys []string
	for i := range 10 {
		w := simulator.Write{
			Datastore: "ds", Type: "Patient", ID: string(rune('a' + i)), Version: 1, LastUpdated: noon.Add(time.Duration(i) * time.Second),
			Digest: "digest",
		}
		keys = append(keys, keyOf(w))
		e.writes = append(e.writes, w)
		e.accepted = append(e.accepted, acceptance{keyOf(w), noon.Add(20 * time.Second)})
		e.events = append(e.events, truth.Event{
			Digest: "digest", Meta: truth.Meta{IdempotencyKey: keyOf(w), ResourceType: "Patient", Payload: cdc.PayloadFull},
		})
		e.named[keyOf(w)] = noon.Add(21 * time.Second)
	}
	e.publishes = []publish{{keys: slices.Clone(keys), attempts: 1}}
	sum := sha256.Sum256([]byte(strings.Join(keys, "\n")))
	e.statements = []cdc.Statement{{
		AuditFigures: cdc.AuditFigures{InStore: 10, Published: 10}, DatastoreID: "ds", ResourceType: "Patient", From: noon,
		To: noon.Add(10 * time.Second), Versions: cdc.VersionsAll, Digest: hex.EncodeToString(sum[:]),
	}}
	return e
}

// repeat is what the bus accepted, with the first n versions once more.
func repeat(e *evidence, n int, after time.Duration) {
	for _, a := range e.accepted[:n] {
		e.accepted = append(e.accepted, acceptance{a.key, a.at.Add(after)})
	}
}

func TestInvariantsHoldWithoutFaults(t *testing.T) {
	require.True(t, holds(check(whole())), "%v", check(whole()))
}

// Each invariant is seen to fail, alone.
func TestInvariantsAreSeenToFail(t *testing.T) {
	for name, test := range map[string]struct {
		invariant string
		breaks    func(*evidence)
	}{
		"a version never came":         {"nothing is lost", func(e *evidence) { e.accepted = e.accepted[1:] }},
		"a trigger is in the DLQ":      {"nothing is lost", func(e *evidence) { e.dead = 1 }},
		"an event came twice":          {"repeats are within the bound", func(e *evidence) { repeat(e, 1, 0) }},
		"more than one answer's worth": {"repeats are within the bound", func(e *evidence) { e.lostAnswers = 1; repeat(e, 10, 0); repeat(e, 1, 0) }},
		"more often than attempts":     {"repeats are within the bound", func(e *evidence) { e.publishes[0].attempts = 2; repeat(e, 1, 0); repeat(e, 1, 0) }},
		"in no Publish that was tried again": {"repeats are within the bound", func(e *evidence) {
			e.publishes = append(e.publishes, publish{keys: []string{"another"}, attempts: 5, cut: true})
			repeat(e, 1, 0)
		}},
		"after it was on record": {"what Temporal has on record is not repeated", func(e *evidence) {
			e.publishes[0].attempts = 2
			repeat(e, 1, time.Minute)
		}},
		"after a heartbeat": {"what Temporal has on record is not repeated", func(e *evidence) {
			e.publishes[0].attempts, e.heartbeats, e.named = 2, e.named, nil
			repeat(e, 1, time.Minute)
		}},
		"more than what was in flight at a stop": {"what Temporal has on record is not repeated", func(e *evidence) {
			e.publishes[0].attempts, e.latePublishes = 10, 1
			for range callsInFlight {
				repeat(e, 10, time.Minute)
			}
			repeat(e, 1, time.Minute)
		}},
		"a body was changed":          {"events are true", func(e *evidence) { e.events[3].Digest = "another" }},
		"an event of nothing written": {"events are true", func(e *evidence) { e.events[3].Meta.IdempotencyKey = "ds/Patient/z/_history/1" }},
		"a statement counts wrongly":  {"statements are true", func(e *evidence) { e.statements[0].InStore++ }},
		"a digest is wrong":           {"statements are true", func(e *evidence) { e.statements[0].Digest = "another" }},
		"a type has no statement":     {"statements are true", func(e *evidence) { e.statements = nil }},
		"a statement says missing": {"statements are true", func(e *evidence) {
			e.statements[0].Published, e.statements[0].Missing = 9, 1
		}},
		"the audit failed":   {"statements are true", func(e *evidence) { e.auditError = "exit status 1" }},
		"a window is open":   {"nothing stays open", func(e *evidence) { e.open = []string{"window"} }},
		"a name is readable": {"no patient data in clear", func(e *evidence) { e.leaks = []string{"worker-1.log"} }},
		"memory has grown":   {"memory, goroutines and files are flat", func(e *evidence) { e.grown = grown(rising(12)) }},
	} {
		t.Run(name, func(t *testing.T) {
			e := whole()
			test.breaks(&e)
			for _, f := range check(e) {
				require.Equal(t, f.Invariant == test.invariant, len(f.Broken) > 0, "%s: %v", f.Invariant, f.Broken)
			}
		})
	}
}

// What the bound allows is no break.
func TestWhatTheBoundAllows(t *testing.T) {
	for name, allow := range map[string]func(*evidence){
		"a second attempt": func(e *evidence) { e.publishes[0].attempts = 2; repeat(e, 10, 0) },
		"a cut Publish": func(e *evidence) {
			e.publishes[0].cut, e.heartbeats, e.named = true, e.named, nil
			repeat(e, 10, time.Minute)
		},
		"a lost answer":                func(e *evidence) { e.lostAnswers = 1; repeat(e, 10, 0) },
		"what was in flight at a stop": func(e *evidence) { e.publishes[0].attempts, e.latePublishes = 2, 1; repeat(e, 10, time.Minute) },
		"a soak that is flat":          func(e *evidence) { e.grown = grown(append(rising(1), make([]sample, 11)...)) },
		"a soak of few rounds":         func(e *evidence) { e.grown = grown(rising(5)) },
	} {
		t.Run(name, func(t *testing.T) {
			e := whole()
			allow(&e)
			require.True(t, holds(check(e)), "%v", check(e))
		})
	}
}

func rising(rounds int) []sample {
	samples := make([]sample, rounds)
	for i := range samples {
		samples[i] = sample{MB: 80 + 10*float64(i), Goroutines: 100, Files: 30}
	}
	return samples
}
