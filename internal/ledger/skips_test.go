package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"

	"healthlake-cdc/internal/cdc"
)

func (r *recorded) signaled(name string, argument any) *recorded {
	r.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes{
		WorkflowExecutionSignaledEventAttributes: &historypb.WorkflowExecutionSignaledEventAttributes{
			SignalName: name, Input: encode(argument),
		},
	}})
	return r
}

// under lets do happen while the Publish is under way.
func (r *recorded) under(in cdc.PublishInput, out cdc.PublishResult, do func()) *recorded {
	id := r.scheduled("Publish", in)
	do()
	r.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{
		ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{ScheduledEventId: id, Result: encode(out)},
	}})
	return r
}

func requireSkipped(t *testing.T, ledger cdc.Ledger, resourceType string, ids ...string) {
	t.Helper()
	require.NotNil(t, ledger.Types[resourceType])
	require.Equal(t, hashes(resourceType, ids...).Sorted(), ledger.Types[resourceType].Skipped.Sorted())
}

func TestLedgerOfATerminatedRunHoldsWhatWasSkipped(t *testing.T) {
	resumed := windows
	before := ledgerWith("Patient", "p")
	before.Type("Patient").Skipped = hashes("Patient", "earlier")
	resumed.Resume = &cdc.WindowState{Ledger: before, Rejected: map[string]cdc.HashSet{"Patient": hashes("Patient", "carried")}}
	h := begun(resumed)
	in, out := batch("Patient", "a", "!b", "!c", "!late")
	h.did("Publish", in, out)
	claims, claimsOut := batch("Claim", "!d")
	h.did("Publish", claims, claimsOut)
	in, out = batch("Patient", "c")
	h.did("Publish", in, out) // it was accepted at last
	in, out = batch("Patient", "late", "!again")
	h.under(in, out, func() { h.signaled(cdc.SignalSkip, cdc.Skip{Versions: []string{"Patient"}, Types: []string{"Device"}}) })
	in, out = batch("Patient", "!after")
	h.did("Publish", in, out)
	h.signaled(cdc.SignalRetry, nil)

	got, err := readLedger(executions{window.ID(): {status: terminated, events: h.events}}, window.ID())
	require.NoError(t, err)
	requireSame(t, ledgerWith("Patient", "p", "a", "c", "late"), got)
	requireSkipped(t, got, "Patient", "earlier", "carried", "b", "again")
	require.False(t, got.Swept("Claim"), "what was rejected and not skipped is in no ledger")
	require.False(t, got.Swept("Device"))
}

func TestLedgerHoldsWhatSlicesSkipped(t *testing.T) {
	resumed := cdc.CaptureSliceInput{Salt: salt, Type: "Patient"}
	resumed.Resume = &cdc.SliceState{Skipped: hashes("Patient", "s1"), Rejected: hashes("Patient", "s2")}
	in, out := batch("Patient", "!s3")
	ended := begun(resumed).did("Publish", in, out).signaled(cdc.SignalSkip, cdc.Skip{Versions: []string{"Patient"}})
	given := cdc.CaptureSliceResult{Salt: salt, Skipped: hashes("Patient", "s4")}
	h := begun(windows).sliceStarted(slice).sliceCompleted(slice, given).sliceStarted(slice2)
	e := executions{
		window.ID(): {status: terminated, events: h.events},
		slice:       {status: completed, result: given},
		slice2:      {status: terminated, events: ended.events},
	}
	got, err := readLedger(e, window.ID())
	require.NoError(t, err)
	requireSkipped(t, got, "Patient", "s1", "s2", "s3", "s4")
	got, err = readLedger(e, slice)
	require.NoError(t, err)
	requireSkipped(t, got, "Patient", "s4")
}

func TestSkippedSliceHasNotSweptItsType(t *testing.T) {
	given := cdc.CaptureSliceResult{Unswept: true}
	h := begun(windows).sliceStarted(slice).sliceCompleted(slice, given)
	got, err := readLedger(executions{window.ID(): {status: terminated, events: h.events}}, window.ID())
	require.NoError(t, err)
	require.False(t, got.Swept("Patient"))
}

// A rerun that was told to go on without the ledger of the run before, and ended
// before it had its own: what was published is still not known.
func TestLedgerThatWasGivenUpStaysUnread(t *testing.T) {
	h := begun(cdc.CaptureWindowInput{Window: window, Salt: salt, Rerun: 1}).signaled(cdc.SignalSkip, cdc.Skip{Ledger: true})
	_, err := readLedger(executions{window.RerunID(1): {status: terminated, events: h.events}}, window.RerunID(1))
	requireClass(t, cdc.ClassLedgerUnreadable, err)
}
