package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
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

// compare compares what the store has of a type with the ledgers of the span's windows:
// each version is in its own window's, about to be published by its open run, or
// missing; or nobody knows.
func (l *ledgers) compare(resourceType string, list []storedVersion) compared {
	c := compared{
		audit:   cdc.TypeAudit{Type: resourceType, AuditFigures: cdc.AuditFigures{InStore: len(list)}, Digest: digest(l.in.Datastore, list)},
		missing: make(map[time.Time][]storedVersion), unpublished: make(map[time.Time]bool),
	}
	for _, v := range list {
		start := cdc.WindowAt(l.in.Datastore, v.Time()).Start
		window := l.window(start)
		switch {
		case window.Ledger.HasPublished(v.Version):
			c.audit.Published++
		case window.Ledger.Has(v.Version):
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
	for _, window := range l.windows {
		c.audit.Superseded += publishedCount(window.Ledger, resourceType)
		if window.openFor(resourceType) {
			c.audit.OpenWindows++
		}
	}
	c.audit.Superseded -= c.audit.Published
	return c
}

// publishedCount is how many versions of a type a ledger holds as published.
func publishedCount(ledger cdc.Ledger, resourceType string) int {
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
	sum := sha256.Sum256([]byte(strings.Join(keys, "\n")))
	return hex.EncodeToString(sum[:])
}
