package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// operation is one interaction of the FHIR API.
type operation struct {
	name     string // CloudTrail's eventName
	kind     Kind
	quota    quotaClass
	readOnly bool
	run      func(*call) (*reply, *problem)
}

// call is one request, or one entry of a bundle.
type call struct {
	s            *Server
	op           *operation
	ds           *datastore
	typ, id, vid string
	query        url.Values
	header       http.Header
	body         []byte
	base         string // of fullUrl and links, without a final slash
	eventID      string // of the CloudTrail record
	requestID    string
	userAgent    string
	fault        *Fault
}

// reply is a response; header holds the additional headers.
type reply struct {
	status int
	body   []byte
	header http.Header
}

var (
	opMetadata     = &operation{name: "GetCapabilities", kind: KindRead, quota: quotaRead, readOnly: true, run: capabilities}
	opSearchGet    = &operation{name: "SearchWithGet", kind: KindSearch, quota: quotaSearchGet, readOnly: true, run: search}
	opSearchPost   = &operation{name: "SearchWithPost", kind: KindSearch, quota: quotaSearchPost, readOnly: true, run: search}
	opRead         = &operation{name: "ReadResource", kind: KindRead, quota: quotaRead, readOnly: true, run: read}
	opVersionRead  = &operation{name: "VersionReadResource", kind: KindHistory, quota: quotaRead, readOnly: true, run: versionRead}
	opHistory      = &operation{name: "GetHistoryByResourceId", kind: KindHistory, quota: quotaRead, readOnly: true, run: history}
	opCreate       = &operation{name: "CreateResource", kind: KindWrite, quota: quotaWrite, run: create}
	opUpdate       = &operation{name: "UpdateResource", kind: KindWrite, quota: quotaWrite, run: update}
	opDelete       = &operation{name: "DeleteResource", kind: KindWrite, quota: quotaWrite, run: remove}
	opProcessBatch = &operation{name: "ProcessBundle", kind: KindWrite, quota: quotaNone, run: processBundle} // takes one token per entry
)

func (s *Server) routes() *http.ServeMux {
	m := http.NewServeMux()
	const base = "/datastore/{store}/r4"
	for pattern, op := range map[string]*operation{
		"GET " + base + "/metadata":                   opMetadata,
		"POST " + base:                                opProcessBatch,
		"POST " + base + "/{$}":                       opProcessBatch,
		"GET " + base + "/{type}":                     opSearchGet,
		"POST " + base + "/{type}":                    opCreate,
		"POST " + base + "/{type}/_search":            opSearchPost,
		"GET " + base + "/{type}/{id}":                opRead,
		"PUT " + base + "/{type}/{id}":                opUpdate,
		"DELETE " + base + "/{type}/{id}":             opDelete,
		"GET " + base + "/{type}/{id}/_history":       opHistory,
		"GET " + base + "/{type}/{id}/_history/{vid}": opVersionRead,
	} {
		m.HandleFunc(pattern, s.serve(op))
	}
	s.subscriptionRoutes(m, base)
	m.HandleFunc("/datastore/", func(w http.ResponseWriter, _ *http.Request) { errNoInteraction.reply().write(w, nil) })
	s.adminRoutes(m)
	return m
}

func (s *Server) serve(op *operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, p := s.admit(op, w, r)
		if c != nil && c.fault != nil && c.fault.Kind == Hang {
			c.ds.stats.responded(c, 0)
			hang(r.Context())
			return
		}
		s.think(r.Context(), op.kind)
		var rep *reply
		if p == nil {
			rep, p = op.run(c)
		}
		if p != nil {
			rep = p.reply()
		}
		if c != nil {
			c.ds.stats.responded(c, rep.status)
			s.trail.record(s.record(c, r, rep.status, p))
		}
		rep.write(w, c)
	}
}

