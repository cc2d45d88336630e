package telemetry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/eventbus"
	"healthlake-cdc/internal/healthlake"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/trigger"
)

// Metrics are our instruments. Every label's values are few: outcomes, kinds, error codes,
// datastores and resource types.
type Metrics struct {
	triggers        metric.Int64Counter
	windows         metric.Int64Counter
	searches        metric.Int64Counter
	searchTime      metric.Float64Histogram
	reads           metric.Int64Counter
	published       metric.Int64Counter
	publishedBytes  metric.Int64Counter
	publishCalls    metric.Int64Counter
	publishFailures metric.Int64Counter
	lag             metric.Float64Histogram
	messages        metric.Int64Counter
	invalid         metric.Int64Counter
	triggerDelay    metric.Float64Histogram
	temporalUp      metric.Int64Gauge
	paused          metric.Int64Gauge
	stated          metric.Int64Counter
	lastStatement   metric.Int64Gauge
	missing         missing
	waiting         metric.Int64Gauge
	plaintext       metric.Int64Counter
}

// Buckets in seconds. The SDK's own default is made for milliseconds.
var (
	// secondsBuckets fit calls and tasks: 5 ms to 5 minutes.
	secondsBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	// lagBuckets fit the way of a change: a window and a first pass are 10 s to 30 s, a
	// late CloudTrail record 15 minutes; beyond that is what an audit finds.
	lagBuckets = []float64{5, 10, 15, 20, 25, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800, 3600, 14400, 86400}
)

// newMetrics makes the instruments. Prometheus's form of their names adds the unit and
// _total.
func newMetrics(meter metric.Meter) (*Metrics, error) {
	var errs []error
	counter := func(name, help string) metric.Int64Counter {
		c, err := meter.Int64Counter("healthlake_cdc_"+name, metric.WithDescription(help))
		errs = append(errs, err)
		return c
	}
	seconds := func(name string, buckets []float64, help string) metric.Float64Histogram {
		h, err := meter.Float64Histogram("healthlake_cdc_"+name, metric.WithUnit("s"), metric.WithDescription(help),
			metric.WithExplicitBucketBoundaries(buckets...))
		errs = append(errs, err)
		return h
	}
	gauge := func(name, help string) metric.Int64Gauge {
		g, err := meter.Int64Gauge("healthlake_cdc_"+name, metric.WithDescription(help))
		errs = append(errs, err)
		return g
	}
	m := &Metrics{
		triggers:        counter("triggers", "Messages by what they mean."),
		windows:         counter("windows", "Windows that triggers asked for: opened, or coalesced with one that existed."),
		searches:        counter("searches", "Searches of the datastore."),
		searchTime:      seconds("search_duration", secondsBuckets, "Time that a search of the datastore took."),
		reads:           counter("reads", "Reads of single resources and versions."),
		published:       counter("published", "Versions that the bus accepted."),
		publishedBytes:  counter("published_bytes", "Bytes of the resources in the events that the bus accepted."),
		publishCalls:    counter("publish_calls", "PutEvents calls."),
		publishFailures: counter("publish_entry_failures", "Entries that the bus did not accept: failed, and sent again, or rejected."),
		lag:             seconds("window_lag", lagBuckets, "From a version's lastUpdated to its publishing."),
		messages:        counter("sqs_messages", "Messages of the trigger queue, by what became of them."),
		invalid:         counter("invalid_entries", "Entries of searches that were no valid resource of the type asked for."),
		triggerDelay:    seconds("trigger_delay", lagBuckets, "From a trigger's time to its receipt, by source."),
		temporalUp:      gauge("temporal_up", "1 while Temporal is available, else 0."),
		paused:          gauge("polling_paused", "1 while the queue is not polled because Temporal is unavailable, else 0."),
		stated:          counter("stated_versions", "Versions in audit statements, by outcome; a time range that is stated again counts again."),
		lastStatement:   gauge("last_statement_timestamp_seconds", "When an audit statement of the store was last published, in seconds since 1970."),
		plaintext:       counter("plaintext_payloads", "Payloads that no key encrypted and that were decoded because of CDC_ACCEPT_PLAINTEXT_UNTIL, by kind."),
		missing:         missing{types: make(map[statedType]map[cdc.Span]missingSpan)},
		waiting:         gauge("executions_waiting", "Windows, slices, replays, backfills and deletes that wait for an operator."),
	}
	_, err := meter.Int64ObservableGauge("healthlake_cdc_missing_versions",
		metric.WithDescription("Versions that are missing by the last statements of their time ranges."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for key, sum := range m.missing.sums(time.Now()) {
				o.Observe(sum, with("datastore", key.datastore, "resource_type", key.resourceType))
			}
			return nil
		}))
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("creating metrics: %w", err)
	}
	return m, nil
}

