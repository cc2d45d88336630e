package simulator

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Counters count the requests of one data store or one of its types. Requests that failed
// are included; requests with a wrong signature are not.
type Counters struct {
	Searches     int64 `json:"searches"`     // all search requests
	FurtherPages int64 `json:"furtherPages"` // those among them that carried a page token
	Reads        int64 `json:"reads"`
	Histories    int64 `json:"histories"` // instance history and version reads
	Writes       int64 `json:"writes"`    // write requests; a bundle is one, without a type
	Throttled    int64 `json:"throttled"` // status 429, of any kind
	Failed       int64 `json:"failed"`    // status 4xx or 5xx other than 429

	Created int64 `json:"created"` // versions "1"
	Updated int64 `json:"updated"`
	Deleted int64 `json:"deleted"` // tombstones
}

// Versions is the number of versions written, tombstones included.
func (c Counters) Versions() int64 { return c.Created + c.Updated + c.Deleted }

// DatastoreStats are the counters of one data store.
type DatastoreStats struct {
	Total Counters            `json:"total"`
	Types map[string]Counters `json:"types"`
	// Shapes count searches by the form of their query: the method, the type and
	// the names of the parameters, prefixes and page token shown, values not.
	// "GET Patient _count _lastUpdated=ge _lastUpdated=lt"
	Shapes map[string]int64 `json:"shapes"`
}

// Stats is everything the simulator counts.
type Stats struct {
	Datastores map[string]DatastoreStats `json:"datastores"`
	Trail      TrailStats                `json:"trail"`
}

// Stats returns the counters of all stores by their ids.
func (s *Server) Stats() Stats {
	out := Stats{Datastores: map[string]DatastoreStats{}, Trail: s.trail.snapshot()}
	for id, d := range s.stores {
		out.Datastores[id] = d.stats.snapshot()
	}
	return out
}

type counters struct {
	mu     sync.Mutex
	total  Counters
	types  map[string]*Counters
	shapes map[string]int64
}

func newCounters() *counters {
	return &counters{types: map[string]*Counters{}, shapes: map[string]int64{}}
}

// each calls f for the total and, unless it is "", the type.
func (c *counters) each(typ string, f func(*Counters)) {
	f(&c.total)
	if typ == "" {
		return
	}
	if c.types[typ] == nil {
		c.types[typ] = &Counters{}
	}
	f(c.types[typ])
}

// responded counts a request and its response.
func (c *counters) responded(call *call, status int) {
	shape := ""
	if call.op.kind == KindSearch {
		shape = call.shape()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.each(call.typ, func(n *Counters) {
		switch call.op.kind {
		case KindSearch:
			n.Searches++
			if call.query.Has(pageParam) {
				n.FurtherPages++
			}
		case KindRead:
			n.Reads++
		case KindHistory:
			n.Histories++
		case KindWrite:
			n.Writes++
		}
		switch {
		case status == http.StatusTooManyRequests:
			n.Throttled++
		case status >= http.StatusBadRequest:
			n.Failed++
		}
	})
	if shape != "" {
		c.shapes[shape]++
	}
}

func (c *counters) wrote(typ string, v *version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.each(typ, func(n *Counters) {
		switch {
		case v.deleted:
			n.Deleted++
		case v.num == 1:
			n.Created++
		default:
			n.Updated++
		}
	})
}

func (c *counters) snapshot() DatastoreStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := DatastoreStats{Total: c.total, Types: map[string]Counters{}, Shapes: map[string]int64{}}
	for typ, n := range c.types {
		out.Types[typ] = *n
	}
	for shape, n := range c.shapes {
		out.Shapes[shape] = n
	}
	return out
}

// shape is the form of a search. It shows only names that the service knows, never text
// of the client.
func (c *call) shape() string {
	var parts []string
	for name, values := range c.query {
		switch name {
		case "_lastUpdated":
			for _, value := range values {
				if d, p := parseDateParam(value); p == nil {
					parts = append(parts, name+"="+d.prefix)
				}
			}
		case "_elements", "_sort", "_summary", "_total":
			if isName(values[0]) {
				name += "=" + values[0]
			}
			parts = append(parts, name)
		case "_count", "_id", pageParam:
			parts = append(parts, name)
		default:
			parts = append(parts, "?")
		}
	}
	slices.Sort(parts)
	method := http.MethodGet
	if c.op.quota == quotaSearchPost {
		method = http.MethodPost
	}
	return strings.Join(append([]string{method, c.typ}, parts...), " ")
}

// isName accepts a short list of element names.
func isName(s string) bool {
	return len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-,") == ""
}
