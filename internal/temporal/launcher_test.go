package temporal

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
)

var (
	noon    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	trigger = cdc.Cause{SourceTime: noon, CapturedBy: cdc.ByCloudTrail}
	window  = cdc.WindowAt("store", noon)
)

func launcherOf(t *testing.T, f *frontend) *Launcher {
	t.Helper()
	conn := connect(t, f)
	cfg := settings(t)
	cfg.Versions, cfg.Imports = cdc.VersionsAll, config.ImportsPublish
	return &Launcher{
		Connection: conn, Settings: cfg, Types: map[string][]string{"store": {"Device", "Patient"}, "other": {"Claim", "Patient"}},
		Horizon: 22 * time.Hour, Audited: true, Logger: slog.New(slog.DiscardHandler),
	}
}

// input decodes what the newest execution was started with.
func input[T any](t *testing.T, f *frontend, l *Launcher) (in T) {
	t.Helper()
	started := f.started(t)
	require.Equal(t, "queue", started.GetTaskQueue().GetName())
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, started.GetWorkflowIdConflictPolicy())
	require.NoError(t, l.Connection.Input(t.Context(), started.GetWorkflowId(), "", &in))
	return in
}

// marks are an execution's search attributes.
func marks(t *testing.T, started *workflowservice.StartWorkflowExecutionRequest) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for name, value := range started.GetSearchAttributes().GetIndexedFields() {
		var text string
		require.NoError(t, converter.GetDefaultDataConverter().FromPayload(value, &text))
		found[name] = text
	}
	return found
}

// Two triggers of one window start one execution: the second one coalesces, also once
// the window has closed.
func TestAWindowIsOpenedOnce(t *testing.T) {
	f := startFrontend(t)
	l := launcherOf(t, f)
	opened, err := l.OpenWindow(t.Context(), window, trigger)
	require.NoError(t, err)
	require.True(t, opened)
	started := f.started(t)
	require.Equal(t, window.ID(), started.GetWorkflowId())
	require.Equal(t, cdc.WorkflowCaptureWindow, started.GetWorkflowType().GetName())
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, started.GetWorkflowIdReusePolicy())
	require.Equal(t, map[string]string{
		"CdcDatastore": "store", "CdcState": cdc.StateOpen, "CdcWindowStart": "2026-03-01T12:00:00Z",
	}, marks(t, started))
	in := input[cdc.CaptureWindowInput](t, f, l)
	require.Equal(t, []string{"Device", "Patient"}, in.Types, "those of its datastore")
	require.Equal(t, l.Settings.Passes, in.Passes)
	require.Equal(t, trigger, in.Cause)
	require.True(t, in.Attributes && in.Audited)
	require.False(t, in.Salt.IsZero())

	for range 2 {
		opened, err = l.OpenWindow(t.Context(), window, trigger)
		require.NoError(t, err)
		require.False(t, opened)
		f.closes(window.ID())
	}
	require.Len(t, f.starts, 1)
	_, err = l.OpenWindow(t.Context(), cdc.WindowAt("unknown", noon), trigger)
	require.ErrorContains(t, err, "unknown is not configured")
}

// An operator's capture reruns a window that has closed, under the next free number, and
// joins one that is open.
func TestCaptureNumbersReruns(t *testing.T) {
	f := startFrontend(t)
	l := launcherOf(t, f)
	capture := func(wantID string, wantStarted bool) {
		t.Helper()
		id, started, err := l.Capture(t.Context(), window, cdc.Cause{SourceTime: noon, CapturedBy: cdc.ByOperator})
		require.NoError(t, err)
		require.Equal(t, wantID, id)
		require.Equal(t, wantStarted, started)
	}
	capture(window.ID(), true)
	capture(window.ID(), false)
	f.closes(window.ID())
	capture(window.RerunID(1), true)
	require.Equal(t, 1, input[cdc.CaptureWindowInput](t, f, l).Rerun)
	capture(window.RerunID(1), false)
	f.closes(window.RerunID(1))
	capture(window.RerunID(2), true)
	require.NotEqual(t, f.starts[0].GetInput(), f.starts[1].GetInput(), "each run has a salt of its own")
}

