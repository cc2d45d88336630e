package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// What a slice published that did not complete is still to be read when the window
// continues as new: it belongs to the window's ledger all the same.
func TestLedgerHoldsWhatSlicesPublishedThatAreCarriedAsLost(t *testing.T) {
	resumed := windows
	resumed.Resume = &cdc.WindowState{
		Ledger: ledgerWith("Patient", "a"),
		Types:  []cdc.TypeState{{Type: "Patient", Lost: slice}},
	}
	in, out := batch("Patient", "b")
	e := executions{
		window.ID(): {status: terminated, events: begun(resumed).events},
		slice:       {status: terminated, events: begun(cdc.CaptureSliceInput{Salt: salt, Type: "Patient"}).did("Publish", in, out).events},
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
	h := begun(windows).sliceStarted(slice).sliceCompleted(slice, cdc.CaptureSliceResult{Salt: salt, Cancelled: true}).sliceStarted(slice2)
	again := begun(cdc.CaptureSliceInput{Salt: salt, Type: "Patient", Resume: &cdc.SliceState{}})
	got, err := readLedger(executions{
		window.ID(): {status: terminated, events: h.events},
		slice2:      {status: terminated, events: again.events},
	}, window.ID())
	require.NoError(t, err)
	require.False(t, got.Swept("Patient"))
}
