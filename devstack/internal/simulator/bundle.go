package simulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// incoming is the part of a Bundle that the server reads.
type incoming struct {
	ResourceType string          `json:"resourceType"`
	Type         string          `json:"type"`
	Entry        []incomingEntry `json:"entry"`
}

type incomingEntry struct {
	FullURL  string          `json:"fullUrl"`
	Resource json.RawMessage `json:"resource"`
	Request  struct {
		Method      string `json:"method"`
		URL         string `json:"url"`
		IfMatch     string `json:"ifMatch"`
		IfNoneExist string `json:"ifNoneExist"`
	} `json:"request"`
}

func processBundle(c *call) (*reply, *problem) {
	var in incoming
	if err := json.Unmarshal(c.body, &in); err != nil || in.ResourceType != "Bundle" {
		return nil, invalidResource("the body is no Bundle: send a transaction or batch Bundle")
	}
	if len(in.Entry) > MaxBundleEntries {
		return nil, invalidResource("the bundle has more than 500 entries: split it")
	}
	if p := c.ds.quota.allow(quotaWrite, len(in.Entry), c.s.now()); p != nil {
		return nil, p
	}
	switch in.Type {
	case "transaction":
		return c.transaction(in.Entry)
	case "batch":
		return c.batch(in.Entry)
	}
	return nil, invalidResource("the bundle is neither a transaction nor a batch: set its type")
}

// entryCall is entry as a call of its own. Its errors name no entry's content.
func (c *call) entryCall(e incomingEntry) (*call, *problem) {
	sub := *c
	sub.id, sub.vid, sub.body, sub.fault = "", "", e.Resource, nil
	sub.query, sub.header = url.Values{}, http.Header{}
	if e.Request.IfMatch != "" {
		sub.header.Set("If-Match", e.Request.IfMatch)
	}
	if e.Request.IfNoneExist != "" {
		return nil, badRequest("conditional creates are not supported: send a PUT with an id")
	}
	path, query, _ := strings.Cut(strings.TrimPrefix(e.Request.URL, "/"), "?")
	typ, id, hasID := strings.Cut(path, "/")
	if c.ds.types[typ] == nil {
		return nil, notFound("the data store has no such resource type: see its CapabilityStatement")
	}
	if hasID && !c.s.cfg.allows(id) {
		return nil, badRequest("an entry's url is neither Type nor Type/id: send one of them")
	}
	sub.typ, sub.id = typ, id
	switch method := e.Request.Method; {
	case method == http.MethodPost && !hasID && query == "":
		sub.op = opCreate
	case method == http.MethodPut && hasID && query == "":
		sub.op = opUpdate
	case method == http.MethodDelete && hasID && query == "":
		sub.op = opDelete
	case method == http.MethodGet && hasID && query == "":
		sub.op = opRead
	case method == http.MethodGet && !hasID:
		values, err := url.ParseQuery(query)
		if err != nil {
			return nil, badRequest("an entry's query cannot be read: encode it")
		}
		sub.op, sub.query = opSearchGet, values
	default:
		return nil, badRequest("an entry's method and url do not go together: POST Type, PUT, DELETE or GET Type/id")
	}
	return &sub, nil
}

// batch runs each entry separately: one that fails does not stop the others.
func (c *call) batch(entries []incomingEntry) (*reply, *problem) {
	b := newBundle("batch-response", c.s.now())
	for _, e := range entries {
		sub, p := c.entryCall(e)
		var rep *reply
		if p == nil {
			rep, p = sub.op.run(sub)
		}
		if p != nil {
			rep = p.reply()
		}
		if sub != nil && sub.op.readOnly {
			c.ds.stats.responded(sub, rep.status)
		}
		b.entry(rep.bundleEntry(p != nil))
	}
	return &reply{status: http.StatusOK, body: b.bytes()}, nil
}

type responseEntry struct {
	Response entryResponse `json:"response"`
}

type entryResponse struct {
	Status       string          `json:"status"`
	Location     string          `json:"location,omitempty"`
	ETag         string          `json:"etag,omitempty"`
	LastModified string          `json:"lastModified,omitempty"`
	Outcome      json.RawMessage `json:"outcome,omitempty"`
}

func (rep *reply) bundleEntry(failed bool) (any, []byte) {
	e := responseEntry{entryResponse{
		Status: strconv.Itoa(rep.status), Location: rep.header.Get("Location"), ETag: rep.header.Get("Etag"),
	}}
	if at, err := http.ParseTime(rep.header.Get("Last-Modified")); err == nil {
		e.Response.LastModified = at.Format(millisecondLayout)
	}
	if failed {
		e.Response.Outcome = rep.body
		return e, nil
	}
	return e, rep.body
}

