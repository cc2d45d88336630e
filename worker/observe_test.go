package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/eventbus"
	"healthlake-cdc/internal/telemetry"
)

// Each PutEvents call counts once, by what came of it.
func TestPublishCallsAreCountedByResult(t *testing.T) {
	tel, err := telemetry.New(slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
	observe := observeBus(t.Context(), tel.Metrics)
	for _, call := range []eventbus.Call{
		{Entries: 10, Accepted: 10},
		{Entries: 10, Accepted: 7, Failed: 2, Refused: 1},
		{Entries: 1, Refused: 1},
		{Entries: 10, Failed: 10, Class: cdc.ClassThrottled},
	} {
		observe(call)
	}
	answer := httptest.NewRecorder()
	tel.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`healthlake_cdc_publish_calls_total{result="ok"} 1`,
		`healthlake_cdc_publish_calls_total{result="partial"} 2`,
		`healthlake_cdc_publish_calls_total{result="Throttled"} 1`,
		`healthlake_cdc_publish_entry_failures_total{result="failed"} 12`,
		`healthlake_cdc_publish_entry_failures_total{result="refused"} 2`,
	} {
		require.Contains(t, answer.Body.String(), line)
	}
}
