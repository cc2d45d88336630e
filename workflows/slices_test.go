package workflows_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
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
	w.store.fill("Patient", 1_150, start.Add(time.Second), 300)
	w.store.fill("Claim", 1_050, start.Add(time.Second), 300)
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
	require.Empty(t, w.store.made("read", ""), "a confirm slice reads no body that is known")
	for _, c := range w.store.made("search", "Patient") {
		require.Equal(t, !c.at.Equal(end(10*time.Second)), c.idsOnly)
	}
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Claim", "Observation")
	require.Equal(t, 2_200, result.Counts.Published)
}

func TestStoreThatDoesNotCountGoesToASliceByPages(t *testing.T) {
	w := newWorld(t)
	w.store.totals = false
	slices, _ := watchSlices(w)
	w.store.fill("Patient", 1_450, start.Add(time.Second), 300)
	w.store.fill("Claim", 350, start.Add(time.Second), 300)
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
	w.store.fill("Patient", 1_300, start.Add(time.Second), 300)
	w.store.write("Observation", "slow", start.Add(time.Second), 30*time.Second, 300)
	stuck := end(3 * time.Minute)
	w.store.fail = func(c call) error {
		if c.resourceType == "Patient" && c.further && c.at.Before(stuck) {
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
	require.Equal(t, []time.Time{end(10 * time.Second), closed, closed.Add(2 * time.Minute)}[:2], w.store.firstPages("Patient")[:2])
	require.Equal(t, []time.Time{end(10 * time.Second), end(60 * time.Second), end(180 * time.Second)}, w.store.firstPages("Observation"))
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Observation")
}

// The batch of page k is held on the bus until page k+1 was asked for: were they
// not under way side by side, neither would come.
func TestSlicePublishesOnePageWhileItReadsTheNext(t *testing.T) {
	w := newWorld(t)
	w.store.fill("Patient", 1_300, start.Add(time.Second), 300)
	asked := make(chan struct{})
	var once sync.Once
	further := 0
	w.store.fail = func(c call) error {
		if c.further {
			if further++; further == 2 {
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

func TestPageTokenRefusedInASlice(t *testing.T) {
	w := newWorld(t)
	w.store.fill("Patient", 1_500, start.Add(time.Second), 300)
	further, refused := 0, 0
	w.store.fail = func(c call) error {
		if !c.further {
			return nil
		}
		if further++; further == 3 || further == 9 || further == 20 {
			refused++
			return &cdc.Error{Op: "GET {Type}?page", Class: cdc.ClassPageToken, Status: 410}
		}
		return nil
	}
	result := w.capture("Patient")
	require.Equal(t, 3, refused)
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient")
}

// A slice that an operator ends is read from its history, and the type goes on
// in the next slice, which leaves out what the first had published.
func TestTerminatedSliceIsReadFromItsHistory(t *testing.T) {
	w := newWorld(t)
	w.store.fill("Patient", 1_500, start.Add(time.Second), 300)
	inputs, ids := watchSlices(w)
	further := 0
	w.store.fail = func(c call) error {
		if c.further {
			further++
		}
		if c.further && further > 4 && c.at.Before(end(30*time.Second)) {
			return lasting(cdc.ClassUnavailable, 500)
		}
		return nil
	}
	w.when(end(20*time.Second), func() {
		h := &history{t: t}
		h.started((*inputs)[0])
		var batch []cdc.Change
		var eventIDs []string
		for _, v := range w.store.log {
			if len(w.bus.acceptedAt(v)) > 0 && !(*inputs)[0].Known.Has(salt.Hash(v.Version)) {
				batch, eventIDs = append(batch, cdc.Change{Version: v.Version}), append(eventIDs, "event")
			}
		}
		require.NotEmpty(t, batch)
		h.activity("Publish", cdc.PublishInput{Changes: batch}, cdc.PublishResult{EventIDs: eventIDs})
		w.runs.ended[(*ids)[0]] = ended{status: enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, history: h.events}
		w.env.CancelWorkflowByID((*ids)[0], "")
	})
	result := w.capture("Patient", "Observation")

	require.Equal(t, []string{(*ids)[0]}, w.runs.asked)
	require.Equal(t, w.window.ID()+"/Patient/2026-03-01T12:00:00Z/2", (*ids)[1])
	require.GreaterOrEqual(t, (*inputs)[1].Known.Len(), 400)
	require.True(t, (*inputs)[1].Confirm)
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Observation")
	require.Equal(t, 1_500, result.Counts.Published)
}
