package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// A rerun that was terminated before it had read the ledger of the run before:
// the next one must not publish everything again.
func TestLedgerOfARerunThatNeverReadTheOneBefore(t *testing.T) {
	window := cdc.Window{Datastore: "store", Start: version("Patient", "a").Time().Truncate(cdc.WindowWidth)}
	in, out := batch("Patient", "c")
	read := cdc.LedgerInput{WorkflowID: window.RerunID(1)}
	known := temporaltest.Executions{
		window.ID():       {Status: temporaltest.Completed, Result: cdc.CaptureWindowResult{Ledger: ledgerWith("Patient", "a", "b")}},
		window.RerunID(1): {Status: temporaltest.Terminated, Events: temporaltest.Started(cdc.CaptureWindowInput{Window: window, Salt: salt, Rerun: 1}).Events},
		window.RerunID(2): {Status: temporaltest.Terminated, Events: temporaltest.Started(cdc.CaptureWindowInput{Window: window, Salt: salt, Rerun: 2}).
			Activity("Ledger", read, ledgerWith("Patient", "a", "b")).Activity("Publish", in, out).Events},
	}
	first, err := readLedger(known, window.RerunID(1))
	require.NoError(t, err)
	requireSame(t, ledgerWith("Patient", "a", "b"), first)

	// What it did read is not read again: it may have expired by now.
	delete(known, window.ID())
	second, err := readLedger(known, window.RerunID(2))
	require.NoError(t, err)
	requireSame(t, ledgerWith("Patient", "a", "b", "c"), second)

	_, err = readLedger(known, window.RerunID(1))
	require.ErrorContains(t, err, string(cdc.ClassLedgerUnreadable), "expired is not empty")
}
