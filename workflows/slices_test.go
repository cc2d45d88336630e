package workflows_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	sdktemporal "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
	"healthlake-cdc/internal/temporal/temporaltest"
	"healthlake-cdc/workflows"
)

// watchSlices notes the inputs of the slices that start, and their IDs.
func watchSlices(w *world) (inputs *[]cdc.CaptureSliceInput, ids *[]string) {
	inputs, ids = new([]cdc.CaptureSliceInput), new([]string)
	w.env.SetOnChildWorkflowStartedListener(func(info *workflow.Info, _ workflow.Context, args converter.EncodedValues) {
		var in cdc.CaptureSliceInput
		require.NoError(w.t, args.Get(&in))
		*inputs, *ids = append(*inputs, in), append(*ids, info.WorkflowExecution.ID)
	})
	return inputs, ids
}

func TestMoreThanAThousandFurtherVersionsGoToASlice(t *testing.T) {
	w := newWorld(t)
	slices, ids := watchSlices(w)
	w.store.Fill("Patient", 1_150, start.Add(time.Second), 300)
	w.store.Fill("Claim", 1_050, start.Add(time.Second), 300)
	result := w.capture("Patient", "Claim", "Observation")

	require.Equal(t, []string{
		w.window.ID() + "/Patient/2026-03-01T12:00:00Z/1",
		w.window.ID() + "/Patient/2026-03-01T12:00:00Z/2",
	}, *ids, "Claim has fewer than 1,000 further versions: it needs none")
	require.False(t, (*slices)[0].Confirm)
	require.Equal(t, 100, (*slices)[0].Known.Len(), "what is being published goes with it")
	require.NotEmpty(t, (*slices)[0].Next)
	require.True(t, (*slices)[1].Confirm)
	require.Equal(t, 1_150, (*slices)[1].Known.Len())
	require.Empty(t, w.store.Made("read", ""), "a confirm slice reads no body that is known")
	for _, c := range w.store.Made("search", "Patient") {
		require.Equal(t, !c.At.Equal(end(10*time.Second)), c.IDsOnly)
	}
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Claim", "Observation")
	require.Equal(t, 2_200, result.Counts.Published)
}

func TestStoreThatDoesNotCountGoesToASliceByPages(t *testing.T) {
	w := newWorld(t)
	w.store.Totals = false
	slices, _ := watchSlices(w)
	w.store.Fill("Patient", 1_450, start.Add(time.Second), 300)
	w.store.Fill("Claim", 350, start.Add(time.Second), 300)
	result := w.capture("Patient", "Claim")
	require.NotEmpty(t, *slices)
	for _, slice := range *slices {
		require.Equal(t, "Patient", slice.Type)
	}
	require.Equal(t, 1_100, (*slices)[0].Known.Len(), "ten pages beyond the first were read before")
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Claim")
}

func TestPassBeginsWhenItsSliceHasClosedAndOthersGoOn(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 1_300, start.Add(time.Second), 300)
	w.store.Write("Observation", "slow", start.Add(time.Second), 30*time.Second, 300)
	stuck := end(3 * time.Minute)
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Type == "Patient" && c.Further && c.At.Before(stuck) {
			return lasting(cdc.ClassUnavailable, 500)
		}
		return nil
	}
	var closed time.Time
	w.env.SetOnChildWorkflowCompletedListener(func(*workflow.Info, converter.EncodedValue, error) {
		if closed.IsZero() {
			closed = w.now()
		}
	})
	result := w.capture("Patient", "Observation")

	require.False(t, closed.Before(stuck))
	require.Equal(t, []time.Time{end(10 * time.Second), closed, closed.Add(2 * time.Minute)}[:2], w.store.FirstPages("Patient")[:2])
	require.Equal(t, []time.Time{end(10 * time.Second), end(60 * time.Second), end(180 * time.Second)}, w.store.FirstPages("Observation"))
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Observation")
}

// What one attempt read is held on the bus until the next one has asked for its first
// page: were they not under way side by side, neither would come.
func TestSlicePublishesWhileItReadsTheNextPages(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 2_400, start.Add(time.Second), 300)
	asked := make(chan struct{})
	var once sync.Once
	further := 0
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Further {
			if further++; further == cdc.MaxPages+1 {
				once.Do(func() { close(asked) })
			}
		}
		return nil
	}
	calls := 0
	w.bus.fail = func(time.Time) error {
		if calls++; calls == 2 {
			<-asked
		}
		return nil
	}
	w.capture("Patient")
	w.requireExactlyOnce(all)
}

