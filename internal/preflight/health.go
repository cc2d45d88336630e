package preflight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"healthlake-cdc/internal/config"
)

// The endpoints that --probe takes, as internal/telemetry serves them.
const (
	probeHealth = "healthz"
	probeReady  = "readyz"
)

// probeTimeout bounds a probe: a readiness check calls Temporal, which may hang.
const probeTimeout = 5 * time.Second

// Health prints what the worker that runs beside this process, with the same settings,
// says of its health. It is the health check of an image that has no shell.
func Health(ctx context.Context, cfg *config.Config, endpoint string, out io.Writer) error {
	if endpoint != probeHealth && endpoint != probeReady {
		return fmt.Errorf("--probe %q is not one of %s, %s", endpoint, probeHealth, probeReady)
	}
	if cfg.MetricsAddr == "" {
		return errors.New("CDC_METRICS_ADDR is empty: there is nothing to probe")
	}
	address, err := reachable(cfg.MetricsAddr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/"+endpoint, nil)
	if err != nil {
		return fmt.Errorf("building probe: %w", err)
	}
	// A transport of its own: it uses no proxy of the environment.
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return fmt.Errorf("probing %s: no worker answers on CDC_METRICS_ADDR: %w", endpoint, err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(out, io.LimitReader(response.Body, 1<<16)); err != nil {
		return fmt.Errorf("reading %s: %w", endpoint, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the worker returns status %d for %s", response.StatusCode, endpoint)
	}
	return nil
}

// reachable turns an address to listen on into one to call on this machine.
func reachable(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("reading CDC_METRICS_ADDR: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1" // not localhost: an image need not have a hosts file
	}
	return net.JoinHostPort(host, port), nil
}