// A run that an audit asks for has the audit's types and versions, and a number that is
// its own: repeated, it starts no other.
func TestARunForAnAudit(t *testing.T) {
	f := startFrontend(t)
	l := launcherOf(t, f)
	run := cdc.WindowRun{
		Cause: cdc.Cause{SourceTime: noon, CapturedBy: cdc.ByAudit, Bulk: true}, Types: []string{"Device"},
		Wanted: []cdc.Version{{Type: "Device", ID: "x", VersionID: "1", LastUpdated: "2026-03-01T12:00:01Z"}}, Skip: true,
	}
	started, err := l.Run(t.Context(), window, 3, run)
	require.NoError(t, err)
	require.True(t, started)
	in := input[cdc.CaptureWindowInput](t, f, l)
	require.Equal(t, run.Types, in.Types)
	require.Equal(t, run.Wanted, in.Wanted)
	require.Equal(t, 3, in.Rerun)
	require.True(t, in.Skip && in.Bulk)
	started, err = l.Run(t.Context(), window, 3, run)
	require.NoError(t, err)
	require.False(t, started)
}

// A namespace that does not know our search attributes rejects the start: this process
// goes on without them, and says so in each input.
func TestRejectedAttributesAreLeftOut(t *testing.T) {
	f := startFrontend(t)
	f.plain = true
	l := launcherOf(t, f)
	opened, err := l.OpenWindow(t.Context(), window, trigger)
	require.NoError(t, err)
	require.True(t, opened)
	require.Empty(t, marks(t, f.started(t)))
	require.False(t, input[cdc.CaptureWindowInput](t, f, l).Attributes)

	f.plain = false
	_, err = l.OpenWindow(t.Context(), cdc.WindowAt("store", noon.Add(time.Minute)), trigger)
	require.NoError(t, err)
	require.Empty(t, marks(t, f.started(t)), "until it starts again")
}

func TestADeleteIsPublishedOnce(t *testing.T) {
	f := startFrontend(t)
	l := launcherOf(t, f)
	d := cdc.Delete{EventID: "e1", EventTime: noon}
	for _, want := range []bool{true, false} {
		started, err := l.PublishDelete(t.Context(), "store", d, cdc.ByCloudTrail)
		require.NoError(t, err)
		require.Equal(t, want, started)
	}
	require.Equal(t, cdc.DeleteID("store", "e1"), f.started(t).GetWorkflowId())
	require.Equal(t, "2026-03-01T12:00:00Z", marks(t, f.started(t))["CdcWindowStart"], "audits find it by its time")
	in := input[cdc.PublishDeleteInput](t, f, l)
	require.Equal(t, cdc.Origin{
		Datastore: "store", Cause: cdc.Cause{SourceTime: noon, CapturedBy: cdc.ByCloudTrail}, CorrelationID: cdc.DeleteID("store", "e1"),
	}, in.Origin)
}

// An audit that is asked for joins one that runs, and runs again after it.
func TestAnAuditRunsAgain(t *testing.T) {
	f := startFrontend(t)
	l := launcherOf(t, f)
	span := cdc.Span{From: noon.Add(3 * time.Second), To: noon.Add(time.Minute)}
	var id string
	for _, want := range []bool{true, false, true} {
		var started bool
		var err error
		id, started, err = l.Audit(t.Context(), cdc.AuditInput{Datastore: "store", Types: []string{"Patient"}, Span: &span})
		require.NoError(t, err)
		require.Equal(t, want, started)
		if !want {
			f.closes(id)
		}
	}
	require.Equal(t, cdc.AuditID("store", span.Widened()), id)
	require.Equal(t, span.Widened(), *input[cdc.AuditInput](t, f, l).Span)
	require.Equal(t, map[string]string{"CdcDatastore": "store", "CdcState": cdc.StateOpen}, marks(t, f.started(t)))
}

