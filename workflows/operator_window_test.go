package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// marked is a window's input that keeps CdcState.
func (w *world) marked(types ...string) cdc.CaptureWindowInput {
	in := w.input(types...)
	in.Attributes = true
	return in
}

func (w *world) skip(skip cdc.Skip) { w.env.SignalWorkflow(cdc.SignalSkip, skip) }

func forbidden(resourceType string, until func() bool) func(healthlaketest.Call) error {
	return func(c healthlaketest.Call) error {
		if c.Type == resourceType && until() {
			return &cdc.Error{Op: "GET {Type}", Class: cdc.ClassForbidden, Status: 403}
		}
		return nil
	}
}

func always() bool { return true }

func TestWindowIsMarkedOnceWhileItWaitsAndRetriedAtOnce(t *testing.T) {
	w := newWorld(t)
	lifted := end(2*time.Hour + time.Minute)
	w.store.Fail = forbidden("Claim", func() bool { return w.now().Before(lifted) })
	w.bus.reject = func(key string) bool {
		return key == datastore+"/Patient/bad/_history/1" && w.now().Before(lifted)
	}
	claim := w.store.Write("Claim", "c1", start.Add(time.Second), 0, 300)
	bad := w.store.Write("Patient", "bad", start.Add(time.Second), 0, 300)
	states := w.states()
	w.when(end(time.Hour), func() {
		require.Equal(t, []string{cdc.StateWaiting}, *states, "once, however often it is tried")
		w.env.SignalWorkflow(cdc.SignalRetry, nil)
	})
	retried := lifted.Add(time.Second)
	w.when(retried, func() {
		require.Equal(t, []string{cdc.StateWaiting}, *states, "the retry before was in vain")
		w.env.SignalWorkflow(cdc.SignalRetry, nil)
	})
	result := w.run(w.marked("Claim", "Patient", "Observation"))
	require.Contains(t, w.store.FirstPages("Claim"), end(time.Hour))
	require.Contains(t, w.bus.tried[bad.IdempotencyKey(datastore)], end(time.Hour))
	require.Equal(t, []time.Time{retried}, w.bus.acceptedAt(claim.Version))
	require.Equal(t, []time.Time{retried}, w.bus.acceptedAt(bad.Version))
	require.Equal(t, []string{cdc.StateWaiting, cdc.StateOpen, cdc.StateClosed}, *states,
		"Claim found something, so that another pass followed")
	require.Zero(t, result.Counts.Skipped)
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Claim", "Patient", "Observation")
}

// A namespace without our search attributes would fail the task of an upsert for good.
func TestWindowWithoutAttributesUpsertsNothingWhileItWaits(t *testing.T) {
	w := newWorld(t)
	w.store.Fail = forbidden("Claim", func() bool { return w.now().Before(end(time.Hour)) })
	states := w.states()
	in := w.marked("Claim")
	in.Attributes = false
	w.run(in)
	require.Empty(t, *states)
}

// What passes by itself within some minutes is no operator's, and is not marked.
func TestThrottledTypeDoesNotWaitForAnOperator(t *testing.T) {
	w := newWorld(t)
	throttled := lasting(cdc.ClassThrottled, 429)
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Type == "Claim" && w.now().Before(end(10*time.Minute)) {
			return throttled
		}
		return nil
	}
	states := w.states()
	w.when(end(30*time.Second), func() { w.skip(cdc.Skip{Types: []string{"Patient"}, Versions: []string{"Claim"}}) })
	result := w.run(w.marked("Claim", "Patient"))
	require.Empty(t, *states)
	require.ElementsMatch(t, []string{"Claim", "Patient"}, result.Ledger.Names(), "a skip of what does not wait does nothing")
}

// Whatever lasts waits for an operator, whatever its class, and can be skipped.
func TestWhateverLastsWaitsForAnOperator(t *testing.T) {
	for _, class := range []cdc.Class{cdc.ClassMalformed, cdc.ClassThrottled, cdc.ClassUnavailable, cdc.ClassPageTokenRejected} {
		t.Run(string(class), func(t *testing.T) {
			w := newWorld(t)
			w.store.Fail = func(c healthlaketest.Call) error {
				if c.Type == "Claim" {
					return lasting(class, 200)
				}
				return nil
			}
			states := w.states()
			skipped := end(40 * time.Minute)
			w.when(skipped, func() {
				require.Equal(t, []string{cdc.StateWaiting}, *states)
				waits := w.progress().Waiting
				require.Equal(t, []cdc.Wait{{Type: "Claim", Class: class}}, waits)
				w.skip(cdc.SkipOf(waits))
			})
			result := w.run(w.marked("Claim", "Patient"))
			require.Equal(t, skipped, w.now())
			require.Equal(t, []string{"Patient"}, result.Ledger.Names())
			require.Equal(t, 1, result.Counts.SkippedTypes)
		})
	}
}

