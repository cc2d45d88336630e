package audit

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"
	"pgregory.net/rapid"

	"healthlake-cdc/internal/cdc"
)

// openedWith is the history of a window that was just opened.
func openedWith(t require.TestingT, in cdc.CaptureWindowInput) execution {
	input, err := converter.GetDefaultDataConverter().ToPayloads(in)
	require.NoError(t, err)
	return execution{events: []*historypb.HistoryEvent{{
		EventId: 1,
		Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{Input: input},
		},
	}}}
}

// For any windows, with any opener, and types that were added one after the other,
// each type's first window is the first that a trigger opened with it.
func TestFirstWindows(t *testing.T) {
	from := time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)
	types := []string{"Patient", "Observation", "Device"}
	rapid.Check(t, func(t *rapid.T) {
		known := make(executions)
		want := make(map[string]time.Time)
		limit := rapid.IntRange(0, 900).Draw(t, "limit")
		before := from.Add(time.Duration(limit) * cdc.WindowWidth)
		swept := 0
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(-100, 1000), 0, 40, rapid.ID[int]).Draw(t, "windows") {
			known[cdc.WindowAt("d", from.Add(time.Duration(n)*cdc.WindowWidth)).ID()] = execution{}
		}
		for n := -100; n <= 1000; n++ {
			window := cdc.WindowAt("d", from.Add(time.Duration(n)*cdc.WindowWidth))
			if _, ok := known[window.ID()]; !ok {
				continue
			}
			swept = min(len(types), swept+rapid.IntRange(0, 1).Draw(t, "added"))
			by := rapid.SampledFrom([]string{cdc.ByCloudTrail, cdc.BySubscription, cdc.ByOperator, cdc.ByAudit}).Draw(t, "by")
			in := cdc.CaptureWindowInput{Window: window, Salt: salt, Types: append([]string{"Group"}, types[:swept]...), Cause: cdc.Cause{CapturedBy: by}}
			known[window.ID()] = openedWith(t, in)
			if by == cdc.ByOperator || by == cdc.ByAudit || window.Start.Before(from) || !window.Start.Before(before) {
				continue
			}
			for _, name := range types[:swept] {
				if _, ok := want[name]; !ok {
					want[name] = window.Start
				}
			}
		}
		ask := cdc.FirstWindowsInput{Datastore: "d", From: from, Types: make(map[string]time.Time)}
		for _, name := range types {
			ask.Types[name] = before
		}
		a := &Activities{Executions: executionsOf(known)}
		got, err := a.FirstWindows(context.Background(), ask)
		require.NoError(t, err)
		require.Equal(t, want, got.Starts)
	})
}

// Each type has a time of its own before which to look.
func TestFirstWindowsBeforeEachTypesTime(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	window := cdc.WindowAt("d", at)
	known := executions{window.ID(): openedWith(t, cdc.CaptureWindowInput{
		Window: window, Types: []string{"Patient", "Device"}, Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail},
	})}
	a := &Activities{Executions: executionsOf(known)}
	got, err := a.FirstWindows(t.Context(), cdc.FirstWindowsInput{
		Datastore: "d", From: at.Add(-time.Hour),
		Types: map[string]time.Time{"Patient": at.Add(time.Minute), "Device": at},
	})
	require.NoError(t, err)
	require.Equal(t, map[string]time.Time{"Patient": at}, got.Starts)
}

// A window that cannot be decoded, because its key is lost, is one that nobody is
// known to have opened: the others say where a type begins, and audits go on.
func TestFirstWindowsThatCannotBeDecoded(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	foreign, err := converter.GetDefaultDataConverter().ToPayloads("not a window's input")
	require.NoError(t, err)
	known := make(executions)
	for n := range 20 {
		window := cdc.WindowAt("d", at.Add(time.Duration(n)*cdc.WindowWidth))
		opened := openedWith(t, cdc.CaptureWindowInput{Window: window, Types: []string{"Patient"}, Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail}})
		if n < 12 {
			opened.events[0].GetWorkflowExecutionStartedEventAttributes().Input = foreign
		}
		known[window.ID()] = opened
	}
	var log bytes.Buffer
	a := &Activities{Executions: executionsOf(known), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	ask := cdc.FirstWindowsInput{Datastore: "d", From: at, Types: map[string]time.Time{"Patient": at.Add(time.Hour)}}
	got, err := a.FirstWindows(t.Context(), ask)
	require.NoError(t, err)
	require.Equal(t, map[string]time.Time{"Patient": at.Add(12 * cdc.WindowWidth)}, got.Starts)
	require.Equal(t, 1, strings.Count(log.String(), "CDC_PAYLOAD_KEYS"))

	for _, opened := range known {
		opened.events[0].GetWorkflowExecutionStartedEventAttributes().Input = foreign
	}
	got, err = a.FirstWindows(t.Context(), ask)
	require.NoError(t, err)
	require.Empty(t, got.Starts)
}
