package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/docs"
	"healthlake-cdc/internal/cdc"
)

// succeeds runs the starter, and returns what it prints.
func succeeds(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, err := run(t, args...)
	require.NoError(t, err, stderr)
	return stdout
}

// fails runs the starter and requires an error that says so, and that nothing is printed
// as a result.
func fails(t *testing.T, says string, args ...string) {
	t.Helper()
	stdout, _, err := run(t, args...)
	require.ErrorContains(t, err, says, args)
	require.Empty(t, stdout)
}

func printedJSON[T any](t *testing.T, text string) (value T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &value), text)
	return value
}

// Wrong flags are errors before anything is connected.
func TestWrongFlags(t *testing.T) {
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	for says, line := range map[string]string{
		`required flag(s) "at" not set`:              "capture",
		"--at: ":                                     "capture --at yesterday",
		"--at lies in the future":                    "capture --at 2999-01-01T00:00:00Z",
		`required flag(s) "name", "since", "until"`:  "replay",
		"--name must have 1 to 100":                  "replay --name a/b --since 2h --until 1h",
		"--rate must be a number":                    "replay --name a --since 2h --until 1h --rate -1",
		"--until must be later":                      "replay --name a --since 1h --until 2h",
		"--id number 1 is not of the form Patient/1": "replay --name a --since 2h --until 1h --id SECRET",
		`required flag(s) "name" not set`:            "backfill",
		"--until lies in the future: nothing":        "backfill --name a --until 2999-01-01T00:00:00Z",
		"--until lies in the future":                 "audit --since 1h --until 2999-01-01T00:00:00Z",
		"name one replay or backfill":                "pause",
		"name one workflow ID":                       "skip a b",
		"explain needs one argument":                 "explain",
		"name a resource as Type/id":                 "explain SECRET",
		"--lookback must be at least 1m":             "status --lookback 1s",
		"--max must be 1 or more":                    "redrive --max 0",
		`unknown command "x" for "starter schema"`:   "schema x",
	} {
		stdout, _, err := run(t, strings.Fields(line)...)
		require.ErrorContains(t, err, says, line)
		require.NotContains(t, err.Error(), "SECRET", line)
		require.Empty(t, stdout)
	}
}

// Every command says what is wrong with the settings, and where Temporal should be.
func TestSettingsOfEveryCommand(t *testing.T) {
	newFrontend(t)
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	lines := []string{
		"capture --at 1h", "replay --name a --since 2h --until 1h", "backfill --name a", "audit --since 2h --until 1h",
		"pause a", "resume a", "cancel a", "retry a", "skip a", "status", "explain Patient/1",
	}
	for _, line := range lines {
		fails(t, "connecting to Temporal at 127.0.0.1:1: is it running, and is TEMPORAL_ADDRESS right?", strings.Fields(line)...)
	}
	t.Setenv("CDC_DATASTOR", testStore)
	for _, line := range append(lines, "redrive", "subscriptions plan") {
		fails(t, "CDC_DATASTOR", strings.Fields(line)...)
	}
}

func TestCapture(t *testing.T) {
	f := newFrontend(t)
	window := cdc.WindowAt(testStore, noon)
	require.Equal(t, window.ID()+" started\n", succeeds(t, "capture", "--at", stamp(noon.Add(time.Second))))
	var in cdc.CaptureWindowInput
	f.input(window.ID(), &in)
	require.Equal(t, window, in.Window)
	require.Equal(t, []string{"Goal", "Patient"}, in.Types)
	require.Equal(t, cdc.ByOperator, in.CapturedBy)

	f.has(window.ID(), execution{kind: cdc.WorkflowCaptureWindow, status: running})
	require.Equal(t, []captureReport{{WorkflowID: window.ID()}}, printedJSON[[]captureReport](t, succeeds(t, "capture", "--at", stamp(noon), "--json")))
	f.has(window.ID(), execution{kind: cdc.WorkflowCaptureWindow, status: completed})
	f.onStart = func(id string) {
		f.has(id, execution{kind: cdc.WorkflowCaptureWindow, status: completed, result: cdc.CaptureWindowResult{Counts: cdc.Counts{Published: 7}}})
	}
	require.Equal(t, window.RerunID(1)+" has closed, 7 published\n", succeeds(t, "capture", "--at", stamp(noon), "--wait"))
	fails(t, "is not configured: see CDC_DATASTORES", "capture", "--at", "1h", "--datastore", otherStore)
}

func TestAudit(t *testing.T) {
	f := newFrontend(t)
	now := time.Now().UTC()
	since, until := now.Add(-2*time.Hour), now.Add(-time.Hour)
	args := []string{"audit", "--since", stamp(since), "--until", stamp(until)}
	id := cdc.AuditID(testStore, cdc.Span{From: since, To: until}.Widened())
	require.Equal(t, id+" started\n", succeeds(t, append(args, "--type", "Patient")...))
	var in cdc.AuditInput
	f.input(id, &in)
	require.Equal(t, []string{"Patient"}, in.Types)
	require.Equal(t, cdc.Span{From: since, To: until}.Widened(), *in.Span)
	require.Equal(t, 22*time.Hour, in.Horizon, "the retention less two hours")

	f.has(id, execution{kind: cdc.WorkflowAudit, status: running, input: in})
	require.Equal(t, id+" is running already\n", succeeds(t, append(args, "--type", "Patient")...))
	fails(t, "is running already, without Goal", args...)
	fails(t, "older than the audit's horizon", "audit", "--since", "23h", "--until", "1h")
	fails(t, "--type Claim is not one of the configured", append(args, "--type", "Claim")...)

	in.Types = []string{"Goal", "Patient"}
	f.has(id, execution{kind: cdc.WorkflowAudit, status: completed, input: in, result: cdc.AuditState{
		Totals:     cdc.AuditTotals{Spans: 1, AuditFigures: cdc.AuditFigures{InStore: 5, Published: 4, Missing: 1, Unreadable: 2}},
		Statements: []cdc.Statement{{ResourceType: "Patient", AuditFigures: cdc.AuditFigures{InStore: 5}}}, StatementsOmitted: 3,
		Unresolved: []cdc.UnresolvedSpan{{Span: *in.Span, Types: []cdc.UnresolvedType{{
			Type: "Patient", Reason: cdc.UnresolvedUnavailable, Class: cdc.ClassForbidden, Missing: 1,
		}}}},
	}})
	stdout, _, err := run(t, append(args, "--wait")...)
	require.EqualError(t, err, "1 versions are missing after healing")
	for _, want := range []string{"5 in the store, 4 published", "2 entries in the store", "and 3 more statements", "not complete: Patient", "(Forbidden), 1 missing"} {
		require.Contains(t, stdout, want)
	}
	stdout, _, err = run(t, append(args, "--wait", "--json")...)
	require.Error(t, err)
	require.Equal(t, 1, printedJSON[[]auditReport](t, stdout)[0].Result.Totals.Missing, "the result is printed all the same")
}

