package simulator

import (
	"crypto/sha256"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// datastore is one store's state. Bodies never change once written, so they are
// read without the lock.
type datastore struct {
	id  string
	srv *Server

	mu    sync.RWMutex
	types map[string]*typeStore
	log   []*version

	quota quota
	stats *counters
	subs  subscriptions
}

type typeStore struct {
	resources map[string]*resource
	// index holds every version except tombstones, ordered by (lastUpdated, seq): a
	// search for a time range touches only what was written in it.
	index []*version
	// unreadable are entries that search shows and that are not resources.
	unreadable []unreadableEntry
}

type resource struct {
	typ, id  string
	versions []*version // versions[i] has versionId i+1
}

func (r *resource) latest() *version {
	if r == nil || len(r.versions) == 0 {
		return nil
	}
	return r.versions[len(r.versions)-1]
}

// version is one version of a resource or, when deleted, a tombstone.
type version struct {
	res         *resource
	num         int
	seq         int       // position in the write log
	written     time.Time // by the store's clock; lastUpdated may lose digits
	lastUpdated time.Time
	stamp       string // lastUpdated as written
	searchable  time.Time
	deleted     bool
	body        []byte
	digest      [sha256.Size]byte
	eventID     string
}

func newDatastore(srv *Server, id string) *datastore {
	d := &datastore{id: id, srv: srv, types: map[string]*typeStore{}, quota: newQuota(srv.cfg.Limits), stats: newCounters()}
	for _, t := range srv.cfg.Types {
		d.types[t] = &typeStore{resources: map[string]*resource{}}
	}
	return d
}

// get returns the newest version, nil if there never was one. It locks the store.
func (d *datastore) get(typ, id string) *version {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.types[typ].resources[id].latest()
}

// commit appends a version of typ/id; a nil draft deletes. The caller holds the
// lock and has checked the preconditions.
func (d *datastore) commit(typ, id string, body *draft, eventID string) *version {
	ts := d.types[typ]
	res := ts.resources[id]
	if res == nil {
		res = &resource{typ: typ, id: id}
		ts.resources[id] = res
	}
	now := d.srv.now()
	v := &version{
		res: res, num: len(res.versions) + 1, seq: len(d.log), deleted: body == nil, eventID: eventID,
		written: now, searchable: now,
	}
	var before time.Time
	if last := res.latest(); last != nil {
		before = last.lastUpdated
	}
	v.lastUpdated, v.stamp = d.srv.lastUpdated(now, before)
	if !v.deleted {
		d.srv.lag.do(func(r *rand.Rand) { v.searchable = now.Add(max(0, d.srv.searchLag()(d.id, typ, r))) })
		v.body = body.render(id, strconv.Itoa(v.num), v.stamp)
		v.digest = sha256.Sum256(v.body)
		ts.add(v)
	}
	res.versions = append(res.versions, v)
	d.log = append(d.log, v)
	d.stats.wrote(typ, v)
	d.notify(v)
	return v
}

// add keeps the index ordered. Writes come in order, except within a millisecond (with 3
// digits), and after the clock was set back.
func (t *typeStore) add(v *version) {
	t.index = append(t.index, v)
	for i := len(t.index) - 1; i > 0 && t.index[i].before(t.index[i-1]); i-- {
		t.index[i], t.index[i-1] = t.index[i-1], t.index[i]
	}
}

func (v *version) before(o *version) bool {
	if c := v.lastUpdated.Compare(o.lastUpdated); c != 0 {
		return c < 0
	}
	return v.seq < o.seq
}

// shown reports whether a search at time now has v in its result. By default
// only the newest version counts: while it is being indexed, the resource is in
// no result at all. A strong search falls back to the version before, where
// that one had been indexed. The caller holds the lock.
func (v *version) shown(now time.Time, strong bool) bool {
	if v.deleted || v.searchable.After(now) {
		return false
	}
	newer := v.res.versions[v.num:]
	if len(newer) == 0 {
		return true
	}
	if !strong || newer[len(newer)-1].deleted {
		return false
	}
	return !slices.ContainsFunc(newer, func(n *version) bool { return !n.searchable.After(now) })
}

// ifMatch rejects a write whose If-Match names another version than the newest.
func ifMatch(header string, latest *version) *problem {
	if header == "" {
		return nil
	}
	if latest == nil || header != latest.etag() {
		return &problem{
			status: http.StatusPreconditionFailed, issue: "conflict", code: "PreconditionFailedException",
			text: "version conflict: read the resource and repeat the change on its newest version",
		}
	}
	return nil
}

func (v *version) etag() string { return `W/"` + strconv.Itoa(v.num) + `"` }

const (
	millisecondLayout = "2006-01-02T15:04:05.000Z"
	nanosecondLayout  = "2006-01-02T15:04:05.000000000Z"
)

// lastUpdated is the time of a write as meta carries it, never before the
// resource's version before.
func (s *Server) lastUpdated(now, before time.Time) (time.Time, string) {
	digits := s.cfg.Digits
	if digits == MixedDigits {
		s.digits.do(func(r *rand.Rand) { digits = Digits(r.IntN(2)) })
	}
	if digits == Milliseconds {
		if t := now.Truncate(time.Millisecond); !t.Before(before) {
			return t, t.Format(millisecondLayout)
		}
	}
	if now.Before(before) {
		now = before // the clock was set back
	}
	return now, now.Format(nanosecondLayout)
}