// OpenTelemetry takes no more from a context than values that we do not set.
var noCall = context.Background() //nolint:forbidigo // see above

// Outcome implements [queue.Metrics].
func (m *Metrics) Outcome(outcome trigger.Outcome) {
	m.triggers.Add(noCall, 1, with("outcome", string(outcome)))
}

// Count implements [queue.Metrics].
func (m *Metrics) Count(event queue.Event, n int) {
	m.messages.Add(noCall, int64(n), with("outcome", string(event)))
}

// Window implements [queue.Metrics].
func (m *Metrics) Window(by string, opened bool) {
	result := "coalesced"
	if opened {
		result = "opened"
	}
	m.windows.Add(noCall, 1, with("result", result, "source", by))
}

// Delay implements [queue.Metrics].
func (m *Metrics) Delay(by string, d time.Duration) {
	m.triggerDelay.Record(noCall, max(0, d.Seconds()), with("source", by))
}

// Paused implements [queue.Metrics].
func (m *Metrics) Paused(paused bool) {
	up, down := int64(1), int64(0)
	if paused {
		up, down = 0, 1
	}
	m.paused.Record(noCall, down)
	m.temporalUp.Record(noCall, up)
}

// StoreCall counts a request of a datastore.
func (m *Metrics) StoreCall(call healthlake.Call) {
	result := "ok"
	if call.Class != "" {
		result = string(call.Class)
	}
	if slices.Contains(healthlake.ReadOps, call.Op) {
		m.reads.Add(noCall, 1, with("datastore", call.Datastore, "result", result))
		return
	}
	m.searches.Add(noCall, 1, with("datastore", call.Datastore, "kind", call.Op, "result", result))
	m.searchTime.Record(noCall, call.Duration.Seconds(), with("datastore", call.Datastore, "kind", call.Op))
}

// BusCall counts a PutEvents call by its result: ok, partial or the class of its error.
func (m *Metrics) BusCall(call eventbus.Call) {
	result := "ok"
	switch {
	case call.Class != "":
		result = string(call.Class)
	case call.Failed+call.Rejected > 0:
		result = "partial"
	}
	m.publishCalls.Add(noCall, 1, with("result", result))
	if call.Failed > 0 {
		m.publishFailures.Add(noCall, int64(call.Failed), with("result", "failed"))
	}
	if call.Rejected > 0 {
		m.publishFailures.Add(noCall, int64(call.Rejected), with("result", "rejected"))
	}
}

// Published counts one version that the bus accepted with a body of size bytes; payload
// is "full" or "reference". The lag runs from lastUpdated to acceptedAt; a clock that is
// behind makes it 0, not negative.
func (m *Metrics) Published(datastore, resourceType, payload string, size int, lastUpdated, acceptedAt time.Time) {
	m.published.Add(noCall, 1, with("datastore", datastore, "resource_type", resourceType, "payload", payload))
	m.publishedBytes.Add(noCall, int64(size), with("datastore", datastore))
	// An unresolved delete has no lastUpdated.
	if !lastUpdated.IsZero() {
		m.lag.Record(noCall, max(0, acceptedAt.Sub(lastUpdated).Seconds()), with("datastore", datastore))
	}
}

// Invalid counts entries of a search that were no valid resource.
func (m *Metrics) Invalid(datastore, resourceType string, n int) {
	m.invalid.Add(noCall, int64(n), with("datastore", datastore, "resource_type", resourceType))
}

// Plaintext counts a payload that no key encrypted, by its kind.
func (m *Metrics) Plaintext(kind string) { m.plaintext.Add(noCall, 1, with("kind", kind)) }

// Waiting sets how many executions of a datastore wait for an operator, as far as
// Temporal's visibility shows: every worker reports the same.
func (m *Metrics) Waiting(datastore string, n int64) {
	m.waiting.Record(noCall, n, with("datastore", datastore))
}

// with makes labels of name and value in turn.
func with(pairs ...string) metric.MeasurementOption {
	attrs := make([]attribute.KeyValue, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		attrs = append(attrs, attribute.String(pairs[i], pairs[i+1]))
	}
	return metric.WithAttributes(attrs...)
}
