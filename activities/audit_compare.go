package activities

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
}

// compare holds what the store has of a type in a span against the ledgers of the
// span's windows: each version is in its own window's, or missing.
func (l *ledgers) compare(span cdc.Span, resourceType string, list []storedVersion) compared {
	c := compared{
		audit:   cdc.TypeAudit{Type: resourceType, InStore: len(list), Digest: digest(l.datastore, list)},
		missing: make(map[time.Time][]storedVersion),
	}
	shown := make(map[time.Time]int)
	for _, v := range list {
		start := cdc.WindowAt(l.datastore, v.Time()).Start
		ledger := l.of(start).ledger
		switch {
		case ledger.HasPublished(v.Version):
			c.audit.Published++
			shown[start]++
		case ledger.Has(v.Version):
			c.audit.Skipped++
			shown[start]++
		default:
			c.audit.Missing++
			c.missing[start] = append(c.missing[start], v)
			c.audit.MissingBytes += v.bytes
			if v.reference {
				c.audit.MissingReferences++
			}
		}
	}
	for _, start := range l.starts(span) {
		c.audit.Superseded += l.windows[start].ledger.Known(resourceType).Len() - shown[start]
	}
	return c
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
