// Package temporal is the house's side of Temporal: the client and the search
// attributes, starting our workflows, the schedules of audits, queries of visibility,
// reading histories, and the namespace's retention.
package temporal

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/telemetry"
)

// Connection is a connection to a namespace of Temporal.
type Connection struct {
	Client client.Client
	Executions
	Namespace string
	// Identity is how Temporal shows this client.
	Identity string
	// Attributes is set when our search attributes can be used.
	Attributes bool
}

// Observers are told what the client does; both may be nil.
type Observers struct {
	Metrics client.MetricsHandler
	// Plaintext gets the kind of each payload that is decoded because of
	// CDC_ACCEPT_PLAINTEXT_UNTIL.
	Plaintext func(kind string)
}

// Dial connects to Temporal and creates the search attributes. Where it may not create
// them it logs the commands that do, and goes on without.
func Dial(ctx context.Context, cfg *config.Config, program config.Program, logger *slog.Logger, observers Observers) (*Connection, error) {
	announceMigration(cfg, logger)
	options, err := clientOptions(cfg, program, logger, observers)
	if err != nil {
		return nil, err
	}
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("connecting to Temporal at %s: is it running, and is TEMPORAL_ADDRESS right? %w", options.HostPort, err)
	}
	commands, err := ensureSearchAttributes(ctx, c, options.Namespace)
	if err != nil {
		logger.Warn("search attributes cannot be used; going on without them", "error", err)
	}
	for _, command := range commands {
		logger.Warn("a search attribute is missing; going on without them until someone runs this and restarts", "command", command)
	}
	return &Connection{
		Client: c, Executions: Executions{Client: c, Data: options.DataConverter},
		Namespace: options.Namespace, Identity: options.Identity, Attributes: err == nil && len(commands) == 0,
	}, nil
}

// clientOptions are TEMPORAL_ settings, and the payload codec without which the SDK
// would store patient data as plain text.
func clientOptions(cfg *config.Config, program config.Program, logger *slog.Logger, observers Observers) (client.Options, error) {
	options, err := environment()
	if err != nil {
		return options, err
	}
	codec, err := cfg.Codec(options.Namespace, logFirst(logger, observers.Plaintext))
	if err != nil {
		return options, err
	}
	options.DataConverter = payload.NewDataConverter(codec)
	options.FailureConverter = payload.NewFailureConverter(options.DataConverter)
	options.MetricsHandler = observers.Metrics
	options.Identity = identity(program)
	options.Logger = telemetry.TemporalLogger(logger)
	return options, nil
}

// Namespace is the one that TEMPORAL_ settings name, for programs that do not connect.
func Namespace() (string, error) {
	options, err := environment()
	return options.Namespace, err
}

// environment reads address, namespace, TLS, API key and profile: TEMPORAL_ variables
// and their configuration file. Address and namespace are never empty.
func environment() (client.Options, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{})
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

// announceMigration logs until when payloads without encryption are decoded.
func announceMigration(cfg *config.Config, logger *slog.Logger) {
	until := cfg.AcceptPlaintextUntil
	switch {
	case until.IsZero():
	case time.Now().Before(until):
		logger.Warn("payloads that no key encrypted are decoded: until then anyone who may write to the namespace can forge them",
			"until", until.Format(time.RFC3339))
	default:
		logger.Warn("CDC_ACCEPT_PLAINTEXT_UNTIL is over: unset it", "until", until.Format(time.RFC3339))
	}
}

// logFirst logs the first payload of each kind, and passes all to accepted.
func logFirst(logger *slog.Logger, accepted func(kind string)) func(kind string) {
	var seen sync.Map
	return func(kind string) {
		if _, again := seen.LoadOrStore(kind, true); !again {
			logger.Warn("decoded a payload that no key encrypted; others of its kind are only counted", "kind", kind)
		}
		if accepted != nil {
			accepted(kind)
		}
	}
}