// The audit of an import begins when search has settled; what it skips, when records of
// other writes have come too.
func TestImportsAreAuditedByTheirSetting(t *testing.T) {
	span := cdc.Span{From: noon, To: noon.Add(time.Minute)}
	for name, c := range map[string]struct {
		imports      string
		job          bool
		skip, silent bool
		settle       time.Duration
	}{
		"publish":           {config.ImportsPublish, true, false, false, time.Minute},
		"summary":           {config.ImportsSummary, true, true, false, cdc.RecordDelay},
		"off":               {config.ImportsOff, true, true, true, cdc.RecordDelay},
		"no job of its own": {config.ImportsOff, false, false, false, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFrontend(t)
			l := launcherOf(t, f)
			l.Settings.Imports = c.imports
			for _, want := range []bool{true, false} {
				started, err := l.Import(t.Context(), "store", cdc.Import{ID: "job", Span: span, Job: c.job}, cdc.Cause{SourceTime: noon, CapturedBy: cdc.ByImport})
				require.NoError(t, err)
				require.Equal(t, want, started)
			}
			require.Equal(t, cdc.ImportAuditID("store", "job"), f.started(t).GetWorkflowId())
			in := input[cdc.AuditInput](t, f, l)
			require.Equal(t, c.skip, in.Skip)
			require.Equal(t, c.silent, in.NoStatements)
			require.Equal(t, span.To.Add(c.settle), in.StartAt)
			require.Equal(t, l.Types["store"], in.Types)
			require.Equal(t, l.Horizon, in.Horizon)
		})
	}
}

func TestAJobIsFollowedOnce(t *testing.T) {
	f := startFrontend(t)
	l := launcherOf(t, f)
	for _, want := range []bool{true, false} {
		started, err := l.Follow(t.Context(), "store", cdc.Job{ID: "e1", Span: cdc.Span{From: noon, To: noon.Add(time.Minute)}}, cdc.Cause{SourceTime: noon, CapturedBy: cdc.ByCloudTrail})
		require.NoError(t, err)
		require.Equal(t, want, started)
	}
	require.Equal(t, cdc.JobAuditID("store", "e1"), f.started(t).GetWorkflowId())
	require.True(t, input[cdc.AuditInput](t, f, l).Follow)
}

// A range's name is used once, but for dry runs.
func TestARangeRunsOnce(t *testing.T) {
	for id, in := range map[string]cdc.CaptureRangeInput{
		"replay/x":           {Name: "x", CapturedBy: cdc.ByOperator},
		"backfill/x":         {Name: "x", CapturedBy: cdc.ByBackfill},
		"dry-run/replay/x":   {Name: "x", CapturedBy: cdc.ByOperator, DryRun: true},
		"dry-run/backfill/x": {Name: "x", CapturedBy: cdc.ByBackfill, DryRun: true},
	} {
		t.Run(id, func(t *testing.T) {
			f := startFrontend(t)
			l := launcherOf(t, f)
			in.SourceTime, in.Types = noon, []string{"Patient"}
			in.Span = cdc.Span{From: noon.Add(-time.Hour), To: noon}
			got, started, err := l.Range(t.Context(), in)
			require.NoError(t, err)
			require.Equal(t, id, got)
			require.True(t, started)
			existing, err := l.Existing(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, in.Span, existing.Input.Span)
			require.Equal(t, noon, existing.Started)
			require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, existing.Status)
			require.True(t, existing.Closed.IsZero())

			_, started, err = l.Range(t.Context(), in)
			require.NoError(t, err)
			require.False(t, started)
			f.closes(id)
			_, started, err = l.Range(t.Context(), in)
			require.NoError(t, err)
			require.Equal(t, in.DryRun, started, "a dry run may be made again")
		})
	}
}

// The recent part of a backfill begins with the horizon, or with the first hour of which
// there is a window.
func TestBorder(t *testing.T) {
	f := startFrontend(t)
	l := launcherOf(t, f)
	now := noon.Add(15 * time.Second)
	border := func() time.Time {
		t.Helper()
		at, err := l.Border(t.Context(), []string{"store", "other"}, now, 6*time.Hour)
		require.NoError(t, err)
		return at
	}
	require.Equal(t, noon.Add(-lateRecords+10*time.Second), border(), "no window: what is young enough for late records")
	f.closes(cdc.WindowAt("other", noon.Add(-90*time.Minute)).ID())
	require.Equal(t, noon.Add(-2*time.Hour), border())
	f.closes(cdc.WindowAt("store", noon.Add(-6*time.Hour)).ID())
	require.Equal(t, noon.Add(-6*time.Hour+10*time.Second), border())
}

func TestAllTypes(t *testing.T) {
	require.Equal(t, []string{"Claim", "Device", "Patient"}, launcherOf(t, startFrontend(t)).AllTypes())
}
