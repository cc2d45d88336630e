// Package temporalclient makes the options with which our programs reach
// Temporal, and sees to the search attributes that they use.
package temporal

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/telemetry"
)

// Settings are what a program adds to the options that TEMPORAL_ variables and
// profiles give.
type Settings struct {
	// Program is part of the identity that Temporal shows for this client.
	Program config.Program
	// Codec makes the codec for what the namespace stores. It is required: without
	// one the SDK would store patient data as plain text.
	Codec func(namespace string) (*payload.Codec, error)
	// Logger takes what the SDK logs; nil discards it.
	Logger *slog.Logger
	// Metrics takes what the SDK counts; nil discards it.
	Metrics client.MetricsHandler
	// Lookup reads the environment; nil is the process's own.
	Lookup envconfig.EnvLookup
}

// Options returns the options for dialing Temporal. Address, namespace, TLS, API
// key and profile are read by the SDK's envconfig from TEMPORAL_ variables and
// its configuration file. Namespace and DataConverter are never empty.
func Options(s Settings) (client.Options, error) {
	if s.Codec == nil {
		return client.Options{}, errors.New("making Temporal client options: a payload codec is required")
	}
	options, err := load(s.Lookup)
	if err != nil {
		return client.Options{}, err
	}
	codec, err := s.Codec(options.Namespace)
	if err != nil {
		return client.Options{}, err
	}
	options.DataConverter = payload.NewDataConverter(codec)
	options.FailureConverter = payload.NewFailureConverter(options.DataConverter)
	options.MetricsHandler = s.Metrics
	options.Identity = identity(s.Program)
	logger := s.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	options.Logger = telemetry.TemporalLogger(logger)
	return options, nil
}

// Namespace is the one that TEMPORAL_ settings name, for programs that do not connect.
// A nil lookup is the process's own environment.
func Namespace(lookup envconfig.EnvLookup) (string, error) {
	options, err := load(lookup)
	return options.Namespace, err
}

func load(lookup envconfig.EnvLookup) (client.Options, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: lookup})
	if err != nil {
		return client.Options{}, fmt.Errorf("reading TEMPORAL_ settings: %w", err)
	}
	options.HostPort = cmp.Or(options.HostPort, client.DefaultHostPort)
	options.Namespace = cmp.Or(options.Namespace, client.DefaultNamespace)
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