// transaction runs all entries or none: every check comes before the first write.
func (c *call) transaction(entries []incomingEntry) (*reply, *problem) {
	calls, resolved, p := c.transactionCalls(entries)
	if p != nil {
		return nil, p
	}
	drafts := make([]*draft, len(calls))
	for i, sub := range calls {
		body := resolveReferences(entries[i].Resource, resolved)
		switch sub.op {
		case opCreate:
			drafts[i], p = c.s.cfg.newDraft(sub.typ, body)
		case opUpdate:
			drafts[i], p = sub.updateDraft(body)
		}
		if p != nil {
			return nil, p
		}
	}
	replies := make([]*reply, len(calls))
	if p := c.ds.commitAll(calls, drafts, replies); p != nil {
		return nil, p
	}
	b := newBundle("transaction-response", c.s.now())
	for i, sub := range calls {
		if sub.op == opRead { // sees what the transaction wrote
			if replies[i], p = read(sub); p != nil {
				replies[i] = p.reply()
			}
			c.ds.stats.responded(sub, replies[i].status)
		}
		b.entry(replies[i].bundleEntry(replies[i].status >= http.StatusBadRequest))
	}
	return &reply{status: http.StatusOK, body: b.bytes()}, nil
}

// transactionCalls reads the entries, gives new resources their ids, and maps
// each entry's urn:uuid to the reference that replaces it.
func (c *call) transactionCalls(entries []incomingEntry) ([]*call, map[string]string, *problem) {
	calls := make([]*call, len(entries))
	resolved := map[string]string{}
	targets := map[string]bool{}
	for i, e := range entries {
		sub, p := c.entryCall(e)
		if p != nil {
			return nil, nil, p
		}
		if sub.op == opSearchGet {
			return nil, nil, badRequest("a transaction does not search: send the search separately")
		}
		if sub.op == opCreate {
			sub.id = c.s.ids.uuid()
		}
		reference := sub.typ + "/" + sub.id
		if !sub.op.readOnly {
			if targets[reference] {
				return nil, nil, badRequest("two entries of the transaction write the same resource: send them separately")
			}
			targets[reference] = true
		}
		if strings.HasPrefix(e.FullURL, urnPrefix) {
			if resolved[e.FullURL] != "" {
				return nil, nil, badRequest("two entries of the transaction have the same fullUrl: name each once")
			}
			resolved[e.FullURL] = reference
		}
		calls[i] = sub
	}
	return calls, resolved, nil
}

// commitAll checks every precondition, then writes.
func (d *datastore) commitAll(calls []*call, drafts []*draft, replies []*reply) *problem {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, sub := range calls {
		latest := d.types[sub.typ].resources[sub.id].latest()
		if sub.op == opDelete && latest == nil {
			return errNoResource
		}
		if p := ifMatch(sub.header.Get("If-Match"), latest); p != nil {
			return p
		}
	}
	for i, sub := range calls {
		latest := d.types[sub.typ].resources[sub.id].latest()
		switch sub.op {
		case opCreate, opUpdate:
			v := d.commit(sub.typ, sub.id, drafts[i], sub.eventID)
			replies[i] = &reply{status: updateStatus(latest), header: v.headers(sub.base)}
		case opDelete:
			if !latest.deleted {
				latest = d.commit(sub.typ, sub.id, nil, sub.eventID)
			}
			replies[i] = &reply{status: http.StatusNoContent, header: http.Header{"Etag": {latest.etag()}}}
		}
	}
	return nil
}

const urnPrefix = "urn:uuid:"

// resolveReferences replaces each JSON string of body that is a key of resolved.
// Other text, also a urn inside a longer string, stays unchanged.
func resolveReferences(body []byte, resolved map[string]string) []byte {
	if len(resolved) == 0 || !bytes.Contains(body, []byte(urnPrefix)) {
		return body
	}
	var out []byte
	rest := body
	for {
		i := bytes.Index(rest, []byte(`"`+urnPrefix))
		if i < 0 {
			return append(out, rest...)
		}
		end := bytes.IndexByte(rest[i+1:], '"')
		if end < 0 {
			return append(out, rest...)
		}
		urn := string(rest[i+1 : i+1+end])
		out = append(out, rest[:i+1]...)
		if reference, ok := resolved[urn]; ok {
			out = append(out, reference...)
		} else {
			out = append(out, urn...)
		}
		rest = rest[i+1+end:]
	}
}
