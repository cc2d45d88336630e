package telemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"healthlake-cdc/internal/cdc"
)

// missingAge is after how long a span that misses something is forgotten when this
// process states it no more. Such a span is stated again at each audit until
// nothing is missing, but not always by the same worker of a fleet: what another
// has healed and stated must not be reported missing here for ever.
const missingAge = 2 * time.Hour

// What became of the versions of statements. But for superseded and unreadable ones
// they add up to inStore.
const (
	StatedPublished  = "published"
	StatedHealed     = "healed" // published by the audit; not among StatedPublished
	StatedMissing    = "missing"
	StatedSkipped    = "skipped"
	StatedOpen       = "open"       // about to be published, by windows that are open
	StatedSuperseded = "superseded" // published, and no longer shown
	StatedUnreadable = "unreadable" // entries of the store that are no readable version
)

// missing holds what the last statement of each span found missing, of the spans
// that miss anything.
type missing struct {
	mu    sync.Mutex
	types map[statedType]map[cdc.Span]missingSpan
}

type statedType struct{ datastore, resourceType string }

type missingSpan struct {
	versions int
	stated   time.Time
}

// state takes in a statement. A type that was stated once keeps its entry, so
// that its gauge says 0.
func (m *missing) state(s cdc.Statement, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := statedType{s.DatastoreID, s.ResourceType}
	if m.types == nil {
		m.types = make(map[statedType]map[cdc.Span]missingSpan)
	}
	if m.types[key] == nil {
		m.types[key] = make(map[cdc.Span]missingSpan)
	}
	span := cdc.Span{From: s.From.UTC(), To: s.To.UTC()}
	if s.Missing == 0 {
		delete(m.types[key], span)
		return
	}
	m.types[key][span] = missingSpan{s.Missing, now}
}

// observe gives the sums by store and type.
func (m *missing) observe(now time.Time, give func(versions int64, labels metric.MeasurementOption)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, spans := range m.types {
		sum := int64(0)
		for span, found := range spans {
			if now.Sub(found.stated) > missingAge {
				delete(spans, span)
				continue
			}
			sum += int64(found.versions)
		}
		give(sum, with("datastore", key.datastore, "resource_type", key.resourceType))
	}
}

// Stated counts a statement that the bus accepted.
func (m *Metrics) Stated(ctx context.Context, s cdc.Statement, now time.Time) {
	if m == nil {
		return
	}
	healed := min(s.Healed, s.Published)
	for _, outcome := range []struct {
		name     string
		versions int
	}{
		{StatedPublished, s.Published - healed},
		{StatedHealed, healed},
		{StatedMissing, s.Missing},
		{StatedSkipped, s.Skipped},
		{StatedOpen, s.Open},
		{StatedSuperseded, s.Superseded},
		{StatedUnreadable, s.Unreadable},
	} {
		if outcome.versions > 0 {
			m.stated.Add(ctx, int64(outcome.versions),
				with("datastore", s.DatastoreID, "resource_type", s.ResourceType, "outcome", outcome.name))
		}
	}
	m.lastStatement.Record(ctx, now.Unix(), with("datastore", s.DatastoreID))
	m.missing.state(s, now)
}
