package proc

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// pollEvery is the time between two checks of a condition.
const pollEvery = 50 * time.Millisecond

// askTimeout bounds one look; the next one may find the process ready.
const askTimeout = 5 * time.Second

var asker = &http.Client{Timeout: askTimeout}

// Poll calls cond until it returns nil or ctx ends; the error then wraps cond's last error.
func Poll(ctx context.Context, cond func(ctx context.Context) error) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err := cond(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last error: %w", ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// HTTPReady is a readiness condition: url returns 200.
func HTTPReady(url string) func(ctx context.Context, p *Process) error {
	return func(ctx context.Context, _ *Process) error {
		return Poll(ctx, func(ctx context.Context) error { return GetOK(ctx, url) })
	}
}

// GetOK requests url once and returns an error unless the status is 200.
func GetOK(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("building request: %w", err)
	}
	resp, err := asker.Do(req)
	if err != nil {
		return fmt.Errorf("asking whether it is ready: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection can be reused
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// Free addresses are below the range of ephemeral ports (from 32768 on Linux, 49152 elsewhere):
// while a server is down, any outgoing connection may get a port of that range, even one of the
// server's own clients that reconnects.
const (
	firstFreePort = 20000
	freePorts     = 12000
	portAttempts  = 200
)

// usedPorts are those that FreeAddress has returned in this process.
var usedPorts sync.Map

// FreeAddress returns a loopback "host:port" that nothing listens on, and that stays usable for
// a server that is killed and started again: a process gets each only once.
func FreeAddress() (string, error) {
	var last error
	for range portAttempts {
		port := firstFreePort + rand.IntN(freePorts) //nolint:gosec // a port is no secret
		if _, used := usedPorts.LoadOrStore(port, true); used {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		listener, err := net.Listen("tcp", address)
		if err != nil {
			last = err
			continue
		}
		if err := listener.Close(); err != nil {
			return "", fmt.Errorf("closing the listener of a port: %w", err)
		}
		return address, nil
	}
	return "", fmt.Errorf("looking for a free loopback port: %w", last)
}
