package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// foundOf is what a Hydrate of a run that skips found: no bodies.
func foundOf(resourceType string, ids ...string) cdc.HydrateResult {
	answer := cdc.PageResult{Type: resourceType, State: cdc.PageMore}
	for _, id := range ids {
		answer.Changes = append(answer.Changes, cdc.Change{Version: version(resourceType, id)})
	}
	return cdc.HydrateResult{Pages: []cdc.PageResult{answer, {Type: "Goal", State: cdc.PageDone}}}
}

// requireLedgerOf compares the ledger of patients, published and skipped, and
// which types it holds.
func requireLedgerOf(t *testing.T, got cdc.Ledger, published, skipped []string, swept ...string) {
	t.Helper()
	require.Equal(t, swept, got.Names())
	require.Equal(t, hashes("Patient", published...).Sorted(), got.Types["Patient"].Published.Sorted())
	require.Equal(t, hashes("Patient", skipped...).Sorted(), got.Types["Patient"].Skipped.Sorted())
}

func TestLedgerOfATerminatedRunThatSkipped(t *testing.T) {
	window := cdc.Window{Datastore: "store", Start: version("Patient", "a").Time().Truncate(cdc.WindowWidth)}
	elsewhere := version("Patient", "elsewhere")
	elsewhere.LastUpdated = "2026-03-01T13:00:00Z"
	wanted := []cdc.Version{version("Patient", "a"), version("Patient", "w"), elsewhere}
	before := ledgerWith("Patient", "a", "b")
	read := cdc.LedgerInput{WorkflowID: window.ID()}
	run := cdc.CaptureWindowInput{Window: window, Salt: salt, Rerun: 1, Skip: true, Wanted: wanted}
	first := run
	first.Rerun = 0
	resumed := run
	resumed.Resume = &cdc.WindowState{Ledger: before}
	publishes := run
	publishes.Skip = false
	in, out := batch("Patient", "x")

	for name, c := range map[string]struct {
		events             *temporaltest.History
		published, skipped []string
		swept              []string
	}{
		"first run":        {temporaltest.Started(first).Activity("Hydrate", cdc.HydrateInput{}, foundOf("Patient", "c")), nil, []string{"a", "c", "w"}, []string{"Goal", "Patient"}},
		"rerun":            {temporaltest.Started(run).Activity("Ledger", read, before).Activity("Hydrate", cdc.HydrateInput{}, foundOf("Patient", "b", "c")), []string{"a", "b"}, []string{"c", "w"}, []string{"Goal", "Patient"}},
		"continued as new": {temporaltest.Started(resumed).Activity("Hydrate", cdc.HydrateInput{}, foundOf("Patient", "c")), []string{"a", "b"}, []string{"c", "w"}, []string{"Goal", "Patient"}},
		"read nothing yet": {temporaltest.Started(run), []string{"a", "b"}, nil, []string{"Patient"}},
		// One that publishes has what was published, wanted or found, and no more.
		"publishes": {temporaltest.Started(publishes).Activity("Ledger", read, before).Activity("Hydrate", cdc.HydrateInput{}, foundOf("Patient", "c")).Activity("Publish", in, out), []string{"a", "b", "x"}, nil, []string{"Goal", "Patient"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readLedger(temporaltest.Executions{
				window.ID():       {Status: temporaltest.Completed, Result: cdc.CaptureWindowResult{Ledger: before}},
				window.RerunID(1): {Status: temporaltest.Terminated, Events: c.events.Events},
			}, window.RerunID(1))
			require.NoError(t, err)
			requireLedgerOf(t, got, c.published, c.skipped, c.swept...)
		})
	}
}
