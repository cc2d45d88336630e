package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"time"

	"healthlake-cdc/internal/cdc"
)

// compared is what a comparison of a type found.
type compared struct {
	audit cdc.TypeAudit
	// missing by window.
	missing map[time.Time][]storedVersion
	// unpublished are the windows in which anything is missing or not published yet.
	unpublished map[time.Time]bool
}

// compare compares what the store has of a type in a span with the ledgers of the
// span's windows: each version is in its own window's, about to be published by its
// open run, or missing; or nobody knows.
func (l *ledgers) compare(span cdc.Span, resourceType string, list []storedVersion) compared {
	c := compared{
		audit:   cdc.TypeAudit{Type: resourceType, AuditFigures: cdc.AuditFigures{InStore: len(list)}, Digest: digest(l.in.Datastore, list)},
		missing: make(map[time.Time][]storedVersion), unpublished: make(map[time.Time]bool),
	}
	shown := make(map[time.Time]int)
	for _, v := range list {
		start := cdc.WindowAt(l.in.Datastore, v.Time()).Start
		window := l.window(start)
		switch {
		case window.ledger.HasPublished(v.Version):
			c.audit.Published++
			shown[start]++
		case window.ledger.Has(v.Version):
			c.audit.Skipped++
		case window.unknown():
			c.audit.Unknown++
		case window.publishes(v):
			c.audit.Open++
			c.unpublished[start] = true
		default:
			c.audit.Missing++
			c.unpublished[start] = true
			c.missing[start] = append(c.missing[start], v)
			c.audit.MissingBytes += v.bytes
			if v.reference {
				c.audit.MissingReferences++
			}
		}
	}
	for _, start := range l.starts(span) {
		c.audit.Superseded += published(l.windows[start].ledger, resourceType) - shown[start]
		if l.windows[start].openFor(resourceType) {
			c.audit.OpenWindows++
		}
	}
	return c
}

// published is how many versions of a type a ledger holds as published.
func published(ledger cdc.Ledger, resourceType string) int {
	if entry := ledger.Types[resourceType]; entry != nil {
		return entry.Published.Len()
	}
	return 0
}

// digest is the hex SHA-256 of the versions' sorted idempotency keys, joined by
// newlines.
func digest(datastore string, list []storedVersion) string {
	keys := make([]string, len(list))
	for i, v := range list {
		keys[i] = v.IdempotencyKey(datastore)
	}
	slices.Sort(keys)
	sum := sha256.New()
	for i, key := range keys {
		if i > 0 {
			_, _ = io.WriteString(sum, "\n") // a hash never fails
		}
		_, _ = io.WriteString(sum, key)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
