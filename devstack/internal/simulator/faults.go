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
	Hang        FaultKind = "hang"         // no answer until the client leaves

	// Strange answers: 200, and everything there.
	ByteOrderMark FaultKind = "byte-order-mark" // a byte order mark before the body
	Pad           FaultKind = "pad"             // spaces behind the body, up to Fault.Bytes
	NullTotal     FaultKind = "null-total"      // "total": null, of searches and counts
	LinkItself    FaultKind = "link-itself"     // the next link leads to the page itself
	LinkFirst     FaultKind = "link-first"      // the next link leads to the first page
	GetTombstones FaultKind = "get-tombstones"  // history has deletes as GETs that were answered with 410
)

var faultKinds = []FaultKind{
	Throttle, ServerError, Forbid, Reject, ExpireToken, Truncate, HalfPage, Hang,
	ByteOrderMark, Pad, NullTotal, LinkItself, LinkFirst, GetTombstones,
}

// Fault fails the next Count requests that fit. A write that hangs, or any that
// is refused, has written nothing; one that is truncated has.
type Fault struct {
	Kind      FaultKind `json:"kind"`
	Of        Kind      `json:"of,omitempty"`        // default search
	Datastore string    `json:"datastore,omitempty"` // default any
	Type      string    `json:"type,omitempty"`      // default any
	// Further tells that only requests that carry a page token fit.
	Further bool `json:"further,omitempty"`
	// Bodies says that only searches for whole resources fit, ID that only requests
	// for that resource do.
	Bodies bool   `json:"bodies,omitempty"`
	ID     string `json:"id,omitempty"`
	Count  int    `json:"count"` // requests left; negative is without end
	// Bytes goes with Pad.
	Bytes int `json:"bytes,omitempty"`
	// RetryAfter goes with Throttle, in whole seconds.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
}

type faults struct {
	mu   sync.Mutex
	list []*Fault
	// expired are the page tokens that were refused: they stay so.
	expired map[string]bool
}

func newFaults() *faults { return &faults{expired: make(map[string]bool)} }

// InjectFault makes requests fail, after the faults that are already waiting.
func (s *Server) InjectFault(f Fault) error {
	if !slices.Contains(faultKinds, f.Kind) {
		return fmt.Errorf("there is no such kind of fault: use one of %v", faultKinds)
	}
	if f.Count == 0 {
		return errors.New("the fault is for no request: set its count")
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

// Faults are those still waiting.
func (s *Server) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	out := make([]Fault, 0, len(s.faults.list))
	for _, f := range s.faults.list {
		out = append(out, *f)
	}
	return out
}

// ClearFaults drops the faults still waiting. A request that hangs goes on
// hanging until its client leaves.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = nil
}

// take returns the first fault that fits c and counts it down.
func (f *faults) take(c *call) *Fault {
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

// problem is the refusal of a fault that refuses; nil for those that spoil an
// answer.
func (f *Fault) problem() *problem {
	switch f.Kind {
	case Throttle:
		return throttled(f.RetryAfter)
	case ServerError:
		return &problem{status: http.StatusInternalServerError, issue: "exception", code: "InternalServerException",
			text: "an internal error occurred: try again"}
	case Forbid:
		return forbidden("AccessDeniedException", "the caller may not do this: check its policy")
	case Reject:
		return badRequest("the request is not valid: change it")
	case ExpireToken:
		return errTokenExpired
	}
	return nil
}
