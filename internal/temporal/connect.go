// Package connect makes the clients that our programs share from their
// settings: Temporal with the payload codec, and the datastores.
package temporal

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/healthlake"
	"healthlake-cdc/internal/payload"
)

// Connection is a connection to Temporal.
type Connection struct {
	Client client.Client
	// Converter knows no workflow: it reads the payloads of any.
	Converter converter.DataConverter
	Namespace string
	// Identity is how Temporal shows this client.
	Identity string
	// Attributes is set when our search attributes can be used.
	Attributes bool
}

// Executions reads the namespace's executions.
func (c *Connection) Executions() Executions { return Executions{Client: c.Client, Data: c.Converter} }

// Observers are told of what Temporal's client does; both may be nil.
type Observers struct {
	Metrics client.MetricsHandler
	// Plaintext gets the kind of each payload that is decoded because of
	// CDC_ACCEPT_PLAINTEXT_UNTIL.
	Plaintext func(kind string)
}

// Dial connects to Temporal and creates the search attributes. Where it
// may not create them it logs the commands that do, and goes on without.
func Dial(ctx context.Context, cfg *config.Config, program config.Program, logger *slog.Logger, observers Observers) (*Connection, error) {
	announceMigration(cfg, logger)
	options, err := Options(Settings{
		Program: program, Logger: logger, Metrics: observers.Metrics,
		Codec: func(namespace string) (*payload.Codec, error) {
			return cfg.Codec(namespace, logFirst(logger, observers.Plaintext))
		},
	})
	if err != nil {
		return nil, err
	}
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("connecting to Temporal at %s: is it running, and is TEMPORAL_ADDRESS right? %w", options.HostPort, err)
	}
	t := &Connection{Client: c, Converter: options.DataConverter, Namespace: options.Namespace, Identity: options.Identity}
	usable, commands, err := EnsureSearchAttributes(ctx, c, options.Namespace)
	t.Attributes = usable
	if err != nil {
		logger.Warn("search attributes cannot be used; going on without them", "error", err)
	}
	for _, command := range commands {
		logger.Warn("a search attribute is missing; going on without them until someone runs this and restarts", "command", command)
	}
	return t, nil
}

// announceMigration says at the start for how long plain payloads are believed.
func announceMigration(cfg *config.Config, logger *slog.Logger) {
	until := cfg.AcceptPlaintextUntil
	switch {
	case until.IsZero():
	case time.Now().Before(until):
		logger.Warn("payloads that no key encrypted are decoded: until then whoever may write to the namespace can forge them",
			"until", until.Format(time.RFC3339))
	default:
		logger.Warn("CDC_ACCEPT_PLAINTEXT_UNTIL is over: unset it", "until", until.Format(time.RFC3339))
	}
}

// logFirst logs the first payload of each kind, and tells accepted of all.
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

// AWS loads the SDK's own configuration: region, credentials, endpoints.
func AWS(ctx context.Context, cfg *config.Config) (aws.Config, error) {
	loaded, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(cfg.Region))
	if err != nil {
		return aws.Config{}, fmt.Errorf("loading AWS configuration: %w", err)
	}
	return loaded, nil
}

// Stores makes the client of the datastores.
func Stores(cfg *config.Config, awsConfig aws.Config, observe func(healthlake.Call)) (*healthlake.Client, error) {
	return healthlake.New(healthlake.Config{
		Endpoint: cfg.HealthLakeEndpoint, Region: cfg.Region, Credentials: awsConfig.Credentials,
		Observe: observe,
	})
}

// ResourceTypes returns the types to sweep of each datastore. With
// CDC_RESOURCE_TYPES=* it asks every store for its CapabilityStatement.
func ResourceTypes(ctx context.Context, cfg *config.Config, stores func() (*healthlake.Client, error)) (map[string][]string, error) {
	types := make(map[string][]string, len(cfg.Datastores))
	for _, datastore := range cfg.Datastores {
		types[datastore] = cfg.ResourceTypes
	}
	if !cfg.AllResourceTypes() {
		return types, nil
	}
	store, err := stores()
	if err != nil {
		return nil, err
	}
	for _, datastore := range cfg.Datastores {
		searchable, err := store.SearchableTypes(ctx, datastore)
		if err != nil {
			return nil, fmt.Errorf("asking datastore %s for its searchable types (CDC_RESOURCE_TYPES=*): %w", datastore, err)
		}
		types[datastore] = searchable
	}
	return types, nil
}
