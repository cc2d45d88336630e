package telemetry

import (
	"sync"
	"time"

	"healthlake-cdc/internal/cdc"
)

// missingAge is after how long a time range that misses something is forgotten when this
// process states it no more: another worker may have healed and stated it.
const missingAge = 2 * time.Hour

// missing holds the time ranges whose last statement misses anything.
type missing struct {
	mu    sync.Mutex
	types map[statedType]map[cdc.Span]missingSpan
}

type statedType struct{ datastore, resourceType string }

type missingSpan struct {
	versions int
	stated   time.Time
}

// add records a statement. A type that was stated once keeps its entry, so that its
// gauge says 0.
func (m *missing) add(s cdc.Statement, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := statedType{s.DatastoreID, s.ResourceType}
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

// sums returns how many versions are missing by store and type, and forgets what was
// stated too long ago.
func (m *missing) sums(now time.Time) map[statedType]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	sums := make(map[statedType]int64, len(m.types))
	for key, spans := range m.types {
		sums[key] = 0
		for span, found := range spans {
			if now.Sub(found.stated) > missingAge {
				delete(spans, span)
				continue
			}
			sums[key] += int64(found.versions)
		}
	}
	return sums
}

// Audited counts a statement that the bus accepted. Without superseded and unreadable
// versions the outcomes add up to inStore.
func (m *Metrics) Audited(s cdc.Statement) {
	now := time.Now()
	healed := min(s.Healed, s.Published)
	for _, outcome := range []struct {
		name     string
		versions int
	}{
		{"published", s.Published - healed},
		{"healed", healed}, // published by the audit
		{"missing", s.Missing},
		{"skipped", s.Skipped},
		{"open", s.Open},             // about to be published, by windows that are open
		{"superseded", s.Superseded}, // published, and no longer shown
		{"unreadable", s.Unreadable}, // entries of the store that are no readable version
	} {
		if outcome.versions > 0 {
			m.stated.Add(noCall, int64(outcome.versions),
				with("datastore", s.DatastoreID, "resource_type", s.ResourceType, "outcome", outcome.name))
		}
	}
	m.lastStatement.Record(noCall, now.Unix(), with("datastore", s.DatastoreID))
	m.missing.add(s, now)
}
