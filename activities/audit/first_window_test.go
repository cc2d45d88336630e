package audit

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"pgregory.net/rapid"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// openedWith is a window that was just opened.
func openedWith(in cdc.CaptureWindowInput) temporaltest.Execution {
	return temporaltest.Execution{Events: temporaltest.Started(in).Events}
}

// For any windows, with any opener, it is the first in the span that a trigger opened.
func TestFirstWindow(t *testing.T) {
	from := time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		span := cdc.Span{From: from, To: from.Add(time.Duration(rapid.IntRange(1, 900).Draw(t, "to")) * cdc.WindowWidth)}
		known := make(temporaltest.Executions)
		var want cdc.FirstWindowResult
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(-100, 1000), 0, 40, rapid.ID[int]).Draw(t, "windows") {
			window := cdc.WindowAt("d", from.Add(time.Duration(n)*cdc.WindowWidth))
			by := rapid.SampledFrom([]string{cdc.ByCloudTrail, cdc.BySubscription, cdc.ByOperator, cdc.ByAudit}).Draw(t, "by")
			types := []string{"Patient", fmt.Sprint(n)}
			known[window.ID()] = openedWith(cdc.CaptureWindowInput{Window: window, Salt: salt, Types: types, Cause: cdc.Cause{CapturedBy: by}})
			triggered := by == cdc.ByCloudTrail || by == cdc.BySubscription
			if triggered && span.Contains(window.Start) && (want.Start.IsZero() || window.Start.Before(want.Start)) {
				want = cdc.FirstWindowResult{Start: window.Start, Types: types}
			}
		}
		a := &Activities{Executions: executionsOf(known)}
		got, err := a.FirstWindow(context.Background(), cdc.FirstWindowInput{Datastore: "d", Span: span})
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

// A window that cannot be decoded, because its key is lost, is one that nobody is
// known to have opened: the others say where a type begins, and audits go on.
func TestFirstWindowThatCannotBeDecoded(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	foreign, err := converter.GetDefaultDataConverter().ToPayloads("not a window's input")
	require.NoError(t, err)
	known := make(temporaltest.Executions)
	for n := range 20 {
		window := cdc.WindowAt("d", at.Add(time.Duration(n)*cdc.WindowWidth))
		opened := openedWith(cdc.CaptureWindowInput{Window: window, Types: []string{"Patient"}, Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail}})
		if n < 12 {
			opened.Events[0].GetWorkflowExecutionStartedEventAttributes().Input = foreign
		}
		known[window.ID()] = opened
	}
	var log bytes.Buffer
	a := &Activities{Executions: executionsOf(known), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	in := cdc.FirstWindowInput{Datastore: "d", Span: cdc.Span{From: at, To: at.Add(time.Hour)}}
	got, err := a.FirstWindow(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, at.Add(12*cdc.WindowWidth), got.Start)
	require.Equal(t, 1, strings.Count(log.String(), "CDC_PAYLOAD_KEYS"))

	for _, opened := range known {
		opened.Events[0].GetWorkflowExecutionStartedEventAttributes().Input = foreign
	}
	got, err = a.FirstWindow(t.Context(), in)
	require.NoError(t, err)
	require.Zero(t, got)
}
