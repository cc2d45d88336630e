package truth

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/internal/cdc"
)

// LatestStatements are the latest statements of each store, type and time range.
func LatestStatements(all []cdc.Statement) []cdc.Statement {
	type name struct {
		datastore, resourceType string
		from, to                time.Time
	}
	latest := make(map[name]cdc.Statement)
	for _, s := range all {
		latest[name{s.DatastoreID, s.ResourceType, s.From.UTC(), s.To.UTC()}] = s
	}
	out := make([]cdc.Statement, 0, len(latest))
	for _, s := range latest {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b cdc.Statement) int {
		if c := strings.Compare(a.DatastoreID+"/"+a.ResourceType, b.DatastoreID+"/"+b.ResourceType); c != 0 {
			return c
		}
		return a.From.Compare(b.From)
	})
	return out
}

// CheckStatements compares the latest statements with the write log: the versions of each
// must be those that the log has for its time range, by number and by digest. The store
// must not have been written to since. It returns what is wrong.
func CheckStatements(writes []simulator.Write, all []cdc.Statement) []string {
	var wrong []string
	latest := LatestStatements(all)
	for i, s := range latest {
		span := fmt.Sprintf("%s/%s %s to %s", s.DatastoreID, s.ResourceType, s.From.UTC().Format(time.TimeOnly), s.To.UTC().Format(time.TimeOnly))
		keys := inStore(writes, s)
		if s.InStore != len(keys) {
			wrong = append(wrong, fmt.Sprintf("%s: %d in the store, the log has %d", span, s.InStore, len(keys)))
		} else if digest := digestOf(keys); s.Digest != digest {
			wrong = append(wrong, fmt.Sprintf("%s: the digest is not of the log's %d keys", span, len(keys)))
		}
		if s.InStore != s.Published+s.Missing+s.Skipped+s.Open {
			wrong = append(wrong, span+": its figures are inconsistent")
		}
		if i == 0 || latest[i-1].DatastoreID != s.DatastoreID || latest[i-1].ResourceType != s.ResourceType {
			continue
		}
		if before := latest[i-1]; before.To.After(s.From) {
			wrong = append(wrong, span+": it overlaps the time range before")
		}
	}
	return wrong
}

// inStore are the idempotency keys of a statement's time range: of the versions that
// search shows when nothing is being indexed and, with versions "all", of replaced
// versions. A deleted resource has none: neither search nor an audit shows it.
func inStore(writes []simulator.Write, s cdc.Statement) []string {
	deleted := make(map[string]bool)
	for _, w := range writes {
		if w.Datastore == s.DatastoreID && w.Type == s.ResourceType {
			deleted[w.ID] = w.Deleted // the last write decides
		}
	}
	var keys []string
	for _, w := range writes {
		shown := w.Replaced.IsZero() || s.Versions == cdc.VersionsAll
		if w.Datastore == s.DatastoreID && w.Type == s.ResourceType && !w.Deleted && !deleted[w.ID] && shown &&
			!w.LastUpdated.Before(s.From) && w.LastUpdated.Before(s.To) {
			keys = append(keys, key(w))
		}
	}
	slices.Sort(keys)
	return keys
}

// digestOf is the hex SHA-256 of the sorted keys, joined by newlines.
func digestOf(keys []string) string {
	sum := sha256.Sum256([]byte(strings.Join(keys, "\n")))
	return hex.EncodeToString(sum[:])
}

// SumStatements adds the latest statements up.
func SumStatements(all []cdc.Statement) (sum cdc.Statement) {
	for _, s := range LatestStatements(all) {
		sum.InStore += s.InStore
		sum.Published += s.Published
		sum.Missing += s.Missing
		sum.Healed += s.Healed
		sum.Skipped += s.Skipped
		sum.Superseded += s.Superseded
		sum.Open += s.Open
		sum.Unreadable += s.Unreadable
		sum.Deletes.Add(s.Deletes)
	}
	return sum
}
