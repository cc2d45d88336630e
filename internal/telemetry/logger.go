// Package telemetry is how the programs are watched: logs, metrics, and the HTTP
// server of /metrics, /healthz and /readyz.
//
// Datastore ids and resource types may be labels and log attributes. A FHIR
// logical id, a URL, a query or a body never is.
package telemetry

import (
	"io"
	"log/slog"

	sdklog "go.temporal.io/sdk/log"

	"healthlake-cdc/internal/config"
)

// NewLogger writes lines of a format: config.LogJSON or config.LogText.
func NewLogger(w io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == config.LogText {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// TemporalLogger lets Temporal's SDK log through ours, marked as the SDK's.
func TemporalLogger(logger *slog.Logger) sdklog.Logger {
	return sdklog.NewStructuredLogger(logger.With(slog.String("component", "temporal-sdk")))
}
