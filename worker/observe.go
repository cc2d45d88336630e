package main

import (
	"context"
	"slices"
	"time"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/eventbus"
	"healthlake-cdc/internal/healthlake"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/telemetry"
	"healthlake-cdc/internal/trigger"
)

// What the parts tell of themselves becomes metrics here, so that none of them
// knows OpenTelemetry.

// observer counts what the activities did.
type observer struct {
	// ctx is the process's: a count belongs to no call.
	ctx     context.Context
	metrics *telemetry.Metrics
}

// Published implements activities.Observer.
func (o observer) Published(datastore, resourceType, payload string, bytes int, lastUpdated, acceptedAt time.Time) {
	o.metrics.Published(o.ctx, datastore, resourceType, payload, bytes, lastUpdated, acceptedAt)
}

// Invalid implements activities.Observer.
func (o observer) Invalid(datastore, resourceType string, entries int) {
	o.metrics.InvalidEntries(o.ctx, datastore, resourceType, entries)
}

// Audited implements activities.Observer.
func (o observer) Audited(_ string, s cdc.Statement) { o.metrics.Stated(o.ctx, s, time.Now()) }

func observeStore(ctx context.Context, metrics *telemetry.Metrics) func(healthlake.Call) {
	return func(call healthlake.Call) {
		result := "ok"
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

func observeBus(ctx context.Context, metrics *telemetry.Metrics) func(eventbus.Call) {
	return func(call eventbus.Call) {
		result := "ok"
		switch {
		case call.Class != "":
			result = string(call.Class)
		case call.Failed+call.Refused > 0:
			result = telemetry.CallPartial
		}
		metrics.PublishCall(ctx, result)
		if call.Failed > 0 {
			metrics.EntryFailures(ctx, telemetry.EntryFailed, call.Failed)
		}
		if call.Refused > 0 {
			metrics.EntryFailures(ctx, telemetry.EntryRefused, call.Refused)
		}
	}
}

// consumerMetrics counts what the consumer did.
type consumerMetrics struct {
	// ctx is the process's: a count belongs to no call.
	ctx     context.Context
	metrics *telemetry.Metrics
}

// Outcome implements queue.Metrics.
func (m consumerMetrics) Outcome(outcome trigger.Outcome) {
	m.metrics.Trigger(m.ctx, string(outcome))
}

// Count implements queue.Metrics.
func (m consumerMetrics) Count(event queue.Event, n int) {
	m.metrics.Messages(m.ctx, string(event), n)
}

// Window implements queue.Metrics: windows and who asked for them.
func (m consumerMetrics) Window(source string, event queue.Event) {
	result := telemetry.WindowCoalesced
	if event == queue.EventWindowOpened {
		result = telemetry.WindowOpened
	}
	m.metrics.Windows(m.ctx, result, source, 1)
}

// Delay implements queue.Metrics.
func (m consumerMetrics) Delay(source string, d time.Duration) {
	m.metrics.TriggerDelay(m.ctx, source, d)
}

// Paused implements queue.Metrics.
func (m consumerMetrics) Paused(paused bool) {
	ctx := m.ctx
	m.metrics.PollingPaused(ctx, paused)
	m.metrics.TemporalUp(ctx, !paused)
}