func TestPageTokenRejectedInASlice(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 1_500, start.Add(time.Second), 300)
	further, rejected := 0, 0
	w.store.Fail = func(c healthlaketest.Call) error {
		if !c.Further {
			return nil
		}
		if further++; further == 3 || further == 9 || further == 20 {
			rejected++
			return &cdc.Error{Op: "GET {Type}?page", Class: cdc.ClassPageTokenRejected, Status: 410}
		}
		return nil
	}
	result := w.capture("Patient")
	require.Equal(t, 3, rejected)
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient")
}

// endFirstSlice lets the first slice end 10 s after its start as an operator
// terminates it: its parent does not learn what it published.
func endFirstSlice(w *world) {
	w.env.OnWorkflow(cdc.WorkflowCaptureSlice, mock.Anything, mock.Anything).Return(
		func(ctx workflow.Context, in cdc.CaptureSliceInput) (cdc.CaptureSliceResult, error) {
			if !strings.HasSuffix(workflow.GetInfo(ctx).WorkflowExecution.ID, "/1") {
				return workflows.CaptureSlice(ctx, in)
			}
			if err := workflow.Sleep(ctx, 10*time.Second); err != nil {
				return cdc.CaptureSliceResult{}, err
			}
			return cdc.CaptureSliceResult{}, errors.New("terminated")
		})
}

// leftBy is the history of a slice that published n of the store's versions beyond
// what its parent knew, and those versions.
func leftBy(w *world, in cdc.CaptureSliceInput, n int) (temporaltest.Execution, map[cdc.Key]bool) {
	h := temporaltest.Started(in)
	var batch []cdc.Change
	var eventIDs []string
	published := make(map[cdc.Key]bool)
	for _, v := range w.store.Log {
		if len(batch) < n && !in.Known.Has(salt.Hash(v.Version)) {
			batch, eventIDs = append(batch, cdc.Change{Version: v.Version}), append(eventIDs, "event")
			published[v.Key()] = true
		}
	}
	h.Activity("Publish", cdc.PublishInput{Changes: batch}, cdc.PublishResult{EventIDs: eventIDs})
	return temporaltest.Execution{Status: temporaltest.Terminated, Events: h.Events}, published
}

// A slice that an operator ends is read from its history, and the type goes on
// in the next slice, which leaves out what the first had published.
func TestTerminatedSliceIsReadFromItsHistory(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 1_500, start.Add(time.Second), 300)
	inputs, ids := watchSlices(w)
	endFirstSlice(w)
	var before map[cdc.Key]bool
	w.when(end(15*time.Second), func() { w.runs.Executions[(*ids)[0]], before = leftBy(w, (*inputs)[0], 400) })
	result := w.capture("Patient", "Observation")

	require.Equal(t, []string{(*ids)[0]}, w.runs.described)
	require.Equal(t, w.window.ID()+"/Patient/2026-03-01T12:00:00Z/2", (*ids)[1])
	require.Equal(t, 500, (*inputs)[1].Known.Len())
	require.True(t, (*inputs)[1].Confirm)
	w.requireExactlyOnce(func(v healthlaketest.Stored) bool { return !before[v.Key()] })
	require.Equal(t, 1_500, result.Ledger.Published())
	require.Equal(t, 1_500, result.Counts.Published)
}

// One that an operator deleted has left nothing to be read: its type waits, the
// others go on, and a skip has what it published published again.
func TestDeletedSliceHoldsUpItsTypeOnly(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 1_500, start.Add(time.Second), 300)
	slow := w.store.Write("Observation", "slow", start.Add(time.Second), 30*time.Second, 300)
	_, ids := watchSlices(w)
	endFirstSlice(w)
	states := w.states()
	skipped := end(time.Hour)
	w.when(skipped, func() {
		require.Equal(t, []time.Time{end(60 * time.Second)}, w.bus.acceptedAt(slow.Version))
		require.Equal(t, []string{cdc.StateWaiting}, *states)
		waits := w.progress().Waiting
		require.Equal(t, []cdc.Wait{{Type: "Patient", Class: cdc.ClassLedgerUnreadable, Ledger: true}}, waits)
		require.Greater(t, len(w.runs.described), 3)
		w.skip(cdc.SkipOf(waits))
	})
	result := w.run(w.marked("Patient", "Observation"))
	require.Contains(t, (*ids)[1], "/2")
	require.Equal(t, 1_501, result.Ledger.Published())
	w.requireExactlyOnce(all)
}

