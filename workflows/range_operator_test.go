package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

func TestRangeGoesOnBesideAnUnavailableType(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 1, 150)
	w.fillHours("Observation", 1, 150)
	renewRange(w)
	begin := w.now()
	until := begin.Add(time.Hour)
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Op == "count" && c.Type == "Patient" && c.At.Before(until) {
			return &cdc.Error{Op: "GET {Type}?_summary=count", Class: cdc.ClassForbidden, Status: 403}
		}
		return nil
	}
	w.when(begin.Add(30*time.Minute), func() {
		require.Len(t, w.bus.keys(), 150, "Observation is done")
		value, err := w.env.QueryWorkflow(cdc.QueryProgress)
		require.NoError(t, err)
		var p cdc.Progress
		require.NoError(t, value.Get(&p))
		require.Equal(t, []cdc.Wait{{Type: "Patient", Class: cdc.ClassForbidden}}, p.Failing)
	})
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, replayOf("Patient", "Observation"))
	result := w.rangeResult()
	require.Equal(t, 300, result.Total)
	require.Equal(t, w.store.Keys(datastore, all), w.bus.keys())
}

// An operator skips the unavailable type: the range closes.
func TestRangeSkipsAnUnavailableType(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 1, 150)
	w.fillHours("Observation", 1, 150)
	renewRange(w)
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Op == "count" && c.Type == "Patient" {
			return &cdc.Error{Op: "GET {Type}?_summary=count", Class: cdc.ClassForbidden, Status: 403}
		}
		return nil
	}
	states := w.states()
	w.when(w.now().Add(time.Hour), func() { w.env.SignalWorkflow(cdc.SignalSkip, cdc.Skip{Types: []string{"Patient"}}) })
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, replayOf("Patient", "Observation"))
	result := w.rangeResult()
	require.Equal(t, 1, result.Counts.SkippedTypes)
	require.Equal(t, 150, result.Counts.Published)
	require.Equal(t, []string{cdc.StateWaiting, cdc.StateClosed}, *states)
}

// An operator who has fixed it need not wait for the next try.
func TestRangeRetriesAnUnavailableType(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 1, 150)
	renewRange(w)
	begin := w.now()
	fixed := begin.Add(6*time.Hour + time.Second)
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Op == "count" && c.At.Before(fixed) {
			return &cdc.Error{Op: "GET {Type}?_summary=count", Class: cdc.ClassForbidden, Status: 403}
		}
		return nil
	}
	w.when(fixed, func() { w.env.SignalWorkflow(cdc.SignalRetry, nil) })
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, replayOf("Patient"))
	require.Equal(t, 150, w.rangeResult().Counts.Published)
	require.Less(t, w.bus.accepted[0].at.Sub(fixed), time.Minute)
}

// A skip comes while its part, which waits, is tried once more, and that succeeds:
// there is nothing to skip any more.
func TestSkipOfAPartThatIsJustDone(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 1, 150)
	renewRange(w)
	counts := 0
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Op != "count" || c.Type != "Claim" {
			return nil
		}
		switch counts++; counts {
		case 2: // with a margin, before it counts as empty
			return &cdc.Error{Op: "GET {Type}?_summary=count", Class: cdc.ClassForbidden, Status: 403}
		case 3:
			w.skip(cdc.Skip{Types: []string{"Claim"}})
		}
		return nil
	}
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, replayOf("Patient", "Claim"))
	result := w.rangeResult()
	require.Zero(t, result.Counts.SkippedTypes)
	require.Equal(t, w.store.Keys(datastore, all), w.bus.keys())
}

// What waited is skipped while the range's only worker with something to do has a slice
// open: the range waits for an operator no more from then on.
func TestSkipEndsWaitingWhileASliceIsOpen(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 1, 150)
	renewRange(w)
	begin := w.now()
	w.store.Fail = func(c healthlaketest.Call) error {
		switch {
		case c.Op == "count" && c.Type == "Claim":
			return &cdc.Error{Op: "GET {Type}?_summary=count", Class: cdc.ClassForbidden, Status: 403}
		case c.Op == "search" && c.At.Before(begin.Add(10*time.Minute)):
			return lasting(cdc.ClassUnavailable, 500)
		}
		return nil
	}
	states := w.states()
	w.when(begin.Add(5*time.Minute), func() { w.skip(cdc.Skip{Types: []string{"Claim"}}) })
	w.when(begin.Add(6*time.Minute), func() {
		require.Equal(t, []string{cdc.StateWaiting, cdc.StateOpen}, *states)
	})
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, replayOf("Patient", "Claim"))
	require.Equal(t, 1, w.rangeResult().Counts.SkippedTypes)
	require.Equal(t, w.store.Keys(datastore, all), w.bus.keys())
}
