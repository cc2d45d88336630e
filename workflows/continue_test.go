package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

// growAfter lets the history be large from the n-th completed activity of a name
// on.
func growAfter(w *world, name string, n int) {
	w.env.SetOnActivityCompletedListener(func(info *activity.Info, _ converter.EncodedValue, _ error) {
		if info.ActivityType.Name == name {
			if n--; n == 0 {
				w.env.SetCurrentHistoryLength(9_000)
			}
		}
	})
}

// runToEnd executes a workflow and the runs that it continues as, each after before, which
// renews the environment. It returns the last run's input and the number of runs.
func runToEnd[In any](w *world, workflowType string, in In, before func(run int, in In)) (In, int) {
	w.t.Helper()
	for run := 1; ; run++ {
		require.Less(w.t, run, 100)
		before(run, in)
		w.env.ExecuteWorkflow(workflowType, in)
		if w.env.GetWorkflowError() == nil {
			return in, run
		}
		var next In
		w.continued(&next)
		in = next
	}
}

func TestWindowContinuesAsNewWithLedgerAndPasses(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 150, start.Add(time.Second), 300)
	slow := w.store.Write("Observation", "slow", start.Add(time.Second), 40*time.Second, 300)
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Type == "Claim" && c.At.Before(end(20*time.Second)) {
			return &cdc.Error{Op: "GET {Type}", Class: cdc.ClassForbidden, Status: 403}
		}
		return nil
	}
	growAfter(w, "Hydrate", 1)
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureWindow, w.input("Patient", "Observation", "Claim"))
	var next cdc.CaptureWindowInput
	w.continued(&next)
	require.Equal(t, 150, next.Resume.Ledger.Published())
	require.Equal(t, []string{"Observation", "Patient"}, next.Resume.Ledger.Names(), "Claim was not swept")

	w.renew(w.now())
	result := w.run(next)
	require.Equal(t, []time.Time{end(10 * time.Second), end(60 * time.Second)}, w.store.FirstPages("Patient"))
	require.Equal(t, []time.Time{end(10 * time.Second), end(60 * time.Second), end(180 * time.Second)}, w.store.FirstPages("Observation"))
	require.Equal(t, backoffs(end(10*time.Second), 3), w.store.FirstPages("Claim")[:3], "the backoff goes on")
	require.Equal(t, []time.Time{end(60 * time.Second)}, w.bus.acceptedAt(slow.Version))
	require.Equal(t, 151, result.Counts.Published)
	require.Equal(t, len(w.store.Made("search", "")), result.Counts.Searches)
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Observation", "Claim")
}

func TestWindowDoesNotContinueAsNewWhileASliceIsOpen(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 1_300, start.Add(time.Second), 300)
	_, ids := watchSlices(w)
	// The slice is open when the second pass of Observation is due.
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Further && c.At.Before(end(90*time.Second)) {
			return lasting(cdc.ClassUnavailable, 500)
		}
		return nil
	}
	w.env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		if info.ActivityType.Name == "Hydrate" {
			w.env.SetCurrentHistoryLength(9_000)
		}
	})
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureWindow, w.input("Patient", "Observation"))
	var next cdc.CaptureWindowInput
	w.continued(&next)
	require.Len(t, *ids, 1)
	require.Equal(t, 1_300, next.Resume.Ledger.Published(), "the slice closed first, and its ledger is in this run's")

	w.renew(w.now())
	_, more := watchSlices(w)
	w.run(next)
	require.Equal(t, []string{w.window.ID() + "/Patient/2026-03-01T12:00:00Z/2"}, *more, "the count of slices goes on")
	w.requireExactlyOnce(all)
}

func sliceInput(w *world, confirm bool) cdc.CaptureSliceInput {
	return cdc.CaptureSliceInput{
		Salt: salt,
		Origin: cdc.Origin{
			Datastore: datastore, Cause: cdc.Cause{SourceTime: start, CapturedBy: cdc.ByCloudTrail}, CorrelationID: w.window.ID(),
		},
		Type: "Patient", Span: w.window.Span(), Confirm: confirm,
	}
}

// renewSlice prepares the environment for a run of a slice.
func renewSlice(w *world) {
	w.renew(end(10 * time.Second))
	id := cdc.SliceID(w.window.ID(), "Patient", start, 1)
	w.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: id, TaskQueue: cdc.DefaultTaskQueue})
}

func TestSliceContinuesAsNewWhenEveryPublishHasReturned(t *testing.T) {
	for name, confirm := range map[string]bool{"bodies": false, "confirm": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.store.Fill("Patient", 1_250, start.Add(time.Second), 20_000)
			_, runs := runToEnd(w, cdc.WorkflowCaptureSlice, sliceInput(w, confirm), func(_ int, in cdc.CaptureSliceInput) {
				if in.Resume != nil {
					require.Equal(t, len(w.bus.keys()), in.Resume.Published.Len(), "nothing is under way")
				}
				renewSlice(w)
				growAfter(w, "HydratePage", 7)
			})
			require.GreaterOrEqual(t, runs, 2)
			var result cdc.CaptureSliceResult
			require.NoError(t, w.env.GetWorkflowResult(&result))
			require.Equal(t, 1_250, result.Published.Len())
			require.Equal(t, 1_250, result.Counts.Published)
			w.requireExactlyOnce(all)
		})
	}
}

// What the bus rejects is read again by the next run: its bodies are not carried
// over, and nothing is lost.
func TestContinueAsNewWithRejectedEntries(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 150, start.Add(time.Second), 300)
	bad := w.store.Write("Patient", "bad", start.Add(time.Second), 0, 300)
	w.bus.reject = func(key string) bool { return key == bad.IdempotencyKey(datastore) && w.now().Before(end(2*time.Hour)) }
	_, runs := runToEnd(w, cdc.WorkflowCaptureWindow, w.input("Patient", "Observation"), func(int, cdc.CaptureWindowInput) {
		w.renew(w.now())
		growAfter(w, "Publish", 6)
	})
	require.GreaterOrEqual(t, runs, 2)
	require.Less(t, runs, 20)
	require.Len(t, w.bus.acceptedAt(bad.Version), 1)
	w.requireExactlyOnce(all)
}

func TestSliceContinuesAsNewWithRejectedEntries(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 1_350, start.Add(time.Second), 300)
	// Sorted first, so that it is behind when the history has grown.
	bad := w.store.Write("Patient", "AAA", start.Add(time.Second), 0, 300)
	tries := 0
	w.bus.reject = func(key string) bool {
		if key == bad.IdempotencyKey(datastore) {
			tries++
			return tries < 4
		}
		return false
	}
	_, runs := runToEnd(w, cdc.WorkflowCaptureSlice, sliceInput(w, false), func(run int, _ cdc.CaptureSliceInput) {
		renewSlice(w)
		if run == 1 {
			growAfter(w, "HydratePage", 1)
		}
	})
	require.Equal(t, 2, runs)
	require.Equal(t, 4, tries)
	w.requireExactlyOnce(all)
}
