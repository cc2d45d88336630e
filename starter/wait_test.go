package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// A command that waits shows the progress until the execution closes.
func TestWaitShowsProgress(t *testing.T) {
	for name, c := range map[string]struct {
		args     string
		id       string
		progress cdc.Progress
		closed   execution
		shows    string
		prints   string
		fails    string
	}{
		"replay": {
			args: "replay --name x --since 2026-11-23T10:00:00Z --until 2026-11-23T12:00:00Z --wait", id: "replay/x",
			progress: cdc.Progress{
				Counts: cdc.Counts{Published: 1}, Range: &cdc.RangeProgress{Planned: true, Done: 1, Total: 4, At: time.Now()},
				Waiting: []cdc.Wait{{Type: "Patient", Versions: 1}},
			},
			closed: execution{kind: cdc.WorkflowCaptureRange, status: completed, result: cdc.CaptureRangeResult{Counts: cdc.Counts{Published: 4}}},
			shows:  "1 published; WAITS FOR AN OPERATOR: 1 of Patient",
			prints: "replay/x is done: 4 published",
		},
		"cancelled replay": {
			args: "replay --name x --since 2026-11-23T10:00:00Z --until 2026-11-23T12:00:00Z --wait", id: "replay/x",
			progress: cdc.Progress{Range: &cdc.RangeProgress{}}, shows: "replay/x: counting",
			closed: execution{kind: cdc.WorkflowCaptureRange, status: canceled, result: cdc.CaptureRangeResult{Counts: cdc.Counts{Published: 2}}},
			fails:  "replay/x was cancelled after 2 published",
		},
		"audit": {
			args: "audit --since 2h --until 1h --wait", progress: cdc.Progress{Done: 1, Total: 3}, shows: "1 of 3 time ranges, 0 healed",
			closed: execution{kind: cdc.WorkflowAudit, status: completed, result: cdc.AuditState{}}, prints: "is done: 0 time ranges",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFrontend(t)
			f.onStart = func(id string) { f.has(id, execution{kind: c.closed.kind, status: running, progress: c.progress}) }
			f.onQuery = func(id string) { f.has(id, c.closed) }
			stdout, stderr, err := run(t, strings.Fields(c.args)...)
			require.Contains(t, stderr, c.shows)
			if c.fails != "" {
				require.ErrorContains(t, err, c.fails)
				return
			}
			require.NoError(t, err)
			require.Contains(t, stdout, c.prints)
		})
	}
}

// Elsewhere than on a terminal, progress is a line whenever it changes.
func TestProgressLine(t *testing.T) {
	var printed bytes.Buffer
	line := &progressLine{session: &session{progress: &printed}}
	for _, text := range []string{"", "1 of 2", "1 of 2", "", "2 of 2"} {
		line.show(text)
	}
	line.end()
	require.Equal(t, "1 of 2\n2 of 2\n", printed.String())
}

// Ctrl-C ends the wait, and the error says that the work goes on.
func TestWaitError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	failure := errors.New("failure")
	require.ErrorIs(t, waitError(ctx, "replay/x", failure), failure)
	cancel()
	require.EqualError(t, waitError(ctx, "replay/x", failure), "interrupted: replay/x keeps running; `starter status` shows its progress")
}

func TestCancelAndWait(t *testing.T) {
	f := newFrontend(t)
	f.has("replay/x", execution{kind: cdc.WorkflowCaptureRange, status: running})
	end := func(e execution) {
		f.onCancel = func(id string) { f.has(id, e) }
	}
	result := cdc.CaptureRangeResult{Counts: cdc.Counts{Published: 2}, Done: 2, Total: 9}
	end(execution{kind: cdc.WorkflowCaptureRange, status: canceled, result: result})
	require.Equal(t, "replay/x was cancelled: 2 published, 2 of 9 versions done\n", succeeds(t, "cancel", "x", "--wait"))
	f.has("replay/x", execution{kind: cdc.WorkflowCaptureRange, status: running})
	end(execution{kind: cdc.WorkflowCaptureRange, status: completed, result: result})
	report := printedJSON[rangeReport](t, succeeds(t, "cancel", "x", "--wait", "--json"))
	require.Equal(t, 2, report.Result.Counts.Published)
}
