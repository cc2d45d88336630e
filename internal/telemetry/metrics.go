package telemetry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Names of the instruments that have buckets of their own. All names follow
// OpenTelemetry; Prometheus's form adds the unit and _total.
const (
	instrumentLag        = "healthlake_cdc_window_lag"
	instrumentSearchTime = "healthlake_cdc_search_duration"
	instrumentDelay      = "healthlake_cdc_trigger_delay"
)

// Metrics are our instruments. Every label's values are few: outcomes, kinds,
// error codes, datastores and resource types. The zero pointer counts nothing, so
// that what is measured can be run without.
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

func newMetrics(meter metric.Meter) (*Metrics, error) {
	var errs []error
	counter := func(name, help string) metric.Int64Counter {
		c, err := meter.Int64Counter("healthlake_cdc_"+name, metric.WithDescription(help))
		errs = append(errs, err)
		return c
	}
	seconds := func(name, help string) metric.Float64Histogram {
		h, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(help))
		errs = append(errs, err)
		return h
	}
	gauge := func(name, help string) metric.Int64Gauge {
		g, err := meter.Int64Gauge("healthlake_cdc_"+name, metric.WithDescription(help))
		errs = append(errs, err)
		return g
	}
	m := &Metrics{
		triggers:        counter("triggers", "What messages turned out to be, by outcome."),
		windows:         counter("windows", "Windows that triggers asked for: opened, or coalesced with one that existed."),
		searches:        counter("searches", "Searches of the datastore."),
		searchTime:      seconds(instrumentSearchTime, "Time that a search of the datastore took."),
		reads:           counter("reads", "Reads of single resources and versions."),
		published:       counter("published", "Versions that the bus accepted."),
		publishedBytes:  counter("published_bytes", "Bytes of the resources in the events that the bus accepted."),
		publishCalls:    counter("publish_calls", "PutEvents calls."),
		publishFailures: counter("publish_entry_failures", "Entries that the bus did not take: failed, and sent again, or refused for good."),
		lag:             seconds(instrumentLag, "From a version's lastUpdated to its publishing."),
		messages:        counter("sqs_messages", "Messages of the trigger queue, by what became of them."),
		invalid:         counter("invalid_entries", "Entries of searches that were no valid resource of the type asked for."),
		triggerDelay:    seconds(instrumentDelay, "From a trigger's time to its receipt, by source."),
		temporalUp:      gauge("temporal_up", "1 while Temporal answers, else 0."),
		paused:          gauge("polling_paused", "1 while the queue is not polled because Temporal is down, else 0."),
		stated:          counter("stated_versions", "Versions that audit statements told of, by outcome; a span that is stated again counts again."),
		lastStatement:   gauge("last_statement_timestamp_seconds", "When an audit statement of the store was last published, in seconds since 1970."),
		plaintext:       counter("plaintext_payloads", "Payloads that no key encrypted and that were decoded because of CDC_ACCEPT_PLAINTEXT_UNTIL, by kind."),
		waiting:         gauge("executions_waiting", "Windows, slices, ranges and deletes that wait for an operator."),
	}
	_, err := meter.Int64ObservableGauge("healthlake_cdc_missing_versions",
		metric.WithDescription("Versions that are missing by the last statements of their spans."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			m.missing.observe(time.Now(), func(versions int64, labels metric.MeasurementOption) { o.Observe(versions, labels) })
			return nil
		}))
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("creating metrics: %w", err)
	}
	return m, nil
}

// Trigger counts a message by what it turned out to be.
func (m *Metrics) Trigger(ctx context.Context, outcome string) {
	if m != nil {
		m.triggers.Add(ctx, 1, with("outcome", outcome))
	}
}

// Plaintext counts a payload that no key encrypted, by its kind.
func (m *Metrics) Plaintext(ctx context.Context, kind string) {
	if m != nil {
		m.plaintext.Add(ctx, 1, with("kind", kind))
	}
}

// TriggerDelay records how long after its time a trigger was received; source is
// what meta.capturedBy names.
func (m *Metrics) TriggerDelay(ctx context.Context, source string, delay time.Duration) {
	if m != nil {
		m.triggerDelay.Record(ctx, max(0, delay.Seconds()), with("source", source))
	}
}

