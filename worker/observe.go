package main

import (
	"context"
	"slices"
	"time"

	"healthlake-cdc/internal/consumer"
	"healthlake-cdc/internal/eventbus"
	"healthlake-cdc/internal/healthlake"
	"healthlake-cdc/internal/telemetry"
	"healthlake-cdc/internal/trigger"
)

// What the parts tell of themselves becomes metrics here, so that none of them
// knows OpenTelemetry.

// observer counts what the activities did.
type observer struct{ metrics *telemetry.Metrics }

// Published implements activities.Observer.
func (o observer) Published(datastore, resourceType, payload string, bytes int, lastUpdated, acceptedAt time.Time) {
	o.metrics.Published(context.Background(), datastore, resourceType, payload, bytes, lastUpdated, acceptedAt)
}

// Invalid implements activities.Observer.
func (o observer) Invalid(datastore, resourceType string, entries int) {
	o.metrics.InvalidEntries(context.Background(), datastore, resourceType, entries)
}

func observeStore(metrics *telemetry.Metrics) func(healthlake.Call) {
	return func(call healthlake.Call) {
		ctx, result := context.Background(), "ok"
		if call.Class != "" {
			result = string(call.Class)
		}
		if slices.Contains(healthlake.ReadOps, call.Op) {
			metrics.Read(ctx, call.Datastore, result)
			return
		}
		metrics.Search(ctx, call.Datastore, call.Op, result, call.Duration)
	}
}

func observeBus(metrics *telemetry.Metrics) func(eventbus.Call) {
	return func(call eventbus.Call) {
		result := "ok"
		if call.Class != "" {
			result = string(call.Class)
		}
		metrics.PublishCall(context.Background(), result)
	}
}

// consumerMetrics counts what the consumer did.
type consumerMetrics struct{ metrics *telemetry.Metrics }

// Outcome implements consumer.Metrics.
func (m consumerMetrics) Outcome(outcome trigger.Outcome) {
	m.metrics.Trigger(context.Background(), string(outcome))
}

// Count implements consumer.Metrics: windows and deletes under their own name,
// everything else as events of messages.
func (m consumerMetrics) Count(event consumer.Event, n int) {
	ctx := context.Background()
	switch event {
	case consumer.EventWindowOpened:
		m.metrics.Windows(ctx, telemetry.WindowOpened, n)
	case consumer.EventWindowJoined, consumer.EventWindowCoalesced:
		m.metrics.Windows(ctx, telemetry.WindowCoalesced, n)
	default:
		m.metrics.Messages(ctx, string(event), n)
	}
}

// Delay implements consumer.Metrics.
func (m consumerMetrics) Delay(source string, d time.Duration) {
	m.metrics.TriggerDelay(context.Background(), source, d)
}

// Paused implements consumer.Metrics.
func (m consumerMetrics) Paused(paused bool) {
	ctx := context.Background()
	m.metrics.PollingPaused(ctx, paused)
	m.metrics.TemporalUp(ctx, !paused)
}
