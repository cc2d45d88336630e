package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// What a slice published that did not complete is still to be read when the window
// continues as new: it belongs to the window's ledger all the same.
func TestLedgerHoldsWhatSlicesPublishedThatAreCarriedAsLost(t *testing.T) {
	resumed := windows
	resumed.Resume = &cdc.WindowState{
		Ledger: ledgerWith("Patient", "a"),
		Types:  []cdc.TypeState{{Type: "Patient", Lost: []string{slice}}},
	}
	in, out := batch("Patient", "b")
	e := temporaltest.Executions{
		window.ID(): {Status: temporaltest.Terminated, Events: temporaltest.Started(resumed).Events},
		slice:       {Status: temporaltest.Terminated, Events: temporaltest.Started(cdc.CaptureSliceInput{Salt: salt, Type: "Patient"}).Activity("Publish", in, out).Events},
	}
	got, err := readLedger(e, window.ID())
	require.NoError(t, err)
	requireSame(t, ledgerWith("Patient", "a", "b"), got)

	delete(e, slice)
	_, err = readLedger(e, window.ID())
	requireClass(t, cdc.ClassLedgerUnreadable, err)
}

// A slice that was cancelled, or goes on in a new run, has not swept its type.
func TestSliceThatWasCancelledHasNotSweptItsType(t *testing.T) {
	h := temporaltest.Started(windows).SliceStarted(slice).SliceCompleted(slice, cdc.CaptureSliceResult{Salt: salt, Cancelled: true}).SliceStarted(slice2)
	again := temporaltest.Started(cdc.CaptureSliceInput{Salt: salt, Type: "Patient", Resume: &cdc.SliceState{}})
	got, err := readLedger(temporaltest.Executions{
		window.ID(): {Status: temporaltest.Terminated, Events: h.Events},
		slice2:      {Status: temporaltest.Terminated, Events: again.Events},
	}, window.ID())
	require.NoError(t, err)
	require.False(t, got.Swept("Patient"))
}
