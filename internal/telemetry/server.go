package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

const (
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	// shutdownTimeout lets a scrape that is under way end.
	shutdownTimeout = 2 * time.Second
)

// Server serves /metrics, /healthz and /readyz.
type Server struct {
	http     *http.Server
	listener net.Listener
}

// Listen opens the address.
func Listen(addr string, metrics http.Handler, ready *Readiness, logger *slog.Logger) (*Server, error) {
	listener, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("serving metrics: %s is in use: choose another CDC_METRICS_ADDR, or set it empty to serve none", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("serving metrics on CDC_METRICS_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { writeReadiness(w, ready.check(r.Context())) })
	return &Server{
		listener: listener,
		http: &http.Server{
			Handler:           mux,
			ReadHeaderTimeout: headerTimeout,
			IdleTimeout:       idleTimeout,
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		},
	}, nil
}

// Serve answers until ctx ends, and lets requests under way end.
func (s *Server) Serve(ctx context.Context) error {
	if err := Serve(ctx, s.http, s.listener, shutdownTimeout); err != nil {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}

// Serve serves until ctx ends. Then requests under way have the grace to end, and are cut
// off after it.
func Serve(ctx context.Context, server *http.Server, listener net.Listener, grace time.Duration) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err := server.Shutdown(ctx)
		if err != nil {
			err = server.Close()
		}
		stopped <- err
	})
	err := server.Serve(listener)
	if !stop() {
		return <-stopped // Serve returns as soon as Shutdown begins
	}
	return err
}

// writeReadiness lists the checks, one a line, without their errors: those may
// name what a client of this port need not know.
func writeReadiness(w http.ResponseWriter, statuses []status) {
	code := http.StatusOK
	var text strings.Builder
	for _, s := range statuses {
		result := "ok"
		if s.err != nil {
			code, result = http.StatusServiceUnavailable, "failing"
		}
		fmt.Fprintf(&text, "%s: %s\n", s.name, result)
	}
	if code == http.StatusOK {
		text.WriteString("ready\n")
	} else {
		text.WriteString("not ready, the log says why\n")
	}
	writeText(w, code, text.String())
}

func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text))
}
