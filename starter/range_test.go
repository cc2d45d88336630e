package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

func TestNamedResourcesAreNeverRepeatedInErrors(t *testing.T) {
	for _, bad := range []string{
		"SECRET-1", "Patient/SECRET\n1", "Patient/", "patient/SECRET-1", "Patient/SECRET/1", "Patient/SECRET/_history/1",
	} {
		_, err := parseResources([]string{"Patient/ok", bad})
		require.ErrorContains(t, err, "--id number 2", bad)
		require.NotContains(t, err.Error(), "SECRET")
	}
	named, err := parseResources([]string{"Patient/1", "Patient/2.a", "Patient/1", "Patient/a:1:b 2"})
	require.NoError(t, err)
	require.Equal(t, []cdc.ResourceID{{Type: "Patient", ID: "1"}, {Type: "Patient", ID: "2.a"}, {Type: "Patient", ID: "a:1:b 2"}}, named,
		"each once; a replay takes the ids that a search gives it, whether FHIR has them or not")

	configured := []string{"Goal", "Patient"}
	in := cdc.CaptureRangeInput{Types: configured}
	require.NoError(t, nameResources(&in, named))
	require.Equal(t, named, in.IDs)
	require.Equal(t, []string{"Patient"}, in.Types, "others need not be asked")
	require.Equal(t, []string{"Goal", "Patient"}, configured)
	err = nameResources(&in, []cdc.ResourceID{{Type: "Claim", ID: "SECRET-1"}})
	require.ErrorContains(t, err, "of type Claim")
	require.NotContains(t, err.Error(), "SECRET")
}

func TestRangeNames(t *testing.T) {
	require.Equal(t, []string{"replay/a", "backfill/a"}, rangeIDs("a"))
	for _, id := range []string{"replay/a", "backfill/a", "dry-run/replay/a"} {
		require.Equal(t, []string{id}, rangeIDs(id))
	}
	for _, none := range []string{"", "a/b", "window/ds/2026-01-01T00:00:00Z", "replay/", "dry-run/a"} {
		require.Empty(t, rangeIDs(none))
	}
}

func TestEstimate(t *testing.T) {
	c := estimate(cdc.CaptureRangeResult{Counts: cdc.Counts{Published: 10, Events: 2_000_000}, Actions: 1_000_000})
	require.InDelta(t, 2, c.EventBridge, 1e-9)
	require.InDelta(t, 50, c.Temporal, 1e-9)
	require.InDelta(t, 52, c.Total, 1e-9)
}

// The flags of a replay are its input; a name that is in use is joined, or an error that
// says what differs.
func TestReplay(t *testing.T) {
	f := newFrontend(t)
	args := strings.Fields("replay --name x --since 2026-11-23T10:00:00Z --until 2026-11-23T12:00:00Z --type Patient --id Patient/1 --rate 5")
	require.Equal(t, "replay/x started\n", succeeds(t, args...))
	var in cdc.CaptureRangeInput
	f.input("replay/x", &in)
	require.Equal(t, cdc.CaptureRangeInput{
		Name: "x", CapturedBy: cdc.ByOperator, Datastores: []string{testStore}, Types: []string{"Patient"},
		Span: cdc.Span{From: noon.Add(-2 * time.Hour), To: noon}, SourceTime: in.SourceTime, Salt: in.Salt, Attributes: true,
		IDs: []cdc.ResourceID{{Type: "Patient", ID: "1"}}, Rate: 5,
	}, in)

	f.has("replay/x", execution{kind: cdc.WorkflowCaptureRange, status: running, input: in})
	require.Contains(t, succeeds(t, args...), "joined replay/x: it was started at "+stamp(in.SourceTime))
	report := printedJSON[rangeReport](t, succeeds(t, append(args, "--json")...))
	require.False(t, report.Started)
	require.Equal(t, "running", report.Joined.State)
	fails(t, "replay/x exists already and is different: nothing was started\n  --rate was 5, is 6", append(args, "--rate", "6")...)
	f.has("replay/x", execution{kind: cdc.WorkflowCaptureRange, status: completed, input: in, result: cdc.CaptureRangeResult{
		Counts: cdc.Counts{Published: 3, NotFound: 1, Searches: 2}, Total: 4, Slices: 1,
	}})
	text := succeeds(t, append(args, "--wait")...)
	require.Contains(t, text, "replay/x is done: 3 published of 4 counted, 1 slices, 2 searches")
	require.Contains(t, text, "outside the time range: 1 of 1 named resources")
	f.has("replay/x", execution{kind: cdc.WorkflowCaptureRange, status: canceled, input: in})
	fails(t, "ended as canceled at 2026-11-23T12:01:00Z before it was done: its name stays in use; start again under another name", args...)
}

