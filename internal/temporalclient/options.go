// Package temporalclient makes the options with which our programs reach
// Temporal, and sees to the search attributes that they use.
package temporalclient

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/telemetry"
)

// Settings are what a program adds to the options that TEMPORAL_ variables and
// profiles give.
type Settings struct {
	// Program is part of the identity that Temporal shows for this client.
	Program config.Program
	// DataConverter and FailureConverter are required: the SDK's own would store
	// patient data as plain text.
	DataConverter    converter.DataConverter
	FailureConverter converter.FailureConverter
	// Logger takes what the SDK logs; nil discards it.
	Logger *slog.Logger
	// Metrics takes what the SDK counts; nil discards it.
	Metrics client.MetricsHandler
	// Lookup reads the environment; nil is the process's own.
	Lookup envconfig.EnvLookup
}

// Options returns the options for dialing Temporal. Address, namespace, TLS, API
// key and profile are read by the SDK's envconfig from TEMPORAL_ variables and
// its configuration file. Namespace is never empty.
func Options(s Settings) (client.Options, error) {
	if s.DataConverter == nil || s.FailureConverter == nil {
		return client.Options{}, errors.New("making Temporal client options: data and failure converter are required, both from internal/payload")
	}
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: s.Lookup})
	if err != nil {
		return client.Options{}, fmt.Errorf("reading TEMPORAL_ settings: %w", err)
	}
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	options.DataConverter = s.DataConverter
	options.FailureConverter = s.FailureConverter
	options.MetricsHandler = s.Metrics
	options.Identity = identity(s.Program)
	logger := s.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	options.Logger = telemetry.TemporalLogger(logger)
	return options, nil
}

// identity names program, machine and process, which Temporal keeps as plain text
// with every task.
func identity(p config.Program) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("healthlake-cdc-%s@%s/%d", p, host, os.Getpid())
}
