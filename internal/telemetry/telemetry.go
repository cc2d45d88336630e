package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	temporalotel "go.temporal.io/sdk/contrib/opentelemetry"
)

const (
	// meterName is the scope of our own instruments.
	meterName = "healthlake-cdc"
	// temporalMeterName is the scope of the Temporal SDK's instruments.
	temporalMeterName = "temporal-sdk-go"
)

// Telemetry owns the metrics of one process.
type Telemetry struct {
	// Metrics are our instruments.
	Metrics *Metrics

	provider *sdkmetric.MeterProvider
	registry *prometheus.Registry
	logger   *slog.Logger
}

// New sets up metrics that are served in Prometheus's format. Nothing is global:
// several can live in one process.
func New(logger *slog.Logger) (*Telemetry, error) {
	registry := prometheus.NewRegistry()
	if err := registry.Register(collectors.NewGoCollector()); err != nil {
		return nil, fmt.Errorf("registering Go metrics: %w", err)
	}
	if err := registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})); err != nil {
		return nil, fmt.Errorf("registering process metrics: %w", err)
	}
	exporter, err := otelprom.New(
		otelprom.WithRegisterer(registry),
		otelprom.WithoutScopeInfo(),
		otelprom.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("creating Prometheus exporter: %w", err)
	}
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(exporter),
		sdkmetric.WithView(histogram(meterName, instrumentLag, lagBuckets)),
		sdkmetric.WithView(histogram(meterName, instrumentSearchTime, secondsBuckets)),
		sdkmetric.WithView(histogram(meterName, instrumentDelay, lagBuckets)),
		sdkmetric.WithView(histogram(temporalMeterName, "*", secondsBuckets)))
	metrics, err := newMetrics(provider.Meter(meterName))
	if err != nil {
		return nil, err
	}
	return &Telemetry{Metrics: metrics, provider: provider, registry: registry, logger: logger}, nil
}

// Buckets in seconds. The SDK's own default is made for milliseconds.
var (
	// secondsBuckets fit calls and tasks: 5 ms to 5 minutes.
	secondsBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	// lagBuckets fit the way of a change: a window and a first pass are 10 s to
	// 30 s, a second pass 80 s, a late CloudTrail record 15 minutes; beyond that
	// is what an audit finds.
	lagBuckets = []float64{5, 10, 15, 20, 25, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800, 3600, 14400, 86400}
)

// histogram gives the histograms of that name, "*" for all, their buckets.
func histogram(scope, name string, buckets []float64) sdkmetric.View {
	criteria := sdkmetric.Instrument{Name: name, Kind: sdkmetric.InstrumentKindHistogram}
	criteria.Scope.Name = scope
	return sdkmetric.NewView(criteria, sdkmetric.Stream{
		Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: buckets},
	})
}

// TemporalHandler lets Temporal's SDK count into the same /metrics.
func (t *Telemetry) TemporalHandler() client.MetricsHandler {
	return temporalotel.NewMetricsHandler(temporalotel.MetricsHandlerOptions{
		Meter:                t.provider.Meter(temporalMeterName),
		UseMonotonicCounters: true,
		// The default panics. A metric is not worth a worker.
		OnError: func(err error) {
			t.logger.Warn("creating a metric of Temporal's SDK", slog.String("error", err.Error()))
		},
	})
}

// Handler serves the metrics in Prometheus's format.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{Registry: t.registry})
}

// Shutdown ends the collection.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("stopping metrics: %w", err)
	}
	return nil
}
