package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Kind groups interactions for faults and counters.
type Kind string

const (
	KindSearch  Kind = "search"
	KindRead    Kind = "read"
	KindHistory Kind = "history"
	KindWrite   Kind = "write"
)

// FaultKind is a way to fail.
type FaultKind string

const (
	Throttle    FaultKind = "throttle"     // 429
	ServerError FaultKind = "server-error" // 500
	Forbid      FaultKind = "forbid"       // 403
	Reject      FaultKind = "reject"       // 400
	ExpireToken FaultKind = "expire-token" // 400 to a request that carries a page token, and to every later one with that token
	Truncate    FaultKind = "truncate"     // 200, the body complete as HTTP and cut in half as JSON
	HalfPage    FaultKind = "half-page"    // 200, the connection closed in the middle of the body
	Hang        FaultKind = "hang"         // no response until the client disconnects
	Unavailable FaultKind = "unavailable"  // 503
	WrongType   FaultKind = "wrong-type"   // 200, a web page instead of FHIR
	Hide        FaultKind = "hide"         // a search leaves every other version of its page out

	// Malformed responses with status 200.
	ByteOrderMark FaultKind = "byte-order-mark" // a byte order mark before the body
	Pad           FaultKind = "pad"             // spaces behind the body, up to Fault.Bytes
	NullTotal     FaultKind = "null-total"      // "total": null, of searches and counts
	LinkItself    FaultKind = "link-itself"     // the next link leads to the page itself
	LinkFirst     FaultKind = "link-first"      // the next link leads to the first page
	GetTombstones FaultKind = "get-tombstones"  // history shows deletes as GETs with status 410
)

var faultKinds = []FaultKind{
	Throttle, ServerError, Forbid, Reject, ExpireToken, Truncate, HalfPage, Hang, Unavailable, WrongType, Hide,
	ByteOrderMark, Pad, NullTotal, LinkItself, LinkFirst, GetTombstones,
}

// Fault fails the next Count requests that match. Nothing was written by a write that
// hangs or gets an error; a truncated one was carried out.
type Fault struct {
	Kind      FaultKind `json:"kind"`
	Of        Kind      `json:"of,omitempty"`        // default search
	Datastore string    `json:"datastore,omitempty"` // default any
	Type      string    `json:"type,omitempty"`      // default any
	// Further matches only requests with a page token.
	Further bool `json:"further,omitempty"`
	// Bodies matches only searches for whole resources, ID only requests for that
	// resource.
	Bodies bool   `json:"bodies,omitempty"`
	ID     string `json:"id,omitempty"`
	Count  int    `json:"count"` // remaining requests; negative means all
	// Bytes belongs to Pad.
	Bytes int `json:"bytes,omitempty"`
	// RetryAfter belongs to Throttle, in whole seconds.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
}

type faults struct {
	mu   sync.Mutex
	list []*Fault
	// expired are the page tokens that ExpireToken has hit: they stay expired.
	expired map[string]bool
}

func newFaults() *faults { return &faults{expired: make(map[string]bool)} }

// InjectFault makes requests fail, after the faults that are already queued.
func (s *Server) InjectFault(f Fault) error {
	if !slices.Contains(faultKinds, f.Kind) {
		return fmt.Errorf("there is no such kind of fault: use one of %v", faultKinds)
	}
	if f.Count == 0 {
		return errors.New("the fault matches no request: set its count")
	}
	switch f.Of = or(f.Of, KindSearch); f.Of {
	case KindSearch, KindRead, KindHistory, KindWrite:
	default:
		return errors.New("there is no such kind of request: use search, read, history or write")
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = append(s.faults.list, &f)
	return nil
}

// Faults returns the queued faults.
func (s *Server) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	out := make([]Fault, 0, len(s.faults.list))
	for _, f := range s.faults.list {
		out = append(out, *f)
	}
	return out
}

// ClearFaults drops the queued faults. A request that hangs still hangs until its client
// disconnects.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = nil
}

// match returns the first fault that matches c and counts it down.
func (f *faults) match(c *call) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	token := c.query.Get(pageParam)
	if token != "" && f.expired[token] {
		return &Fault{Kind: ExpireToken}
	}
	for i, fault := range f.list {
		if fault.Bodies && c.query.Has("_elements") || fault.ID != "" && fault.ID != c.id || fault.Of != c.op.kind || (fault.Datastore != "" && fault.Datastore != c.ds.id) ||
			(fault.Type != "" && fault.Type != c.typ) || ((fault.Further || fault.Kind == ExpireToken) && !c.query.Has(pageParam)) {
			continue
		}
		taken := *fault
		if fault.Kind == ExpireToken {
			f.expired[token] = true
		}
		if fault.Count > 0 {
			if fault.Count--; fault.Count == 0 {
				f.list = slices.Delete(f.list, i, i+1)
			}
		}
		return &taken
	}
	return nil
}

// problem is the error that the fault returns; nil for those that change a response.
func (f *Fault) problem() *problem {
	switch f.Kind {
	case Throttle:
		return throttled(f.RetryAfter)
	case ServerError:
		return &problem{status: http.StatusInternalServerError, issue: "exception", code: "InternalServerException",
			text: "an internal error occurred: try again"}
	case Unavailable:
		return &problem{status: http.StatusServiceUnavailable, issue: "transient", code: "ServiceUnavailableException",
			text: "the service is not available: try again"}
	case Forbid:
		return forbidden("AccessDeniedException", "the caller may not do this: check its policy")
	case Reject:
		return badRequest("the request is not valid: change it")
	case ExpireToken:
		return errTokenExpired
	}
	return nil
}
