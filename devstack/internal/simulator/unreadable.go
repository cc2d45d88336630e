package simulator

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// unreadableEntry is an entry that only search shows.
type unreadableEntry struct {
	at   time.Time
	text string
}

// PutUnreadable adds an entry that searches show and count as if it had been written at
// that time. Its text need not be a resource, but its quotes and brackets must be
// balanced.
func (s *Server) PutUnreadable(datastore, resourceType string, at time.Time, entry string) error {
	ds := s.stores[datastore]
	if ds == nil || ds.types[resourceType] == nil {
		return fmt.Errorf("there is no such data store, or it has no type %s", resourceType)
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ts := ds.types[resourceType]
	ts.unreadable = append(ts.unreadable, unreadableEntry{at: at, text: entry})
	return nil
}

// unreadableEntries are the entries that a search shows.
func (d *datastore) unreadableEntries(typ string, q searchParams) []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if q.ids != nil {
		return nil
	}
	var shown []string
	for _, entry := range d.types[typ].unreadable {
		matches := true
		for _, date := range q.dates {
			matches = matches && date.match(entry.at)
		}
		if matches {
			shown = append(shown, entry.text)
		}
	}
	return shown
}

// hasFault reports whether the call has a fault of that kind.
func (c *call) hasFault(kind FaultKind) bool { return c.fault != nil && c.fault.Kind == kind }

// pad writes n spaces, if n is positive. It ends when the client disconnects.
func pad(w io.Writer, n int) {
	chunk := strings.Repeat(" ", 1<<16)
	for n > 0 {
		part := chunk[:min(n, len(chunk))]
		if _, err := io.WriteString(w, part); err != nil {
			return
		}
		n -= len(part)
	}
}