func TestRetryAndSkip(t *testing.T) {
	f := newFrontend(t)
	id := cdc.WindowAt(testStore, noon).ID()
	waits := []cdc.Wait{{Type: "Goal", Class: cdc.ClassForbidden}, {Type: "Patient", Versions: 2}, {Bus: true, Class: cdc.ClassBusMissing}}
	window := execution{kind: cdc.WorkflowCaptureWindow, status: running, progress: cdc.Progress{Waiting: waits}}
	f.has(id, window)
	require.Equal(t, waits, printedJSON[waitReport](t, succeeds(t, "retry", id, "--json")).Retried)
	require.Equal(t, cdc.SignalRetry, f.signals[0].GetSignalName())

	fails(t, "confirm with --yes", "skip", id)
	fails(t, "nothing of --type Claim waits; what does: ", "skip", id, "--type", "Claim", "--yes")
	require.Len(t, f.signals, 1)
	f.onSignal = func(id, _ string) {
		f.executions[id].progress = cdc.Progress{Waiting: []cdc.Wait{waits[0], waits[2]}, Counts: cdc.Counts{Skipped: 2}}
	}
	stdout, stderr, err := run(t, "skip", id, "--type", "Patient", "--yes")
	require.NoError(t, err)
	require.Contains(t, stdout, "skipped in "+id+": 2 of Patient")
	require.Contains(t, stderr, "skip gives up for good, in "+id+": 2 of Patient")
	require.Equal(t, cdc.SignalSkip, f.signals[1].GetSignalName())
	var skip cdc.Skip
	require.NoError(t, f.data(id).FromPayloads(f.signals[1].GetInput(), &skip))
	require.Equal(t, cdc.Skip{Versions: []string{"Patient"}}, skip)

	for says, e := range map[string]execution{
		"it has closed": {kind: cdc.WorkflowCaptureWindow, status: completed},
		"does not wait for an operator; `starter status` lists":          {kind: cdc.WorkflowCaptureWindow, status: running},
		"waits for the event bus: there is nothing to skip; check that ": {kind: cdc.WorkflowCaptureWindow, status: running, progress: cdc.Progress{Waiting: waits[2:]}},
	} {
		f.has(id, e)
		fails(t, says, "skip", id, "--yes")
	}
	fails(t, "no execution x in namespace default: `starter status` lists what waits", "retry", "x")
}

func TestStatus(t *testing.T) {
	f := newFrontend(t)
	window := cdc.WindowAt(testStore, noon)
	f.has(window.ID(), execution{kind: cdc.WorkflowCaptureWindow, status: running, input: cdc.CaptureWindowInput{Window: window},
		progress: cdc.Progress{Waiting: []cdc.Wait{{Type: "Patient", Versions: 2}}}})
	f.has(cdc.ReplayID("x"), execution{kind: cdc.WorkflowCaptureRange, status: running,
		progress: cdc.Progress{Range: &cdc.RangeProgress{Planned: true, Done: 1, Total: 4}}})
	text := succeeds(t, "status")
	for _, want := range []string{
		"WAITS FOR YOU", "2 of Patient, which EventBridge rejects", "replay/x, since", "1 of 4 versions (25 %)",
		"set CDC_QUEUE_URL", "worker-1, seen", "`starter retry ID` tries now",
	} {
		require.Contains(t, text, want)
	}
	report := printedJSON[map[string]any](t, succeeds(t, "status", "--json"))
	for _, field := range []string{"stores", "ranges", "audits", "waiting", "failed", "workers", "notes"} {
		require.Contains(t, report, field)
		require.NotNil(t, report[field], "%s is a list", field)
	}
}

// Keys, the schema and the help of every command need no settings.
func TestCommandsWithoutSettings(t *testing.T) {
	require.Equal(t, string(docs.EventSchema), succeeds(t, "schema"))
	keys := printedJSON[map[string]string](t, succeeds(t, "keys", "generate", "--json"))
	require.Equal(t, []string{"CDC_PAYLOAD_KEYS"}, slices.Collect(maps.Keys(keys)))
	first, second := succeeds(t, "keys", "generate"), succeeds(t, "keys", "generate")
	require.NotEqual(t, first, second)
	require.Contains(t, succeeds(t, "completion", "bash"), "__start_starter")
	for _, command := range newRootCommand().Commands() {
		require.Contains(t, succeeds(t, command.Name(), "--help"), "Usage:\n  starter "+command.Name(), command.Name())
	}
}
