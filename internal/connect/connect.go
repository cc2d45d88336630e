// Package connect makes the clients that our programs share from their
// settings: Temporal with the payload codec, and the datastores.
package connect

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/healthlake"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/temporalclient"
)

// Temporal is a connection to Temporal.
type Temporal struct {
	Client    client.Client
	Converter converter.DataConverter
	Namespace string
	// Attributes tells whether our search attributes can be used.
	Attributes bool
}

// DialTemporal connects to Temporal and sees to the search attributes. Where it
// may not create them it logs the commands that do, and goes on without.
func DialTemporal(ctx context.Context, cfg *config.Config, program config.Program, logger *slog.Logger, metrics client.MetricsHandler) (*Temporal, error) {
	codec, err := cfg.Codec()
	if err != nil {
		return nil, err
	}
	data := payload.NewDataConverter(codec)
	options, err := temporalclient.Options(temporalclient.Settings{
		Program: program, DataConverter: data, FailureConverter: payload.NewFailureConverter(data),
		Logger: logger, Metrics: metrics,
	})
	if err != nil {
		return nil, err
	}
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("connecting to Temporal at %s: is it running, and is TEMPORAL_ADDRESS right? %w", options.HostPort, err)
	}
	t := &Temporal{Client: c, Converter: data, Namespace: options.Namespace}
	usable, commands, err := temporalclient.EnsureSearchAttributes(ctx, c, options.Namespace)
	t.Attributes = usable
	if err != nil {
		logger.Warn("search attributes cannot be used; going on without them", "error", err)
	}
	for _, command := range commands {
		logger.Warn("a search attribute is missing; going on without them until someone runs this and restarts", "command", command)
	}
	return t, nil
}

// AWS loads the SDK's own configuration: region, credentials, endpoints.
func AWS(ctx context.Context, cfg *config.Config) (aws.Config, error) {
	loaded, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(cfg.Region))
	if err != nil {
		return aws.Config{}, fmt.Errorf("loading AWS configuration: %w", err)
	}
	return loaded, nil
}

// Stores makes the client of the datastores. It makes one attempt a call: who
// calls it takes a token for each, and retries.
func Stores(cfg *config.Config, awsConfig aws.Config, observe func(healthlake.Call)) (*healthlake.Client, error) {
	return healthlake.New(healthlake.Config{
		Endpoint: cfg.HealthLakeEndpoint, Region: cfg.Region, Credentials: awsConfig.Credentials,
		Retries: -1, Observe: observe,
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