// The same for a slice's page, and for all types at once, which Temporal retries.
func TestWhateverLastsInASliceWaitsForAnOperator(t *testing.T) {
	w, slice := sliced(t)
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Further {
			return lasting(cdc.ClassMalformed, 200)
		}
		return nil
	}
	skipped := end(time.Hour)
	w.when(skipped, func() {
		waits := w.sliceProgress(slice).Waiting
		require.Equal(t, []cdc.Wait{{Type: "Patient", Class: cdc.ClassMalformed}}, waits)
		require.NoError(t, w.env.SignalWorkflowByID(slice, cdc.SignalSkip, cdc.SkipOf(waits)))
	})
	result := w.run(w.marked("Patient"))
	require.Equal(t, skipped, w.now())
	require.Equal(t, 1, result.Counts.SkippedTypes)
}

func TestWindowOfAStoreThatIsGoneSaysSo(t *testing.T) {
	w := newWorld(t)
	w.store.Fail = func(healthlaketest.Call) error { return lasting(cdc.ClassUnavailable, 503) }
	states := w.states()
	w.when(end(2*time.Hour), func() {
		require.Equal(t, []string{cdc.StateWaiting}, *states)
		require.Len(t, w.progress().Waiting, 2)
		w.store.Fail = nil
		w.env.SignalWorkflow(cdc.SignalRetry, nil)
	})
	result := w.run(w.marked("Claim", "Patient"))
	w.requireLedger(result.Ledger, "Claim", "Patient")
}

// Where the store is audited, a type that it does not give keeps no window open: an
// audit captures it when it can be read again.
func TestAuditedTypeIsClosedUnsweptAfterAnHour(t *testing.T) {
	for name, failing := range map[string]func(healthlaketest.Call) bool{
		"a type":  func(c healthlaketest.Call) bool { return c.Type == "Claim" },
		"a slice": func(c healthlaketest.Call) bool { return c.Type == "Claim" && c.Further },
		"a store": func(healthlaketest.Call) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.store.Fill("Claim", slicedPatients, start.Add(time.Second), 300)
			patient := w.store.Write("Patient", "p", start.Add(time.Second), 0, 300)
			w.store.Fail = func(c healthlaketest.Call) error {
				if failing(c) {
					return &cdc.Error{Op: "GET {Type}", Class: cdc.ClassForbidden, Status: 403}
				}
				return nil
			}
			in := w.marked("Claim", "Patient")
			in.Audited = true
			result := w.run(in)
			require.NotZero(t, result.Counts.Unswept)
			require.True(t, w.now().After(end(time.Hour)), w.now())
			require.True(t, w.now().Before(end(time.Hour+20*time.Minute)), w.now())
			if name != "a store" {
				require.Len(t, w.bus.acceptedAt(patient.Version), 1)
			}
			if name != "a slice" { // whose first page is in the ledger
				require.False(t, result.Ledger.Swept("Claim"))
			}
			w.closed(0, result)
			w.store.Fail = nil
			w.run(w.rerun(1, "Claim", "Patient"))
			w.requireExactlyOnce(all)
		})
	}
}

// A rerun makes its window's last pass, and not before that is due: what search shows
// late would be missed by both.
func TestRerunOfAWindowThatEndedAMomentAgoWaitsForItsLastPass(t *testing.T) {
	w := newWorldAt(t, end(time.Second))
	late := w.store.Write("Patient", "late", start.Add(time.Second), 30*time.Second, 300)
	in := w.rerun(1, "Patient")
	w.closed(0, cdc.CaptureWindowResult{Ledger: cdc.Ledger{Salt: salt}})
	w.renew(end(time.Second))
	result := w.run(in)
	require.Equal(t, []time.Time{end(60 * time.Second)}, w.bus.acceptedAt(late.Version))
	require.Equal(t, 1, result.Counts.Passes)
}