// InvalidEntries counts entries of a search that were no valid resource.
func (m *Metrics) InvalidEntries(ctx context.Context, datastore, resourceType string, n int) {
	if m != nil {
		m.invalid.Add(ctx, int64(n), with("datastore", datastore, "resource_type", resourceType))
	}
}

// Results of a window that a trigger asked for.
const (
	WindowOpened    = "opened"
	WindowCoalesced = "coalesced"
)

// Windows counts windows by [WindowOpened] or [WindowCoalesced], and by the source
// that asked for them.
func (m *Metrics) Windows(ctx context.Context, result, source string, n int) {
	if m != nil {
		m.windows.Add(ctx, int64(n), with("result", result, "source", source))
	}
}

// Search counts one search: kind is what it was for (a first page, a further
// one, a confirm, a count), result "ok" or the class of its error.
func (m *Metrics) Search(ctx context.Context, datastore, kind, result string, took time.Duration) {
	if m != nil {
		m.searches.Add(ctx, 1, with("datastore", datastore, "kind", kind, "result", result))
		m.searchTime.Record(ctx, took.Seconds(), with("datastore", datastore, "kind", kind))
	}
}

// Read counts one read of a resource or version; result is "ok" or the class of
// its error.
func (m *Metrics) Read(ctx context.Context, datastore, result string) {
	if m != nil {
		m.reads.Add(ctx, 1, with("datastore", datastore, "result", result))
	}
}

// Published counts one version that the bus accepted as an entry of size bytes;
// payload is "full" or "reference". Lag runs from lastUpdated to publishedAt; a
// clock that is behind makes it 0, not negative.
func (m *Metrics) Published(ctx context.Context, datastore, resourceType, payload string, size int, lastUpdated, publishedAt time.Time) {
	if m == nil {
		return
	}
	m.published.Add(ctx, 1, with("datastore", datastore, "resource_type", resourceType, "payload", payload))
	m.publishedBytes.Add(ctx, int64(size), with("datastore", datastore))
	// An unresolved delete has no lastUpdated.
	if !lastUpdated.IsZero() {
		m.lag.Record(ctx, max(0, publishedAt.Sub(lastUpdated).Seconds()), with("datastore", datastore))
	}
}

// CallPartial is the result of a PutEvents call that was answered, with entries that
// the bus did not take.
const CallPartial = "partial"

// PublishCall counts one PutEvents call; result is "ok", [CallPartial] or the class
// of its error.
func (m *Metrics) PublishCall(ctx context.Context, result string) {
	if m != nil {
		m.publishCalls.Add(ctx, 1, with("result", result))
	}
}

// What became of an entry that the bus did not take.
const (
	EntryFailed  = "failed"  // sent again
	EntryRefused = "refused" // for good: its window stays open
)

// EntryFailures counts entries by [EntryFailed] or [EntryRefused].
func (m *Metrics) EntryFailures(ctx context.Context, result string, n int) {
	if m != nil {
		m.publishFailures.Add(ctx, int64(n), with("result", result))
	}
}

// Messages counts messages of the queue by what became of them, such as
// received, deleted or left for the dead-letter queue.
func (m *Metrics) Messages(ctx context.Context, outcome string, n int) {
	if m != nil {
		m.messages.Add(ctx, int64(n), with("outcome", outcome))
	}
}

// TemporalUp says whether Temporal answers.
func (m *Metrics) TemporalUp(ctx context.Context, up bool) {
	if m != nil {
		m.temporalUp.Record(ctx, asNumber(up))
	}
}

// PollingPaused says whether polling waits for Temporal.
func (m *Metrics) PollingPaused(ctx context.Context, paused bool) {
	if m != nil {
		m.paused.Record(ctx, asNumber(paused))
	}
}

// Waiting says how many executions of a datastore wait for an operator, as far as
// Temporal's visibility shows: every worker tells the same.
func (m *Metrics) Waiting(ctx context.Context, datastore string, n int64) {
	if m != nil {
		m.waiting.Record(ctx, n, with("datastore", datastore))
	}
}

func asNumber(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// with makes labels of name and value in turn.
func with(pairs ...string) metric.MeasurementOption {
	attrs := make([]attribute.KeyValue, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		attrs = append(attrs, attribute.String(pairs[i], pairs[i+1]))
	}
	return metric.WithAttributes(attrs...)
}
