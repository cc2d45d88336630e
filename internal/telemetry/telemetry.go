package telemetry

import (
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

// temporalMeter is the scope of the Temporal SDK's instruments.
const temporalMeter = "temporal-sdk-go"

// Telemetry is the metrics of one process.
type Telemetry struct {
	Metrics  *Metrics
	provider *sdkmetric.MeterProvider
	registry *prometheus.Registry
	logger   *slog.Logger
}

// New sets up metrics in Prometheus's format. Nothing is global.
func New(logger *slog.Logger) (*Telemetry, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprom.New(
		otelprom.WithRegisterer(registry),
		otelprom.WithoutScopeInfo(),
		otelprom.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("creating Prometheus exporter: %w", err)
	}
	histograms := sdkmetric.Instrument{Name: "*", Kind: sdkmetric.InstrumentKindHistogram}
	histograms.Scope.Name = temporalMeter
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(exporter),
		sdkmetric.WithView(sdkmetric.NewView(histograms, sdkmetric.Stream{
			Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: secondsBuckets},
		})))
	metrics, err := newMetrics(provider.Meter("healthlake-cdc"))
	if err != nil {
		return nil, err
	}
	return &Telemetry{Metrics: metrics, provider: provider, registry: registry, logger: logger}, nil
}

// TemporalHandler lets Temporal's SDK count into the same /metrics.
func (t *Telemetry) TemporalHandler() client.MetricsHandler {
	return temporalotel.NewMetricsHandler(temporalotel.MetricsHandlerOptions{
		Meter:                t.provider.Meter(temporalMeter),
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