func TestSkippedVersionsGoIntoTheLedger(t *testing.T) {
	w := newWorld(t)
	good := w.store.Write("Observation", "good", start.Add(time.Second), 0, 300)
	var bad []cdc.Version
	for _, id := range []string{"a", "b"} {
		bad = append(bad, w.store.Write("Patient", id, start.Add(time.Second), 0, 300).Version)
	}
	kept := w.store.Write("Claim", "kept", start.Add(time.Second), 0, 300)
	accepts := false
	w.bus.reject = func(key string) bool { return key != good.IdempotencyKey(datastore) && !accepts }
	states := w.states()
	skipped := end(30 * time.Minute)
	w.when(skipped, func() {
		require.Equal(t, []cdc.Wait{{Type: "Claim", Versions: 1}, {Type: "Patient", Versions: 2}}, w.progress().Failing)
		w.skip(cdc.Skip{Versions: []string{"Patient", "Device"}, Types: []string{"Claim"}})
		w.skip(cdc.Skip{Versions: []string{"Patient"}})
	})
	w.when(skipped.Add(time.Second), func() {
		require.False(t, w.env.IsWorkflowCompleted(), "Claim's version is not skipped")
		p := w.progress()
		require.Equal(t, []cdc.Wait{{Type: "Claim", Versions: 1}}, p.Failing)
		require.Equal(t, 2, p.Counts.Skipped)
		accepts = true
		w.env.SignalWorkflow(cdc.SignalRetry, nil)
	})
	result := w.run(w.marked("Observation", "Patient", "Claim"))
	require.Equal(t, 2, result.Counts.Skipped)
	require.Equal(t, 2, result.Counts.Published)
	for _, version := range bad {
		require.True(t, result.Ledger.Types["Patient"].Skipped.Has(salt.Hash(version)))
		require.False(t, result.Ledger.Types["Patient"].Published.Has(salt.Hash(version)))
	}
	require.NotContains(t, result.Ledger.Names(), "Device", "what was not swept is not in the ledger")
	require.Equal(t, []time.Time{skipped.Add(time.Second)}, w.bus.acceptedAt(kept.Version))
	require.Equal(t, []string{cdc.StateWaiting, cdc.StateClosed}, *states, "it ceased to wait by closing")

	// A rerun publishes nothing of what was skipped.
	w.renew(end(2 * time.Hour))
	w.env.SetStartWorkflowOptions(clientOptions(w.window.RerunID(1)))
	w.runs.Executions[w.window.ID()] = temporaltest.Execution{Status: temporaltest.Completed, Result: result}
	again := w.run(w.rerun(1, "Observation", "Patient", "Claim"))
	require.Zero(t, again.Counts.Published)
	require.Equal(t, 2, again.Ledger.Types["Patient"].Skipped.Len())
	w.requireExactlyOnce(func(v healthlaketest.Stored) bool { return v.Type != "Patient" })
}

func TestSkippedTypeClosesWithoutBeingSwept(t *testing.T) {
	w := newWorld(t)
	w.store.Write("Patient", "p", start.Add(time.Second), 0, 300)
	w.store.Write("Claim", "c", start.Add(time.Second), 0, 300)
	w.store.Fail = forbidden("Claim", always)
	states := w.states()
	skipped := end(20 * time.Minute)
	w.when(skipped, func() { w.skip(cdc.Skip{Types: []string{"Claim", "Patient"}}) })
	result := w.run(w.marked("Patient", "Claim"))
	require.Equal(t, []string{"Patient"}, result.Ledger.Names(), "what was not swept is absent")
	require.Equal(t, 1, result.Counts.SkippedTypes)
	require.Equal(t, skipped, w.now())
	require.Equal(t, []string{cdc.StateWaiting, cdc.StateClosed}, *states)
	w.requireExactlyOnce(func(v healthlaketest.Stored) bool { return v.Type == "Patient" })
}

