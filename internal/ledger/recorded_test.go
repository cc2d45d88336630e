package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// The histories of real runs that the workflows are replayed with.
const histories = "../../workflows/testdata/histories"

// Of real runs, whose payloads are bound to their workflows, the history tells the same
// ledger as the result.
func TestHistoryAndResultTellTheSameLedger(t *testing.T) {
	data := temporaltest.RecordedData(t, histories)
	for _, name := range []string{
		"window-plain", "window-extra-pass", "window-type-unavailable", "window-with-slices", "window-rerun",
		"window-rerun-with-slices", "window-skips", "window-versions-skipped", "window-wanted", "slice-pages", "slice-retried",
	} {
		t.Run(name, func(t *testing.T) {
			events := temporaltest.Recorded(t, histories, name).GetEvents()
			id := events[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowId()
			r := Reader{Executions: temporal.Executions{Client: temporaltest.Executions{id: {Status: temporaltest.Terminated, Events: events}}, Data: data}}
			got, err := r.Closed(t.Context(), id)
			require.NoError(t, err)

			output := events[len(events)-1].GetWorkflowExecutionCompletedEventAttributes().GetResult()
			var want cdc.Ledger
			if _, resourceType, _, _, err := cdc.ParseSliceID(id); err == nil {
				var result cdc.CaptureSliceResult
				require.NoError(t, data.FromPayloads(output, &result))
				require.NoError(t, mergeSlice(&want, resourceType, result))
			} else {
				var result cdc.CaptureWindowResult
				require.NoError(t, data.FromPayloads(output, &result))
				want = result.Ledger
			}
			require.NotEmpty(t, want.Names())
			requireSame(t, want, got)

			// Copied to another workflow, a history says nothing.
			other := cdc.WindowAt("other", cdc.WindowAt("", version("Patient", "a").Time()).Start).ID()
			r.Executions.Client = temporaltest.Executions{other: {Status: temporaltest.Terminated, Events: events}}
			_, err = r.Closed(t.Context(), other)
			requireClass(t, cdc.ClassLedgerUnreadable, err)
		})
	}
}
