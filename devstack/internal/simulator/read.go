package simulator

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

func read(c *call) (*reply, *problem) {
	v := c.ds.get(c.typ, c.id)
	switch {
	case v == nil:
		return nil, errNoResource
	case v.deleted:
		return nil, errGone
	}
	return &reply{status: http.StatusOK, body: v.body, header: v.headers(c.base)}, nil
}

// versions are those of the resource that history shows by now, oldest first.
func (c *call) versions() ([]*version, *problem) {
	if slices.Contains(c.s.cfg.HistoryOff, c.typ) {
		return nil, &problem{status: http.StatusBadRequest, issue: "not-supported", code: "ValidationException",
			text: "history is switched off for this resource type: read the newest version instead"}
	}
	c.ds.mu.RLock()
	defer c.ds.mu.RUnlock()
	res := c.ds.types[c.typ].resources[c.id]
	if res == nil {
		return nil, errNoResource
	}
	horizon := c.s.historyHorizon()
	shown := slices.Clone(res.versions)
	return slices.DeleteFunc(shown, func(v *version) bool { return v.written.After(horizon) }), nil
}

func versionRead(c *call) (*reply, *problem) {
	versions, p := c.versions()
	if p != nil {
		return nil, p
	}
	for _, v := range versions {
		if strconv.Itoa(v.num) != c.vid {
			continue
		}
		if v.deleted {
			return nil, errGone
		}
		return &reply{status: http.StatusOK, body: v.body, header: v.headers(c.base)}, nil
	}
	return nil, notFound("there is no such version: history may lag, or the version was never written")
}

func history(c *call) (*reply, *problem) {
	count, cursor := c.s.cfg.DefaultCount, 0
	var since time.Time
	for name, values := range c.query {
		if len(values) != 1 {
			return nil, errRepeated
		}
		var p *problem
		switch name {
		case "_count":
			count, p = parseCount(values[0])
		case "_since":
			var err error
			if since, err = time.Parse(time.RFC3339Nano, values[0]); err != nil {
				p = badRequest("_since is no instant: send it as 2006-01-02T15:04:05Z")
			}
		case pageParam:
			var at position
			at, p = c.s.tokens.open(values[0], c.scope(), c.s.now())
			cursor = at.Seq
		default:
			p = errUnknownParam
		}
		if p != nil {
			return nil, p
		}
	}
	versions, p := c.versions()
	if p != nil {
		return nil, p
	}
	versions = slices.DeleteFunc(versions, func(v *version) bool { return v.lastUpdated.Before(since) })
	total := len(versions)
	if cursor > 0 {
		versions = slices.DeleteFunc(versions, func(v *version) bool { return v.num >= cursor })
	}
	slices.Reverse(versions)
	b := newBundle("history", c.s.now())
	b.total(total)
	b.link("self", c.link(""))
	if len(versions) > count {
		versions = versions[:count]
		b.link("next", c.link(c.s.tokens.seal(position{Seq: versions[count-1].num}, c.scope(), c.s.now())))
	}
	for _, v := range versions {
		members, body := v.historyEntry(c.base)
		if e, ok := members.(historyEntry); ok && v.deleted && c.hasFault(GetTombstones) {
			e.Request.Method, e.Response.Status = http.MethodGet, "410 Gone"
			members = e
		}
		b.entry(members, body)
	}
	return &reply{status: http.StatusOK, body: b.bytes()}, nil
}

type historyEntry struct {
	FullURL  string          `json:"fullUrl"`
	Request  historyRequest  `json:"request"`
	Response historyResponse `json:"response"`
}

type historyRequest struct {
	Method string `json:"method"`
	URL    string `json:"url"`
}

type historyResponse struct {
	Status       string `json:"status"`
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"lastModified,omitempty"`
	Location     string `json:"location,omitempty"`
}

func (v *version) historyEntry(base string) (any, []byte) {
	path := v.res.typ + "/" + v.res.id
	e := historyEntry{FullURL: base + "/" + path,
		Request:  historyRequest{Method: http.MethodPut, URL: path},
		Response: historyResponse{Status: "200", ETag: v.etag(), LastModified: v.stamp}}
	switch {
	case v.deleted:
		e.Request.Method, e.Response.Status = http.MethodDelete, "204"
	case v.num == 1:
		e.Request.Method, e.Request.URL, e.Response.Status = http.MethodPost, v.res.typ, "201"
	}
	return e, v.body
}
