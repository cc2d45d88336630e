package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal/temporaltest"
)

var (
	window  = cdc.WindowAt("0123456789abcdef0123456789abcdef", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	slice   = cdc.SliceID(window.ID(), "Patient", window.Start, 1)
	slice2  = cdc.SliceID(window.ID(), "Patient", window.Start, 2)
	windows = cdc.CaptureWindowInput{Window: window, Salt: salt, Types: []string{"Patient"}}
)

func requireClass(t *testing.T, class cdc.Class, err error) {
	t.Helper()
	var known *cdc.Error
	require.ErrorAs(t, err, &known)
	require.Equal(t, class, known.Class)
}

func TestLedgerOfACompletedRun(t *testing.T) {
	want := ledgerWith("Patient", "a", "b")
	want.Type("Claim")
	got, err := readLedger(temporaltest.Executions{window.ID(): {Status: temporaltest.Completed, Result: cdc.CaptureWindowResult{Ledger: want}}}, window.ID())
	require.NoError(t, err)
	requireSame(t, want, got)

	got, err = readLedger(temporaltest.Executions{slice: {Status: temporaltest.Completed, Result: cdc.CaptureSliceResult{Salt: salt, Published: hashes("Patient", "c")}}}, slice)
	require.NoError(t, err)
	requireSame(t, ledgerWith("Patient", "c"), got)
}

func TestLedgerThatIsNotKnownIsAnError(t *testing.T) {
	_, err := readLedger(temporaltest.Executions{}, window.ID())
	requireClass(t, cdc.ClassLedgerUnreadable, err)
	_, err = readLedger(temporaltest.Executions{window.ID(): {Status: temporaltest.Running}}, window.ID())
	requireClass(t, cdc.ClassStillOpen, err)
	_, err = readLedger(temporaltest.Executions{window.ID(): {Status: temporaltest.Completed, Result: "not a ledger"}}, window.ID())
	require.Error(t, err)

	spoiled := temporaltest.Started(windows)
	in, _ := batch("Patient", "a")
	spoiled.Activity("Publish", in, "not a result")
	_, err = readLedger(temporaltest.Executions{window.ID(): {Status: temporaltest.Terminated, Events: spoiled.Events}}, window.ID())
	requireClass(t, cdc.ClassLedgerUnreadable, err)
}

func TestLedgerIsRebuiltFromHistory(t *testing.T) {
	resumed := windows
	before := ledgerWith("Patient", "before")
	resumed.Resume = &cdc.WindowState{Ledger: before}
	h := temporaltest.Started(resumed)
	h.Activity("Ledger", cdc.LedgerInput{}, ledgerWith("Patient", "rerun"))
	h.Activity("Hydrate", cdc.HydrateInput{}, cdc.HydrateResult{Pages: []cdc.PageResult{
		{Type: "Claim", State: cdc.PageDone}, {Type: "Device", State: cdc.PageUnavailable}, {Type: "Patient", State: cdc.PageMore},
	}})
	in, out := batch("Patient", "a", "!rejected", "b")
	h.Activity("Publish", in, out)
	h.Schedule("Publish", in) // under way when the run was terminated
	mixed, mixedOut := batch("Observation", "o")
	h.Activity("Publish", mixed, mixedOut)

	got, err := readLedger(temporaltest.Executions{window.ID(): {Status: temporaltest.Terminated, Events: h.Events}}, window.ID())
	require.NoError(t, err)
	want := ledgerWith("Patient", "before", "rerun", "a", "b")
	require.NoError(t, want.Merge(ledgerWith("Observation", "o")))
	want.Type("Claim")
	requireSame(t, want, got)
	require.False(t, got.Swept("Device"))
}

func TestLedgerFromHistoryHoldsItsSlices(t *testing.T) {
	in, out := batch("Patient", "a")
	h := temporaltest.Started(windows).Activity("Publish", in, out).
		SliceStarted(slice).SliceCompleted(slice, cdc.CaptureSliceResult{Salt: salt, Published: hashes("Patient", "s1")}).
		SliceStarted(slice2)

	resumed := cdc.CaptureSliceInput{Salt: salt, Type: "Patient", Known: hashes("Patient", "a", "s1")}
	resumed.Resume = &cdc.SliceState{TypeLedger: cdc.TypeLedger{Published: hashes("Patient", "s2")}}
	more, moreOut := batch("Patient", "s3", "!s4")
	ended := temporaltest.Started(resumed).Activity("Publish", more, moreOut)

	e := temporaltest.Executions{
		window.ID(): {Status: temporaltest.Terminated, Events: h.Events},
		slice2:      {Status: temporaltest.Terminated, Events: ended.Events},
	}
	got, err := readLedger(e, window.ID())
	require.NoError(t, err, "the first slice's result is in its parent's history, the slice itself is gone")
	requireSame(t, ledgerWith("Patient", "a", "s1", "s2", "s3"), got)

	e[slice2] = temporaltest.Execution{Status: temporaltest.Running}
	_, err = readLedger(e, window.ID())
	requireClass(t, cdc.ClassStillOpen, err)
	delete(e, slice2)
	_, err = readLedger(e, window.ID())
	requireClass(t, cdc.ClassLedgerUnreadable, err)
}
