package simulator

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// strangeEntry is an entry that search shows as it is, and that is nowhere else.
type strangeEntry struct {
	at   time.Time
	text string
}

// PutStrange puts an entry into a store that searches show, and count, as if it had
// been written at a time. Its text need be no resource, but quotes and brackets must
// come in pairs.
func (s *Server) PutStrange(datastore, resourceType string, at time.Time, entry string) error {
	ds := s.stores[datastore]
	if ds == nil || ds.types[resourceType] == nil {
		return fmt.Errorf("there is no such data store, or it has no type %s", resourceType)
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ts := ds.types[resourceType]
	ts.strange = append(ts.strange, strangeEntry{at: at, text: entry})
	return nil
}

// strangeEntries are those that a search shows.
func (d *datastore) strangeEntries(typ string, q searchParams) []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if q.ids != nil {
		return nil
	}
	var shown []string
	for _, entry := range d.types[typ].strange {
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

// strange reports whether the call is to be answered in that way.
func (c *call) strange(kind FaultKind) bool { return c.fault != nil && c.fault.Kind == kind }

// pad writes n spaces, if n is positive. It ends when the client leaves.
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
