package workflows_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// replaced writes two versions of n resources of a type, so that search shows the
// second ones only, and returns the first ones.
func (w *world) replaced(resourceType string, ids ...string) []cdc.Version {
	var first []cdc.Version
	for _, id := range ids {
		first = append(first, w.store.Write(resourceType, id, start.Add(time.Second), 0, 300).Version)
		w.store.Write(resourceType, id, start.Add(2*time.Second), 0, 300)
	}
	return first
}

func names(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = prefix + string(rune('a'+i/26)) + string(rune('a'+i%26))
	}
	return all
}

// closed lets the window's run n be read as completed with the result.
func (w *world) closed(n int, result cdc.CaptureWindowResult) {
	w.runs.Executions[w.window.RerunID(n)] = temporaltest.Execution{Status: temporaltest.Completed, Result: result}
}

// queues collects the task queues on which the activities run, by name.
func (w *world) queues() map[string][]string {
	queues := make(map[string][]string)
	w.env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		if name := info.ActivityType.Name; !slices.Contains(queues[name], info.TaskQueue) {
			queues[name] = append(queues[name], info.TaskQueue)
		}
	})
	return queues
}

func TestRerunPublishesWantedVersionsFromHistory(t *testing.T) {
	w := newWorld(t)
	patients := w.replaced("Patient", names("SECRET-p", 30)...)
	claim := w.replaced("Claim", "c")
	first := w.capture("Patient", "Claim")
	require.Equal(t, 31, first.Ledger.Published())
	w.closed(0, first)
	missed := w.store.Write("Patient", "late", start.Add(3*time.Second), 30*time.Minute, 300)

	in := w.rerun(1, "Patient", "Claim")
	in.Bulk, in.CapturedBy = true, cdc.ByAudit
	in.Wanted = append(append(in.Wanted, patients...), claim...)
	// What the ledger has, what is gone, and what lies elsewhere is not published.
	in.Wanted = append(in.Wanted,
		w.store.Log[1].Version,
		cdc.Version{Type: "Patient", ID: "purged", VersionID: "1", LastUpdated: patients[0].LastUpdated},
		cdc.Version{Type: "Patient", ID: patients[0].ID, VersionID: "7", LastUpdated: end(time.Hour).Format(time.RFC3339)})
	queues := w.queues()
	result := w.run(in)

	require.Equal(t, 32, result.Counts.Published)
	require.Equal(t, []time.Time{end(time.Hour)}, w.bus.acceptedAt(missed.Version), "its pass is made as well")
	for _, v := range slices.Concat(patients, claim) {
		require.True(t, result.Ledger.Has(v))
	}
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Claim")
	require.Zero(t, len(w.store.Made("vread", "Claim"))-1, "each is read once")
	bulk := cdc.BulkTaskQueue(cdc.DefaultTaskQueue, datastore)
	require.Equal(t, []string{bulk}, queues["Hydrate"])
	require.Equal(t, []string{bulk}, queues["HydratePage"])
	require.Equal(t, []string{cdc.BulkPublishQueue(cdc.DefaultTaskQueue)}, queues["Publish"])

	w.closed(1, result)
	in = w.rerun(2, "Patient", "Claim")
	in.Wanted = patients
	reads := len(w.store.Made("read", ""))
	again := w.run(in)
	require.Zero(t, again.Counts.Published)
	require.Len(t, w.store.Made("read", ""), reads, "what the ledger has is not read")
	w.requireExactlyOnce(all)
}

// A window that never ran may have lost versions that were replaced, too.
func TestFirstRunPublishesWantedVersions(t *testing.T) {
	w := newWorldAt(t, end(time.Hour))
	in := w.input("Patient")
	in.Wanted = w.replaced("Patient", "a", "b")
	queues := w.queues()
	result := w.run(in)
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient")
	require.Equal(t, []string{cdc.DefaultTaskQueue}, queues["Hydrate"], "not in bulk")
	require.Equal(t, []string{cdc.DefaultTaskQueue}, queues["Publish"])
	require.Equal(t, []string{cdc.LiveTaskQueue(cdc.DefaultTaskQueue, datastore)}, queues["HydratePage"])
}

func TestWantedVersionsThatCannotBeReadHoldUpNoOtherType(t *testing.T) {
	for _, failure := range []struct {
		class    cdc.Class
		operator bool
	}{{cdc.ClassForbidden, true}, {cdc.ClassUnavailable, false}} {
		t.Run(string(failure.class), func(t *testing.T) {
			w := newWorldAt(t, end(time.Hour))
			claims, patients := w.replaced("Claim", "c1", "c2"), w.replaced("Patient", "p")
			lifted := w.now().Add(20 * time.Minute)
			w.store.Fail = func(c healthlaketest.Call) error {
				if c.Type == "Claim" && c.Op != "search" && w.now().Before(lifted) {
					return &cdc.Error{Op: "GET {Type}/{id}", Class: failure.class, Status: 500, RetryAfter: 3 * time.Second}
				}
				return nil
			}
			in := w.marked("Claim", "Patient")
			in.Wanted = append(in.Wanted, claims...)
			in.Wanted = append(in.Wanted, patients...)
			states := w.states()
			w.when(lifted.Add(-time.Second), func() {
				for _, v := range w.store.Log {
					if v.Version != claims[0] && v.Version != claims[1] {
						require.NotEmpty(t, w.bus.acceptedAt(v.Version))
					}
				}
				require.Equal(t, []cdc.Wait{{Type: "Claim", Class: failure.class}}, w.progress().Failing)
				require.Equal(t, failure.operator, slices.Contains(*states, cdc.StateWaiting))
			})
			retried := lifted.Add(time.Second)
			w.when(retried, func() { w.env.SignalWorkflow(cdc.SignalRetry, nil) })
			result := w.run(in)
			if failure.operator {
				require.Equal(t, retried, w.bus.acceptedAt(claims[0])[0], "an operator's retry is followed at once")
			}
			w.requireExactlyOnce(all)
			w.requireLedger(result.Ledger, "Claim", "Patient")
		})
	}
}