// What the bus rejects is not carried over a continue-as-new; that it waits is,
// and may be skipped before it was read again.
func TestRejectedVersionsWaitOverAContinueAsNew(t *testing.T) {
	w := newWorld(t)
	w.store.Write("Patient", "good", start.Add(time.Second), 0, 300)
	bad := w.store.Write("Patient", "bad", start.Add(time.Second), 0, 300)
	w.bus.reject = func(key string) bool { return key == bad.IdempotencyKey(datastore) }
	growAfter(w, "Publish", 12)
	states := w.states()
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureWindow, w.marked("Patient"))
	var next cdc.CaptureWindowInput
	w.continued(&next)
	require.Equal(t, 1, next.Resume.Rejected["Patient"].Len())
	require.Equal(t, []string{cdc.StateWaiting}, *states)

	now := w.now()
	w.renew(now)
	require.NoError(t, w.env.SetTypedSearchAttributesOnStart(temporal.NewSearchAttributes(cdc.AttrState.ValueSet(cdc.StateWaiting))))
	states = w.states()
	w.when(now.Add(time.Second), func() {
		require.Equal(t, []cdc.Wait{{Type: "Patient", Versions: 1}}, w.progress().Failing)
		w.skip(cdc.Skip{Versions: []string{"Patient"}})
	})
	result := w.run(next)
	require.True(t, result.Ledger.Types["Patient"].Skipped.Has(salt.Hash(bad.Version)))
	require.Equal(t, []string{cdc.StateClosed}, (*states)[len(*states)-1:])
	require.NotContains(t, *states, cdc.StateWaiting, "it was marked already")
	w.requireExactlyOnce(func(v healthlaketest.Stored) bool { return v.ID == "good" })
}

func TestRetryPublishesEverythingRejectedAtOnce(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		w.store.Write("Patient", id, start.Add(time.Second), 0, 400_000)
	}
	w.bus.reject = func(string) bool { return true }
	retried := end(40*time.Minute + time.Second)
	w.when(retried, func() { w.env.SignalWorkflow(cdc.SignalRetry, nil) })
	w.when(retried.Add(time.Second), func() { w.env.CancelWorkflow() })
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureWindow, w.marked("Patient"))
	require.Len(t, w.bus.tried, 7)
	for key, at := range w.bus.tried {
		tries := 0
		for _, one := range at {
			if !one.Before(retried) {
				tries++
			}
		}
		require.Equal(t, 1, tries, key)
	}
}

func TestRerunWhoseLedgerCannotBeReadWaits(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 5, start.Add(time.Second), 300)
	first := w.capture("Patient")
	missed := w.store.Write("Patient", "missed", start.Add(time.Second), 0, 300)
	in := w.rerun(1, "Patient")
	in.Attributes = true
	readable := w.now().Add(3*time.Hour + time.Second)
	states := w.states()
	w.when(readable, func() {
		require.Equal(t, []string{cdc.StateWaiting}, *states)
		w.runs.Executions[w.window.ID()] = temporaltest.Execution{Status: temporaltest.Completed, Result: first}
		w.env.SignalWorkflow(cdc.SignalRetry, nil)
	})
	result := w.run(in)
	require.Equal(t, []time.Time{readable}, w.bus.acceptedAt(missed.Version))
	require.Equal(t, 6, result.Ledger.Published())
	require.Equal(t, []string{cdc.StateWaiting, cdc.StateOpen, cdc.StateClosed}, *states)
	w.requireExactlyOnce(all)
}

func clientOptions(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: id, TaskQueue: cdc.DefaultTaskQueue}
}

// What the run before published is not known: all that the rerun finds may have
// been, and is skipped.
func TestRerunWhoseLedgerIsSkippedPublishesNothing(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 1_200, start.Add(time.Second), 300)
	in := w.rerun(1, "Patient")
	in.Attributes = true
	given := w.now().Add(time.Hour)
	states := w.states()
	w.when(given, func() {
		require.Equal(t, []cdc.Wait{{Class: cdc.ClassLedgerUnreadable, Ledger: true}}, w.progress().Failing)
		w.skip(cdc.Skip{Types: []string{"Patient"}, Versions: []string{"Patient"}})
	})
	w.when(given.Add(time.Second), func() {
		require.False(t, w.env.IsWorkflowCompleted(), "that was not what waits")
		w.skip(cdc.Skip{Ledger: true})
	})
	result := w.run(in)
	require.Empty(t, w.bus.accepted)
	require.Zero(t, result.Ledger.Published())
	require.Equal(t, 1_200, result.Ledger.Types["Patient"].Skipped.Len())
	require.Equal(t, 1_200, result.Counts.Skipped)
	require.Equal(t, []string{cdc.StateWaiting, cdc.StateOpen}, *states, "it published nothing")
}
