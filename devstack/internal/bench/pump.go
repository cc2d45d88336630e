package bench

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/eventbus"
	"healthlake-cdc/internal/healthlake"
)

// pumpsAtOnce is how many lists the pump reads side by side.
const pumpsAtOnce = 16

// Pump publishes what a store holds of windows, by their starts: it searches and puts
// events with the worker's own clients, and nothing more. It is the limit that the
// worker is held against.
func Pump(ctx context.Context, environ []string, starts []time.Time) error {
	cfg, err := config.Load(config.Worker, environ, nil)
	if err != nil {
		return err
	}
	awsConfig, err := cfg.AWS(ctx)
	if err != nil {
		return err
	}
	store, err := healthlake.New(healthlake.Config{
		Endpoint: cfg.HealthLakeEndpoint, Region: cfg.Region, Credentials: awsConfig.Credentials,
	})
	if err != nil {
		return err
	}
	p := &pump{
		store: store, format: cdc.EventFormat{Source: cfg.EventSource, DetailType: cfg.DetailType},
		bus: eventbus.New(eventbus.Config{
			Client: eventbus.NewClient(awsConfig), Bus: cfg.EventBus, MaxBytes: cfg.MaxEventBytes,
			Observe: func(eventbus.Call) {}, Logger: slog.Default(),
		}),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pumpsAtOnce)
	for _, start := range starts {
		for _, resourceType := range cfg.ResourceTypes {
			window := cdc.WindowAt(cfg.Datastores[0], start)
			group.Go(func() error { return p.list(ctx, window, resourceType) })
		}
	}
	return group.Wait()
}

type pump struct {
	store  *healthlake.Client
	bus    *eventbus.Publisher
	format cdc.EventFormat
}

// list publishes one type of a window, page after page.
func (p *pump) list(ctx context.Context, window cdc.Window, resourceType string) error {
	origin := cdc.Origin{
		Datastore: window.Datastore, CorrelationID: window.ID(),
		Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail, SourceTime: window.End()},
	}
	request := cdc.SearchRequest{Datastore: window.Datastore, Type: resourceType, Span: window.Span()}
	for {
		page, err := p.store.Search(ctx, request)
		if err != nil {
			return fmt.Errorf("reading a page: %w", err)
		}
		var events []cdc.Event
		for _, resource := range page.Resources {
			if !window.Contains(resource.Time()) {
				continue
			}
			event, err := p.format.ChangeEvent(cdc.Change{Version: resource.Version, Body: cdc.NewBody(resource.Body)}, origin, time.Now())
			if err != nil {
				return err
			}
			events = append(events, event)
		}
		if _, err := p.bus.Publish(ctx, cdc.Events(events), nil, func([]string) {}); err != nil {
			return fmt.Errorf("publishing a page: %w", err)
		}
		if page.Next == "" {
			return nil
		}
		request.Next = page.Next
	}
}
