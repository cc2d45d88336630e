package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/eventbus"
	"healthlake-cdc/internal/healthlake"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/trigger"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newTelemetry(t *testing.T) *Telemetry {
	t.Helper()
	tel, err := New(discard())
	require.NoError(t, err)
	return tel
}

// start runs a server on a free port and returns its base URL.
func start(t *testing.T, metrics http.Handler, ready *Readiness) string {
	t.Helper()
	server, err := Listen("127.0.0.1:0", metrics, ready, discard())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		require.NoError(t, <-done)
	})
	return "http://" + server.listener.Addr().String()
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestMetricsAreServedUnderTheirNames(t *testing.T) {
	tel := newTelemetry(t)
	m := tel.Metrics
	m.Outcome(trigger.OutcomeMalformed)
	for range 2 {
		m.Window("subscription", true)
	}
	m.Window("cloudtrail", false)
	m.Window("cloudtrail", false)
	m.StoreCall(healthlake.Call{Op: "search", Datastore: "store", Duration: 30 * time.Millisecond})
	m.StoreCall(healthlake.Call{Op: healthlake.ReadOps[0], Datastore: "store", Class: cdc.ClassNotFound})
	now := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	m.Published("store", "Patient", "full", 1400, now.Add(-22*time.Second), now)
	m.Published("store", "Patient", "full", 600, now.Add(time.Second), now)
	m.Published("store", "Patient", "full", 500, time.Time{}, now)
	m.Count(queue.EventReceived, 10)
	m.Paused(false)

	_, body := get(t, start(t, tel.Handler(), NewReadiness(discard()))+"/metrics")
	for _, line := range []string{
		`healthlake_cdc_triggers_total{outcome="malformed"} 1`,
		`healthlake_cdc_windows_total{result="opened",source="subscription"} 2`,
		`healthlake_cdc_windows_total{result="coalesced",source="cloudtrail"} 2`,
		`healthlake_cdc_searches_total{datastore="store",kind="search",result="ok"} 1`,
		`healthlake_cdc_search_duration_seconds_bucket{datastore="store",kind="search",le="0.05"} 1`,
		`healthlake_cdc_search_duration_seconds_bucket{datastore="store",kind="search",le="0.025"} 0`,
		`healthlake_cdc_reads_total{datastore="store",result="NotFound"} 1`,
		`healthlake_cdc_published_total{datastore="store",payload="full",resource_type="Patient"} 3`,
		`healthlake_cdc_published_bytes_total{datastore="store"} 2500`,
		`healthlake_cdc_window_lag_seconds_bucket{datastore="store",le="20"} 1`,
		`healthlake_cdc_window_lag_seconds_bucket{datastore="store",le="25"} 2`,
		`healthlake_cdc_window_lag_seconds_sum{datastore="store"} 22`,
		`healthlake_cdc_window_lag_seconds_count{datastore="store"} 2`,
		`healthlake_cdc_sqs_messages_total{outcome="received"} 10`,
		`healthlake_cdc_temporal_up 1`,
		`healthlake_cdc_polling_paused 0`,
		`go_goroutines `,
	} {
		require.Contains(t, body, "\n"+line)
	}
}

// Each PutEvents call counts once, by what came of it.
func TestPublishCallsAreCountedByResult(t *testing.T) {
	tel := newTelemetry(t)
	for _, call := range []eventbus.Call{
		{},
		{Failed: 2, Rejected: 1},
		{Rejected: 1},
		{Failed: 10, Class: cdc.ClassThrottled},
	} {
		tel.Metrics.BusCall(call)
	}
	_, body := get(t, start(t, tel.Handler(), NewReadiness(discard()))+"/metrics")
	for _, line := range []string{
		`healthlake_cdc_publish_calls_total{result="ok"} 1`,
		`healthlake_cdc_publish_calls_total{result="partial"} 2`,
		`healthlake_cdc_publish_calls_total{result="Throttled"} 1`,
		`healthlake_cdc_publish_entry_failures_total{result="failed"} 12`,
		`healthlake_cdc_publish_entry_failures_total{result="rejected"} 2`,
	} {
		require.Contains(t, body, "\n"+line)
	}
}

func TestTemporalsMetricsAreServedToo(t *testing.T) {
	tel := newTelemetry(t)
	handler := tel.TemporalHandler().WithTags(map[string]string{"namespace": "default"})
	handler.Counter("temporal_request").Inc(2)
	handler.Gauge("temporal_worker_task_slots_used").Update(7)
	handler.Timer("temporal_request_latency").Record(200 * time.Millisecond)
	_, body := get(t, start(t, tel.Handler(), NewReadiness(discard()))+"/metrics")
	require.Contains(t, body, `temporal_request_total{namespace="default"} 2`)
	require.Contains(t, body, `temporal_worker_task_slots_used{namespace="default"} 7`)
	require.Contains(t, body, `temporal_request_latency_seconds_bucket{namespace="default",le="0.1"} 0`)
	require.Contains(t, body, `temporal_request_latency_seconds_bucket{namespace="default",le="0.25"} 1`)
}

func TestHealthAndReadiness(t *testing.T) {
	ready := NewReadiness(discard())
	base := start(t, http.NotFoundHandler(), ready)
	code, body := get(t, base+"/healthz")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "ok\n", body)

	ready.Add("temporal", func(context.Context) error { return nil })
	code, body = get(t, base+"/readyz")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "temporal: ok\nready\n", body)

	ready.Add("queue", func(context.Context) error { return errors.New("secret host") })
	code, body = get(t, base+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "temporal: ok\nqueue: failing\nnot ready, the log says why\n", body)

	code, _ = get(t, base+"/debug")
	require.Equal(t, http.StatusNotFound, code)
}

func TestBusyPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	_, err = Listen(taken.Addr().String(), http.NotFoundHandler(), NewReadiness(discard()), discard())
	require.ErrorContains(t, err, taken.Addr().String()+" is in use: choose another CDC_METRICS_ADDR")
}

func TestServeLetsARequestUnderWayEnd(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		_, _ = w.Write([]byte("whole"))
	})
	server, err := Listen("127.0.0.1:0", slow, NewReadiness(discard()), discard())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	body := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + server.listener.Addr().String() + "/metrics")
		if err != nil {
			body <- err.Error()
			return
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		body <- string(text)
	}()
	<-entered
	cancel()
	close(leave)
	require.NoError(t, <-done)
	require.Equal(t, "whole", <-body)
}

func TestServeReportsALostListener(t *testing.T) {
	server, err := Listen("127.0.0.1:0", http.NotFoundHandler(), NewReadiness(discard()), discard())
	require.NoError(t, err)
	require.NoError(t, server.listener.Close())
	require.ErrorContains(t, server.Serve(t.Context()), "serving metrics")
}

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	logger := NewLogger(&out, config.LogJSON, slog.LevelInfo)
	logger.Debug("quiet")
	TemporalLogger(logger).Warn("from the SDK", "WorkflowID", "window/a/b")
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line), "one line: %s", out.String())
	require.Equal(t, "from the SDK", line["msg"])
	require.Equal(t, "WARN", line["level"])
	require.Equal(t, "temporal-sdk", line["component"])
	require.Equal(t, "window/a/b", line["WorkflowID"])

	out.Reset()
	NewLogger(&out, config.LogText, slog.LevelDebug).Debug("loud")
	require.True(t, strings.HasSuffix(out.String(), "level=DEBUG msg=loud\n"), out.String())
}
