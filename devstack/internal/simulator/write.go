package simulator

import (
	"net/http"
	"strings"
)

func create(c *call) (*reply, *problem) {
	body, p := c.s.cfg.newDraft(c.typ, c.body)
	if p != nil {
		return nil, p
	}
	c.id = c.s.ids.uuid()
	c.ds.mu.Lock()
	v := c.ds.commit(c.typ, c.id, body, c.eventID)
	c.ds.mu.Unlock()
	return c.written(v, http.StatusCreated), nil
}

func update(c *call) (*reply, *problem) {
	body, p := c.updateDraft(c.body)
	if p != nil {
		return nil, p
	}
	c.ds.mu.Lock()
	defer c.ds.mu.Unlock()
	latest := c.ds.types[c.typ].resources[c.id].latest()
	if p := ifMatch(c.header.Get("If-Match"), latest); p != nil {
		return nil, p
	}
	return c.written(c.ds.commit(c.typ, c.id, body, c.eventID), updateStatus(latest)), nil
}

func (c *call) updateDraft(body []byte) (*draft, *problem) {
	d, p := c.s.cfg.newDraft(c.typ, body)
	if p != nil {
		return nil, p
	}
	if !c.s.cfg.allows(c.id) || d.id != c.id {
		return nil, invalidResource("the resource's id is not that of the path: send the same id in both")
	}
	return d, nil
}

// updateStatus is 201 for a new or recreated resource, otherwise 200.
func updateStatus(latest *version) int {
	if latest == nil || latest.deleted {
		return http.StatusCreated
	}
	return http.StatusOK
}

// remove returns 204 also if the resource is deleted already: deleting is idempotent, and
// writes no second tombstone.
func remove(c *call) (*reply, *problem) {
	c.ds.mu.Lock()
	defer c.ds.mu.Unlock()
	latest := c.ds.types[c.typ].resources[c.id].latest()
	if latest == nil {
		return nil, errNoResource
	}
	if p := ifMatch(c.header.Get("If-Match"), latest); p != nil {
		return nil, p
	}
	if !latest.deleted {
		latest = c.ds.commit(c.typ, c.id, nil, c.eventID)
	}
	return &reply{status: http.StatusNoContent, header: http.Header{"Etag": {latest.etag()}}}, nil
}

var errNoResource = notFound("there is no such resource: check type and id")

func (c *call) written(v *version, status int) *reply {
	rep := &reply{status: status, body: v.body, header: v.headers(c.base)}
	if strings.Contains(c.header.Get("Prefer"), "return=minimal") {
		rep.body = nil
	}
	return rep
}
