package preflight

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/config"
)

// probed probes a worker that returns the status.
func probed(t *testing.T, endpoint string, status int) (string, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/"+endpoint {
			t.Errorf("unexpected request of %s", r.URL.Path)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "temporal: ok\n")
	}))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	return runProbe(t, endpoint, "127.0.0.1:"+port)
}

func runProbe(t *testing.T, endpoint, metricsAddr string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := Health(t.Context(), &config.Config{MetricsAddr: metricsAddr}, endpoint, &out)
	return out.String(), err
}

func TestProbePrintsTheResponse(t *testing.T) {
	out, err := probed(t, "healthz", http.StatusOK)
	require.NoError(t, err)
	require.Equal(t, "temporal: ok\n", out)

	_, err = probed(t, "readyz", http.StatusServiceUnavailable)
	require.ErrorContains(t, err, "status 503")
}

func TestProbeOfNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	_, err = runProbe(t, "healthz", listener.Addr().String())
	require.ErrorContains(t, err, "no worker answers on CDC_METRICS_ADDR")

	_, err = runProbe(t, "healthz", "")
	require.ErrorContains(t, err, "nothing to probe")

	_, err = runProbe(t, "metrics", "127.0.0.1:1")
	require.ErrorContains(t, err, "not one of healthz, readyz")
}

func TestReachable(t *testing.T) {
	for listen, want := range map[string]string{
		"0.0.0.0:9464": "127.0.0.1:9464", "[::]:9464": "127.0.0.1:9464", ":9464": "127.0.0.1:9464",
		"127.0.0.1:9464": "127.0.0.1:9464", "metrics.internal:1": "metrics.internal:1",
	} {
		got, err := reachable(listen)
		require.NoError(t, err)
		require.Equal(t, want, got, listen)
	}
	_, err := reachable("9464")
	require.ErrorContains(t, err, "CDC_METRICS_ADDR")
}
