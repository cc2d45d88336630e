package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// publishUnder lets do happen while a Publish is under way.
func publishUnder(h *temporaltest.History, in cdc.PublishInput, out cdc.PublishResult, do func()) {
	id := h.Schedule("Publish", in)
	do()
	h.Complete(id, out)
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
	h := temporaltest.Started(resumed)
	in, out := batch("Patient", "a", "!b", "!c", "!late")
	h.Activity("Publish", in, out)
	claims, claimsOut := batch("Claim", "!d")
	h.Activity("Publish", claims, claimsOut)
	in, out = batch("Patient", "c")
	h.Activity("Publish", in, out) // it was accepted at last
	in, out = batch("Patient", "late", "!again")
	publishUnder(h, in, out, func() { h.Signaled(cdc.SignalSkip, cdc.Skip{Versions: []string{"Patient"}, Types: []string{"Device"}}) })
	in, out = batch("Patient", "!after")
	h.Activity("Publish", in, out)
	h.Signaled(cdc.SignalRetry, nil)

	got, err := readLedger(temporaltest.Executions{window.ID(): {Status: temporaltest.Terminated, Events: h.Events}}, window.ID())
	require.NoError(t, err)
	requireSame(t, ledgerWith("Patient", "p", "a", "c", "late"), got)
	requireSkipped(t, got, "Patient", "earlier", "carried", "b", "again")
	require.False(t, got.Swept("Claim"), "what was rejected and not skipped is in no ledger")
	require.False(t, got.Swept("Device"))
}

func TestLedgerHoldsWhatSlicesSkipped(t *testing.T) {
	resumed := cdc.CaptureSliceInput{Salt: salt, Type: "Patient"}
	resumed.Resume = &cdc.SliceState{TypeLedger: cdc.TypeLedger{Skipped: hashes("Patient", "s1")}, Rejected: hashes("Patient", "s2")}
	in, out := batch("Patient", "!s3")
	ended := temporaltest.Started(resumed).Activity("Publish", in, out).Signaled(cdc.SignalSkip, cdc.Skip{Versions: []string{"Patient"}})
	given := cdc.CaptureSliceResult{Salt: salt, Skipped: hashes("Patient", "s4")}
	h := temporaltest.Started(windows).SliceStarted(slice).SliceCompleted(slice, given).SliceStarted(slice2)
	e := temporaltest.Executions{
		window.ID(): {Status: temporaltest.Terminated, Events: h.Events},
		slice:       {Status: temporaltest.Completed, Result: given},
		slice2:      {Status: temporaltest.Terminated, Events: ended.Events},
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
	h := temporaltest.Started(windows).SliceStarted(slice).SliceCompleted(slice, given)
	got, err := readLedger(temporaltest.Executions{window.ID(): {Status: temporaltest.Terminated, Events: h.Events}}, window.ID())
	require.NoError(t, err)
	require.False(t, got.Swept("Patient"))
}

// A rerun that was told to go on without the ledger of the run before, and ended
// before it had its own: what was published is still not known.
func TestLedgerThatWasGivenUpStaysUnread(t *testing.T) {
	h := temporaltest.Started(cdc.CaptureWindowInput{Window: window, Salt: salt, Rerun: 1}).Signaled(cdc.SignalSkip, cdc.Skip{Ledger: true})
	_, err := readLedger(temporaltest.Executions{window.RerunID(1): {Status: temporaltest.Terminated, Events: h.Events}}, window.RerunID(1))
	requireClass(t, cdc.ClassLedgerUnreadable, err)
}