// admit reads and checks what all operations share. The call is nil if the caller is
// unknown: such a request gets no CloudTrail record.
func (s *Server) admit(op *operation, w http.ResponseWriter, r *http.Request) (*call, *problem) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.cfg.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &problem{status: http.StatusRequestEntityTooLarge, issue: "too-long", code: "ValidationException",
			text: "the request is larger than the service accepts: send less in one request"}
	case err != nil:
		return nil, badRequest("the request's body ended early: send it again")
	}
	sum := sha256.Sum256(body)
	query, p := s.auth.verify(r, hex.EncodeToString(sum[:]))
	if p != nil {
		return nil, p
	}
	ds := s.stores[r.PathValue("store")]
	if ds == nil {
		return nil, notFound("there is no such data store: check the id in the path")
	}
	c := &call{
		s: s, op: op, ds: ds, query: query, header: r.Header, body: body, userAgent: r.UserAgent(),
		typ: r.PathValue("type"), id: r.PathValue("id"), vid: r.PathValue("vid"),
		base: "http://" + r.Host + "/datastore/" + ds.id + "/r4", eventID: s.requests.uuid(), requestID: s.requests.uuid(),
	}
	if c.typ != "" && ds.types[c.typ] == nil {
		c.typ = ""
		return c, notFound("the data store has no such resource type: see its CapabilityStatement")
	}
	if op == opSearchPost {
		if p := c.addForm(); p != nil {
			return c, p
		}
	}
	if c.fault = s.faults.match(c); c.fault != nil {
		if p := c.fault.problem(); p != nil {
			return c, p
		}
	}
	return c, ds.quota.allow(op.quota, 1, s.now())
}

// addForm adds a POST search's parameters to those of its URL.
func (c *call) addForm() *problem {
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return badRequest("the form cannot be read: send application/x-www-form-urlencoded")
	}
	for name, values := range form {
		c.query[name] = append(c.query[name], values...)
	}
	return nil
}

func (rep *reply) write(w http.ResponseWriter, c *call) {
	h := w.Header()
	for name, values := range rep.header {
		h[name] = values
	}
	if len(rep.body) > 0 {
		h.Set("Content-Type", "application/fhir+json")
		h.Set("Content-Length", strconv.Itoa(len(rep.body)))
	}
	if c != nil {
		h.Set("X-Amzn-Requestid", c.requestID)
	}
	if c != nil && c.fault != nil && rep.status < 300 {
		switch half := rep.body[:len(rep.body)/2]; c.fault.Kind {
		case Truncate:
			h.Set("Content-Length", strconv.Itoa(len(half)))
			rep = &reply{status: rep.status, body: half}
		case HalfPage:
			w.WriteHeader(rep.status)
			_, _ = w.Write(half) //nolint:gosec // FHIR JSON, never shown as a page
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler) // closes the connection in the middle of the body
		case WrongType:
			rep = &reply{status: rep.status, body: []byte("<!DOCTYPE html><title>Sorry</title>")}
			h.Set("Content-Type", "text/html")
			h.Set("Content-Length", strconv.Itoa(len(rep.body)))
		case ByteOrderMark:
			rep = &reply{status: rep.status, body: append([]byte("\uFEFF"), rep.body...)}
			h.Set("Content-Length", strconv.Itoa(len(rep.body)))
		case Pad:
			h.Set("Content-Length", strconv.Itoa(max(c.fault.Bytes, len(rep.body))))
			w.WriteHeader(rep.status)
			_, _ = w.Write(rep.body) //nolint:gosec // FHIR JSON, never shown as a page
			pad(w, c.fault.Bytes-len(rep.body))
			return
		}
	}
	w.WriteHeader(rep.status)
	_, _ = w.Write(rep.body) //nolint:gosec // FHIR JSON, never shown as a page; fails only when the client has disconnected
}

func (v *version) headers(base string) http.Header {
	return http.Header{
		"Etag":          {v.etag()},
		"Last-Modified": {v.lastUpdated.Format(http.TimeFormat)},
		"Location":      {base + "/" + v.path()},
	}
}

func (v *version) path() string {
	return v.res.typ + "/" + v.res.id + "/_history/" + strconv.Itoa(v.num)
}

// historyHorizon is the time of the last writes that history shows.
func (s *Server) historyHorizon() time.Time { return s.now().Add(-s.cfg.HistoryLag) }
