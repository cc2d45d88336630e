package simulator

import (
	"encoding/hex"
	"time"
)

// Write is one version of one resource, as the store knows it.
type Write struct {
	Seq         int       `json:"seq"` // position in the data store's log, from 0
	Datastore   string    `json:"datastore"`
	Type        string    `json:"type"`
	ID          string    `json:"id"`
	Version     int       `json:"version"`     // versionId
	LastUpdated time.Time `json:"lastUpdated"` // as meta carries it, in the store's clock
	Deleted     bool      `json:"deleted"`     // a tombstone
	// Searchable is when search first shows the version, if it is not replaced
	// before. Zero for a tombstone.
	Searchable time.Time `json:"searchable,omitzero"`
	// Replaced is when the next version was written, zero if there is none;
	// ReplacedByDelete is set if that version is a tombstone.
	Replaced         time.Time `json:"replaced,omitzero"`
	ReplacedByDelete bool      `json:"replacedByDelete,omitempty"`
	// EventID is that of the CloudTrail record of the call that wrote it.
	EventID string `json:"eventId"`
	Digest  string `json:"digest"` // hex SHA-256 of the body as stored
	Size    int    `json:"size"`   // bytes
}

// EverSearchable reports whether a search could find the version, now or later: it was
// not replaced before it became searchable.
func (w Write) EverSearchable() bool {
	return !w.Deleted && (w.Replaced.IsZero() || !w.Searchable.After(w.Replaced))
}

// WriteLog is every version written to the data store, in order.
func (s *Server) WriteLog(datastore string) []Write { return s.WritesSince(datastore, 0) }

// WritesSince is the log from position n on. A version that is replaced later keeps its
// position: read the log again to see it.
func (s *Server) WritesSince(datastore string, n int) []Write {
	d := s.stores[datastore]
	if d == nil {
		return nil
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if n < 0 || n > len(d.log) {
		return nil
	}
	out := make([]Write, 0, len(d.log)-n)
	for _, v := range d.log[n:] {
		out = append(out, v.write(d.id))
	}
	return out
}

// Body is a version's text as stored, and false when there is none.
func (s *Server) Body(datastore, resourceType, id string, version int) ([]byte, bool) {
	d := s.stores[datastore]
	if d == nil || d.types[resourceType] == nil {
		return nil, false
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	res := d.types[resourceType].resources[id]
	if res == nil || version < 1 || version > len(res.versions) || res.versions[version-1].deleted {
		return nil, false
	}
	return res.versions[version-1].body, true
}

func (v *version) write(datastore string) Write {
	w := Write{
		Seq: v.seq, Datastore: datastore, Type: v.res.typ, ID: v.res.id, Version: v.num,
		LastUpdated: v.lastUpdated, Deleted: v.deleted, EventID: v.eventID, Size: len(v.body),
	}
	if !v.deleted {
		w.Searchable, w.Digest = v.searchable, hex.EncodeToString(v.digest[:])
	}
	if len(v.res.versions) > v.num {
		next := v.res.versions[v.num]
		w.Replaced, w.ReplacedByDelete = next.written, next.deleted
	}
	return w
}