// A dry run prints what the replay would publish, and what that would cost.
func TestDryRun(t *testing.T) {
	f := newFrontend(t)
	f.onStart = func(id string) {
		f.has(id, execution{kind: cdc.WorkflowCaptureRange, status: completed, result: cdc.CaptureRangeResult{
			Counts: cdc.Counts{Published: 10, References: 1, Bytes: 5_000, Events: 2_000_000}, Actions: 1_000_000,
		}})
	}
	args := strings.Fields("replay --name x --since 2h --until 1h --dry-run")
	text := succeeds(t, args...)
	for _, want := range []string{"dry-run/replay/x: nothing was published", "10, 1 of them as references", "about $2.0000", "about $50.0000", "about $52.0000 at list prices"} {
		require.Contains(t, text, want)
	}
	delete(f.executions, "dry-run/replay/x")
	report := printedJSON[rangeReport](t, succeeds(t, append(args, "--json")...))
	require.InDelta(t, 52, report.Cost.Total, 1e-9)
	require.Equal(t, 10, report.Result.Counts.Published)
}

// A backfill without --until goes up to its start, and joins one that did.
func TestBackfill(t *testing.T) {
	f := newFrontend(t)
	report := printedJSON[rangeReport](t, succeeds(t, "backfill", "--name", "first", "--json"))
	require.True(t, report.Started)
	var in cdc.CaptureRangeInput
	f.input("backfill/first", &in)
	require.Equal(t, cdc.ByBackfill, in.CapturedBy)
	require.Equal(t, time.Unix(0, 0).UTC(), in.Span.From.UTC())
	require.True(t, in.Span.To.Equal(in.SourceTime))
	require.Equal(t, 22*time.Hour, in.Horizon)
	f.has("backfill/first", execution{kind: cdc.WorkflowCaptureRange, status: running, input: in})
	require.Contains(t, succeeds(t, "backfill", "--name", "first"), "joined backfill/first")
	fails(t, "--until was", "backfill", "--name", "first", "--until", "1h")
	f.has("backfill/first", execution{kind: cdc.WorkflowCaptureRange, status: completed, input: in, result: cdc.CaptureRangeResult{Missing: 2}})
	_, _, err := run(t, "backfill", "--name", "first", "--wait")
	require.ErrorContains(t, err, "2 versions of the recent part are missing after healing")
}

// The bus of --to-bus is checked before anything starts, where that is allowed.
func TestBusOfAReplay(t *testing.T) {
	f := newFrontend(t)
	awsServer(t, map[string]func(map[string]any) (int, any){"DescribeEventBus": func(in map[string]any) (int, any) {
		switch in["Name"] {
		case "missing":
			return http.StatusBadRequest, map[string]string{"__type": "ResourceNotFoundException"}
		case "forbidden":
			return http.StatusBadRequest, map[string]string{"__type": "AccessDeniedException"}
		}
		return http.StatusOK, map[string]string{"Name": "warehouse"}
	}}, nil)
	to := func(bus string) []string {
		return append(strings.Fields("replay --since 2h --until 1h --to-bus"), bus, "--name", "to-"+bus[:3])
	}
	fails(t, "there is no event bus missing in eu-west-1: nothing was started", to("missing")...)
	fails(t, "--to-bus is in region us-east-1, and AWS_REGION is eu-west-1", to("arn:aws:events:us-east-1:123456789012:event-bus/warehouse")...)
	fails(t, "neither the name nor the ARN", to("bus with spaces")...)
	require.Empty(t, f.started)
	_, stderr, err := run(t, to("forbidden")...)
	require.NoError(t, err)
	require.Contains(t, stderr, "could not check whether the event bus forbidden exists (AccessDeniedException; this needs events:DescribeEventBus)")
	_, stderr, err = run(t, to("warehouse")...)
	require.NoError(t, err)
	require.NotContains(t, stderr, "could not check")
}

func TestPauseResumeCancel(t *testing.T) {
	f := newFrontend(t)
	f.has("replay/x", execution{kind: cdc.WorkflowCaptureRange, status: running, progress: cdc.Progress{Range: &cdc.RangeProgress{}}})
	f.onSignal = func(id, _ string) {
		p := f.executions[id].progress.Range
		p.Paused = !p.Paused
	}
	require.Equal(t, controlReport{WorkflowID: "replay/x", State: "paused"}, printedJSON[controlReport](t, succeeds(t, "pause", "x", "--json")))
	require.Equal(t, "replay/x is resumed\n", succeeds(t, "resume", "replay/x"))
	require.Equal(t, cdc.SignalPause, f.signals[1].GetSignalName())
	require.Equal(t, "replay/x is being cancelled\n", succeeds(t, "cancel", "x"))
	require.Equal(t, []string{"replay/x"}, f.cancelled)

	f.has("backfill/x", *f.executions["replay/x"])
	fails(t, "which one: replay/x or backfill/x?", "pause", "x")
	fails(t, "there is no replay/y and no backfill/y: `starter status` lists the open ones", "pause", "y")
	fails(t, `"window/x" does not name a replay or a backfill`, "cancel", "window/x")
	f.has("backfill/x", execution{kind: cdc.WorkflowCaptureRange, status: completed})
	fails(t, "it has closed already: backfill/x (Completed)", "resume", "backfill/x")
	f.has("replay/x", execution{kind: cdc.WorkflowCaptureRange, status: canceled})
	fails(t, "it has closed already: replay/x (Canceled), backfill/x (Completed)", "resume", "x")
}
