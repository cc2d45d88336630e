package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

const slicedPatients = 1_300

// sliced is a world whose window overflows into a slice, with the slice's ID.
func sliced(t *testing.T) (w *world, slice string) {
	t.Helper()
	w = newWorld(t)
	w.store.Fill("Patient", slicedPatients, start.Add(time.Second), 300)
	return w, cdc.SliceID(w.window.ID(), "Patient", w.window.Start, 1)
}

func (w *world) sliceProgress(id string) cdc.Progress {
	w.t.Helper()
	value, err := w.env.QueryWorkflowByID(id, cdc.QueryProgress)
	require.NoError(w.t, err)
	var progress cdc.Progress
	require.NoError(w.t, value.Get(&progress))
	return progress
}

// failFurther makes the store reject requests for further pages.
func failFurther(w *world, rejected func() bool) {
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Further && rejected() {
			return &cdc.Error{Op: "GET {Type}", Class: cdc.ClassForbidden, Status: 403}
		}
		return nil
	}
}

func TestUnavailableSliceWaitsAndIsRetriedAtOnce(t *testing.T) {
	w, slice := sliced(t)
	lifted := false
	failFurther(w, func() bool { return !lifted })
	inputs, _ := watchSlices(w)
	states := w.states()
	retried := end(40 * time.Minute)
	w.when(retried, func() {
		require.Equal(t, []cdc.Wait{{Type: "Patient", Class: cdc.ClassForbidden}}, w.sliceProgress(slice).Failing)
		require.Equal(t, []string{cdc.StateWaiting}, *states)
		lifted = true
		require.NoError(t, w.env.SignalWorkflowByID(slice, cdc.SignalRetry, nil))
	})
	result := w.run(w.marked("Patient", "Observation"))
	require.True(t, (*inputs)[0].Attributes)
	require.Equal(t, []time.Time{end(10 * time.Second), end(60 * time.Second)}, w.store.FirstPages("Observation"), "others go on")
	require.Equal(t, []string{cdc.StateWaiting, cdc.StateOpen, cdc.StateClosed}, *states)
	require.Equal(t, slicedPatients, result.Ledger.Published())
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Observation")
}

func TestSkippedSliceClosesItsType(t *testing.T) {
	w, slice := sliced(t)
	failFurther(w, always)
	w.when(end(40*time.Minute), func() {
		require.NoError(t, w.env.SignalWorkflowByID(slice, cdc.SignalSkip, cdc.Skip{Types: []string{"Patient"}}))
	})
	result := w.run(w.marked("Patient", "Observation"))
	require.Equal(t, end(40*time.Minute), w.now())
	require.Equal(t, 1, result.Counts.SkippedTypes)
	require.Equal(t, 100, result.Ledger.Published(), "what was published before stays in the ledger")
	require.Len(t, w.store.FirstPages("Patient"), 1, "no further pass")
	require.Len(t, w.bus.accepted, 100)
	require.Equal(t, end(40*time.Minute), w.now(), "at once")
	asked := w.store.Made("search", "Patient")
	require.True(t, asked[len(asked)-1].At.Before(end(40*time.Minute)), "and the store is not asked again")
}

func TestSkippedVersionOfASliceIsInTheWindowsLedger(t *testing.T) {
	w, slice := sliced(t)
	bad := w.store.Write("Patient", "zzz", start.Add(time.Second), 0, 300)
	w.bus.reject = func(key string) bool { return key == bad.IdempotencyKey(datastore) }
	states := w.states()
	skipped := end(40 * time.Minute)
	w.when(skipped, func() {
		require.Equal(t, []cdc.Wait{{Type: "Patient", Versions: 1}}, w.sliceProgress(slice).Failing)
		require.NoError(t, w.env.SignalWorkflowByID(slice, cdc.SignalSkip, cdc.Skip{Versions: []string{"Patient"}}))
	})
	result := w.run(w.marked("Patient", "Observation"))
	require.Equal(t, 1, result.Counts.Skipped)
	require.True(t, result.Ledger.Types["Patient"].Skipped.Has(salt.Hash(bad.Version)))
	require.Equal(t, slicedPatients, result.Ledger.Published())
	require.Equal(t, []string{cdc.StateWaiting, cdc.StateOpen, cdc.StateClosed}, *states,
		"the slice ceased to wait, and the window closed")
	w.requireExactlyOnce(func(v healthlaketest.Stored) bool { return v.ID != "zzz" })
}

func TestRetriedVersionOfASliceIsPublishedAtOnce(t *testing.T) {
	w, slice := sliced(t)
	bad := w.store.Write("Patient", "zzz", start.Add(time.Second), 0, 300)
	lifted := false
	w.bus.reject = func(key string) bool { return !lifted && key == bad.IdempotencyKey(datastore) }
	retried := end(40 * time.Minute)
	w.when(retried, func() {
		lifted = true
		require.NoError(t, w.env.SignalWorkflowByID(slice, cdc.SignalRetry, nil))
	})
	result := w.run(w.marked("Patient"))
	require.Equal(t, []time.Time{retried}, w.bus.acceptedAt(bad.Version))
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient")
}

// The page is given at last, in pieces, and one of those fails once: the store has not
// been failing since the first try, and the type is not closed unswept.
func TestSliceThatIsGivenAPageInPiecesIsNotClosedUnswept(t *testing.T) {
	w := newWorld(t)
	renewSlice(w)
	over := w.now().Add(70 * time.Minute)
	w.store.Fill("Patient", 90, start.Add(time.Second), 30_000)
	given := 0
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.At.Before(over) {
			return lasting(cdc.ClassUnavailable, 503)
		}
		if given++; given == 2 {
			return lasting(cdc.ClassUnavailable, 503)
		}
		return nil
	}
	in := sliceInput(w, false)
	in.Audited = true
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureSlice, in)
	require.NoError(t, w.env.GetWorkflowError())
	var result cdc.CaptureSliceResult
	require.NoError(t, w.env.GetWorkflowResult(&result))
	require.Greater(t, given, 2)
	require.False(t, result.Unswept)
	w.requireExactlyOnce(all)
}