func TestOperatorSkipsWantedVersionsThatCannotBeRead(t *testing.T) {
	w := newWorldAt(t, end(time.Hour))
	claims := w.replaced("Claim", "c1", "c2")
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Op != "search" {
			return &cdc.Error{Op: "GET {Type}/{id}", Class: cdc.ClassForbidden, Status: 403}
		}
		return nil
	}
	in := w.marked("Claim", "Patient")
	in.Wanted = claims
	w.when(w.now().Add(30*time.Minute), func() { w.skip(cdc.Skip{Types: []string{"Patient"}}) })
	w.when(w.now().Add(time.Hour), func() {
		require.False(t, w.env.IsWorkflowCompleted(), "the skip of another type was none of it")
		w.skip(cdc.Skip{Types: []string{"Claim"}})
	})
	result := w.run(in)
	require.Equal(t, 2, result.Counts.Published, "what search shows")
	require.Equal(t, 2, result.Counts.Skipped)
	require.ElementsMatch(t, []cdc.Hash{salt.Hash(claims[0]), salt.Hash(claims[1])}, result.Ledger.Types["Claim"].Skipped.Sorted())
}

func TestWantedVersionsGoOnOverAContinueAsNew(t *testing.T) {
	w := newWorldAt(t, end(time.Hour))
	in := w.input("Patient")
	in.Wanted = w.replaced("Patient", names("p", 600)...)
	growAfter(w, "HydratePage", 1)
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureWindow, in)
	var next cdc.CaptureWindowInput
	w.continued(&next)
	require.Len(t, next.Wanted, 100, "what was not read")
	require.Equal(t, 1_100, next.Resume.Ledger.Published(), "the pass under way was made as well")

	w.renew(w.now())
	result := w.run(next)
	require.Equal(t, 1_200, result.Counts.Published)
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient")
}

// No search brings a wanted version again: the next run must still want it.
func TestRejectedWantedVersionIsPublishedAfterAContinueAsNew(t *testing.T) {
	w := newWorldAt(t, end(time.Hour))
	in := w.input("Patient")
	in.Wanted = w.replaced("Patient", "a", "b")
	bad := in.Wanted[1]
	accepts := w.now().Add(2 * time.Hour)
	w.bus.reject = func(key string) bool { return key == bad.IdempotencyKey(datastore) && w.now().Before(accepts) }
	growAfter(w, "Publish", 6)
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureWindow, in)
	var next cdc.CaptureWindowInput
	w.continued(&next)
	require.Equal(t, []cdc.Version{bad}, next.Wanted)

	w.renew(w.now())
	result := w.run(next)
	require.False(t, w.bus.acceptedAt(bad)[0].Before(accepts))
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient")
}

func TestWindowInBulkHasItsSlicesInBulk(t *testing.T) {
	w := newWorldAt(t, end(time.Hour))
	w.store.Fill("Patient", 1_300, start.Add(time.Second), 300)
	slices, _ := watchSlices(w)
	in := w.input("Patient")
	in.Bulk = true
	w.run(in)
	require.NotEmpty(t, *slices)
	for _, slice := range *slices {
		require.True(t, slice.Origin.Bulk)
	}
	w.requireExactlyOnce(all)
}

// skipped counts what the ledger has as skipped.
func skipped(ledger cdc.Ledger) (n int) {
	for _, name := range ledger.Names() {
		n += ledger.Types[name].Skipped.Len()
	}
	return n
}

func TestWindowThatSkipsPublishesNothing(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 2_500, start.Add(time.Second), 300)
	slow := w.store.Write("Claim", "slow", start.Add(time.Second), 30*time.Second, 300)
	started, _ := watchSlices(w)
	in := w.input("Patient", "Claim", "Observation")
	in.Skip, in.Bulk, in.CapturedBy = true, true, cdc.ByImport
	in.Wanted = w.replaced("Claim", "wanted")
	result := w.run(in)

	require.Empty(t, w.bus.accepted)
	require.Empty(t, *started, "no slice")
	require.Empty(t, w.store.Made("read", ""), "no body")
	require.Empty(t, w.store.Made("vread", ""))
	for _, c := range w.store.Made("search", "") {
		require.True(t, c.IDsOnly)
	}
	require.Equal(t, 2_503, skipped(result.Ledger))
	require.Equal(t, 2_503, result.Counts.Skipped)
	require.Zero(t, result.Ledger.Published())
	require.True(t, result.Ledger.Has(slow.Version), "found by a later pass")
	require.Equal(t, []string{"Claim", "Observation", "Patient"}, result.Ledger.Names())
}

func TestRerunThatSkipsKeepsWhatWasPublished(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 5, start.Add(time.Second), 300)
	first := w.capture("Patient")
	w.closed(0, first)
	w.store.Fill("Patient", 1_200, start.Add(2*time.Second), 300)
	in := w.rerun(1, "Patient")
	in.Skip = true
	growAfter(w, "Hydrate", 1)
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureWindow, in)
	var next cdc.CaptureWindowInput
	w.continued(&next)

	w.renew(w.now())
	second := w.run(next)
	require.Equal(t, 5, second.Ledger.Published())
	require.Equal(t, 1_200, skipped(second.Ledger))
	require.Len(t, w.bus.accepted, 5)

	w.closed(1, second)
	third := w.run(w.rerun(2, "Patient"))
	require.Zero(t, third.Counts.Published, "what was skipped is known")
	require.Len(t, w.bus.accepted, 5)
}
