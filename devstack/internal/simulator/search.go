package simulator

import (
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"
)

// ConsistencyHeader, with the value "strong", makes a search show the version before the
// one that is being indexed.
const ConsistencyHeader = "x-amz-fhir-history-consistency-level"

func search(c *call) (*reply, *problem) {
	if !c.s.known[c.typ] {
		return nil, &problem{status: http.StatusBadRequest, issue: "not-supported", code: "ValidationException",
			text: "the resource type is not searchable: see the CapabilityStatement"}
	}
	q, p := c.searchParams()
	if p != nil {
		return nil, p
	}
	strong := strings.EqualFold(c.header.Get(ConsistencyHeader), "strong")
	found := c.ds.find(c.typ, q, c.s.now(), strong)
	extra := c.ds.unreadableEntries(c.typ, q)
	found.total += len(extra)

	b := newBundle("searchset", c.s.now())
	switch counted := q.total || q.summary == "count"; {
	case counted && c.hasFault(NullTotal):
		b.nullTotal()
	case counted:
		b.total(found.total)
	}
	b.link("self", c.link(""))
	if q.summary == "count" {
		return &reply{status: http.StatusOK, body: b.bytes()}, nil
	}
	switch {
	case c.hasFault(LinkItself):
		b.link("next", c.link(c.query.Get(pageParam)))
	case c.hasFault(LinkFirst):
		b.link("next", c.base+"/"+c.listPath()+"?"+c.firstPage().Encode())
	case found.more:
		last := found.page[len(found.page)-1]
		at := position{Nanos: last.lastUpdated.UnixNano(), Seq: last.seq}
		b.link("next", c.link(c.s.tokens.seal(at, c.scope(), c.s.now())))
	}
	for i, v := range found.page {
		if i%2 == 1 && c.hasFault(Hide) {
			continue
		}
		e := searchEntry{FullURL: c.base + "/" + c.typ + "/" + v.res.id, Search: searchMode{"match"}}
		b.entry(e, q.subset(v.body))
	}
	if q.after == nil {
		for _, entry := range extra {
			b.raw(entry)
		}
	}
	return &reply{status: http.StatusOK, body: b.bytes()}, nil
}

type searchEntry struct {
	FullURL string     `json:"fullUrl"`
	Search  searchMode `json:"search"`
}

type searchMode struct {
	Mode string `json:"mode"`
}

type foundPage struct {
	page  []*version
	more  bool
	total int // only if requested
}

// find reads one page, in the order of the index or backwards. Its cost is proportional
// to the time range or, without a total and with little that is hidden, to the page.
func (d *datastore) find(typ string, q searchParams, now time.Time, strong bool) foundPage {
	d.mu.RLock()
	defer d.mu.RUnlock()
	candidates := d.candidates(typ, q)
	match := func(v *version) bool {
		for _, date := range q.dates {
			if !date.match(v.lastUpdated) {
				return false
			}
		}
		return v.shown(now, strong)
	}
	var out foundPage
	if q.total || q.summary == "count" {
		for _, v := range candidates {
			if match(v) {
				out.total++
			}
		}
	}
	if q.summary == "count" {
		return out
	}
	i, step, end := 0, 1, len(candidates)
	if q.descending {
		i, step, end = len(candidates)-1, -1, -1
	}
	if q.after != nil {
		i = q.resume(candidates)
	}
	for ; i != end; i += step {
		if !match(candidates[i]) {
			continue
		}
		if len(out.page) == q.count {
			out.more = true
			break
		}
		out.page = append(out.page, candidates[i])
	}
	return out
}

// resume is the index of the first candidate behind q.after in the direction of
// the search.
func (q searchParams) resume(candidates []*version) int {
	mark := &version{lastUpdated: time.Unix(0, q.after.Nanos), seq: q.after.Seq}
	if q.descending {
		return sort.Search(len(candidates), func(i int) bool { return !candidates[i].before(mark) }) - 1
	}
	return sort.Search(len(candidates), func(i int) bool { return mark.before(candidates[i]) })
}

// candidates are the versions that match the dates or ids, in index order. The caller
// holds the lock.
func (d *datastore) candidates(typ string, q searchParams) []*version {
	ts := d.types[typ]
	if q.ids != nil {
		var named []*version
		for id := range q.ids {
			if res := ts.resources[id]; res != nil {
				named = append(named, slices.DeleteFunc(slices.Clone(res.versions), func(v *version) bool { return v.deleted })...)
			}
		}
		sort.Slice(named, func(i, j int) bool { return named[i].before(named[j]) })
		return named
	}
	from, to := time.Time{}, time.Unix(1<<40, 0)
	for _, date := range q.dates {
		from, to = date.narrow(from, to)
	}
	first := sort.Search(len(ts.index), func(i int) bool { return !ts.index[i].lastUpdated.Before(from) })
	last := sort.Search(len(ts.index), func(i int) bool { return !ts.index[i].lastUpdated.Before(to) })
	return ts.index[first:max(first, last)]
}