// A slice that waits must not keep its window from continuing as new: it is handed
// back, and the next run goes on with what it had published.
func TestSliceThatWaitsIsCancelled(t *testing.T) {
	w, slice := sliced(t)
	further := 0
	failFurther(w, func() bool { further++; return further > 3 })
	w.when(end(time.Minute+time.Second), func() {
		require.NotEmpty(t, w.sliceProgress(slice).Failing)
		w.env.SetCurrentHistoryLength(9_000)
		w.env.SignalWorkflow(cdc.SignalRetry, nil) // which lets it look
	})
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureWindow, w.marked("Patient", "Observation"))
	var next cdc.CaptureWindowInput
	w.continued(&next)
	require.Equal(t, 400, next.Resume.Ledger.Published())
	require.Equal(t, end(11*time.Minute+time.Second), w.now())

	w.renew(w.now())
	w.store.Fail = nil
	result := w.run(next)
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Observation")
}

// The last Publish is waited for before a slice continues as new, and the signals that
// come meanwhile belong to this run.
func TestSkipWhileASliceContinuesAsNewIsNotLost(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 2_350, start.Add(time.Second), 300)
	bad := w.store.Write("Patient", "AAA", start.Add(time.Second), 0, 300)
	w.bus.reject = func(key string) bool { return key == bad.IdempotencyKey(datastore) }
	renewSlice(w)
	skipped := w.now().Add(time.Minute)
	calls := 0
	w.bus.fail = func(at time.Time) error {
		if calls++; calls > 1 && !at.After(skipped) {
			return &cdc.Error{Op: "PutEvents", Class: cdc.ClassUnavailable, Status: 503}
		}
		return nil
	}
	growAfter(w, "HydratePage", 2)
	w.when(skipped, func() { w.skip(cdc.Skip{Versions: []string{"Patient"}}) })
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureSlice, sliceInput(w, false))
	var next cdc.CaptureSliceInput
	w.continued(&next)
	require.Equal(t, 1, next.Resume.Skipped.Len(), "the skip is in what the next run begins with")
	require.Zero(t, next.Resume.Rejected.Len())
}

// A slice reads as many pages an attempt as it may: an attempt is billed, a page is not.
func TestSliceTakesFewAttempts(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 5_000, start.Add(time.Second), 300)
	renewSlice(w)
	attempts := make(map[string]int)
	w.env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		attempts[info.ActivityType.Name]++
	})
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureSlice, sliceInput(w, false))
	require.NoError(t, w.env.GetWorkflowError())
	require.Equal(t, map[string]int{"HydratePage": 5, "Publish": 5}, attempts)
	require.Len(t, w.store.Made("search", "Patient"), 50)
	w.requireExactlyOnce(all)
}

// An attempt for which no search token came in time says nothing of the store: a slice
// that waits for its store goes on waiting where it was, and one that does not begins at
// once.
func TestSliceWithoutASearchToken(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 50, start.Add(time.Second), 300)
	renewSlice(w)
	began := w.now()
	noToken := cdc.HydratePageResult{State: cdc.PageIncomplete}
	forbidden := sdktemporal.NewNonRetryableApplicationError("no", string(cdc.ClassForbidden), nil)
	steps := []error{nil, forbidden, nil, forbidden, nil}
	var times []time.Duration
	w.env.OnActivity(w.real.HydratePage, mock.Anything, mock.Anything).Return(
		func(ctx context.Context, in cdc.HydratePageInput) (cdc.HydratePageResult, error) {
			times = append(times, w.now().Sub(began))
			if len(times) > len(steps) {
				return w.real.HydratePage(ctx, in)
			}
			return noToken, steps[len(times)-1]
		})
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureSlice, sliceInput(w, false))
	require.NoError(t, w.env.GetWorkflowError())
	require.Equal(t, []time.Duration{0, 0, 5 * time.Second, 5 * time.Second, 15 * time.Second, 15 * time.Second}, times)
	w.requireExactlyOnce(all)
}
