package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// A replay passed over a version that moved while its pages were read, and said that
// it was done.
func TestReplayListsUntilNothingIsNew(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 1, 150)
	renewRange(w)
	at := start.Add(40 * time.Minute)
	hidden := w.store.Write("Patient", "hidden", at, w.now().Add(10*time.Second).Sub(at), 150)
	result := w.runRange(replayOf("Patient"))
	require.Equal(t, 151, result.Counts.Published)
	require.Len(t, w.bus.acceptedAt(hidden.Version), 1)
	require.Equal(t, w.store.Keys(datastore, all), w.bus.keys(), "and nothing twice")
}

func TestBackfillListsUntilNothingIsNew(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 1, 150)
	renewRange(w)
	// Hidden by search while it is indexed again: for the pages, and for the first
	// listing.
	now := w.now()
	for i, hidden := range []time.Duration{10 * time.Second, 22 * time.Second} {
		at := start.Add(time.Duration(40+i) * time.Minute)
		w.store.Write("Patient", []string{"hidden", "hidden-longer"}[i], at, now.Add(hidden).Sub(at), 150)
	}
	result := w.runRange(backfillOf("Patient"))
	require.Equal(t, 152, result.Counts.Published)
	require.Equal(t, w.store.Keys(datastore, all), w.bus.keys())
	for _, p := range w.bus.accepted {
		require.Equal(t, cdc.ByBackfill, p.Meta.By)
		require.Equal(t, cdc.BackfillID("again"), p.Meta.Correlation)
		require.Empty(t, p.Meta.Replay)
	}
}

// A slice of a backfill that continues as new in the middle of its listings goes
// on with them.
func TestSliceOfARangeContinuesAsNewWhileItLists(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 1, 450)
	at := start.Add(24 * time.Hour)
	w.store.Write("Patient", "hidden", start.Add(time.Minute), at.Add(10*time.Second).Sub(start.Add(time.Minute)), 150)
	in := cdc.CaptureSliceInput{
		Salt:   salt,
		Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{CapturedBy: cdc.ByBackfill, Bulk: true}, CorrelationID: cdc.BackfillID("again")},
		Type:   "Patient", Span: rangeInput().Span, Range: cdc.RangeSlice{Listing: true, Rate: cdc.PageSize}, // a page an attempt
	}
	last, runs := runToEnd(w, cdc.WorkflowCaptureSlice, in, func(run int, _ cdc.CaptureSliceInput) {
		w.renew(at.Add(time.Duration(run-1) * 30 * time.Second))
		if run <= 4 {
			growAfter(w, "HydratePage", 4)
		}
	})
	require.Greater(t, runs, 2)
	require.Equal(t, w.store.Keys(datastore, all), w.bus.keys(), "the hidden one is found by a listing, and nothing comes twice")
	require.Equal(t, 1, last.Resume.Listings, "the last run began in the middle of a listing")
}

// A store may read the boundaries of a count otherwise than we mean them: what
// seems empty is counted with a margin before it counts as empty.
func TestBackfillOfWhatAnExactCountMisses(t *testing.T) {
	w := newWorld(t)
	in := backfillOf("Patient")
	w.store.CountsEarly = 500 * time.Millisecond
	w.store.Write("Patient", "at-the-edge", in.Span.To.Add(-200*time.Millisecond), 0, 150)
	result := w.runRange(in)
	require.Equal(t, 1, result.Counts.Published)
	require.Equal(t, w.store.Keys(datastore, all), w.bus.keys())
}

// The recent part of a backfill is audited piece by piece, before the rest and one
// at a time; a piece whose windows may be open waits.
func TestBackfillAuditsItsRecentPart(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 2, 150)
	w.store.Fill("Patient", 30, start.Add(3*time.Hour), 150) // recent
	in := backfillOf("Patient", "Observation")
	in.Border, in.Versions, in.WindowsCloseAfter = start.Add(2*time.Hour+30*time.Minute), cdc.VersionsAll, 4*time.Minute
	in.Horizon = 22 * time.Hour
	for _, dry := range []bool{true, false} {
		in.Span.To = start.Add(24 * time.Hour) // now
		in.DryRun = dry
		renewRange(w)
		w.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: cdc.BackfillID(in.Name), TaskQueue: cdc.DefaultTaskQueue})
		var asked []cdc.AuditInput
		w.env.OnWorkflow(cdc.WorkflowAudit, mock.Anything, mock.Anything).Return(
			func(ctx workflow.Context, audit cdc.AuditInput) (cdc.AuditState, error) {
				require.Equal(t, cdc.RangeAuditID(cdc.BackfillID(in.Name), datastore), workflow.GetInfo(ctx).WorkflowExecution.ID)
				asked = append(asked, audit)
				totals := cdc.AuditTotals{AuditFigures: cdc.AuditFigures{InStore: 10, Healed: 3, Missing: 1}, Unknown: 2}
				if audit.DryRun {
					totals = cdc.AuditTotals{AuditFigures: cdc.AuditFigures{InStore: 10, Missing: 3}, MissingBytes: 450, MissingReferences: 1}
				}
				return cdc.AuditState{Totals: totals}, workflow.Sleep(ctx, time.Minute)
			})
		w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, in)
		result := w.rangeResult()

		require.Len(t, asked, 4, "six hours each")
		at := in.Border
		for i, audit := range asked {
			require.Equal(t, at, audit.Span.From.UTC())
			at = audit.Span.To.UTC()
			require.Equal(t, []string{"Patient", "Observation"}, audit.Types)
			require.Equal(t, cdc.ByBackfill, audit.CapturedBy)
			require.Equal(t, cdc.VersionsAll, audit.Versions)
			require.Equal(t, dry, audit.DryRun)
			require.Equal(t, in.Horizon, audit.Horizon, "ledgers may be gone when a range goes on that was paused")
			require.Equal(t, i < 3, audit.StartAt.IsZero())
		}
		require.Equal(t, in.Span.To, at)
		require.Equal(t, in.Span.To.Add(in.WindowsCloseAfter), asked[3].StartAt.UTC())
		require.Equal(t, 300+4*3, result.Counts.Published)
		require.Equal(t, 330, result.Total)
		require.Equal(t, 330, result.Done)
		if dry {
			require.Equal(t, 4, result.Counts.References)
			require.EqualValues(t, 300*150+4*450, result.Counts.Bytes)
			require.Empty(t, w.bus.keys())
		} else {
			require.Equal(t, []int{4, 8}, []int{result.Missing, result.Unknown})
			require.Len(t, w.bus.keys(), 300, "slices have only what is older")
		}
	}
}
