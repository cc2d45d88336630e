package workflows_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"healthlake-cdc/internal/cdc"
)

const (
	datastore = "0123456789abcdef0123456789abcdef"
	pageSize  = 100
	// margin is what the double gives beside the asked span, on both sides.
	margin = 2 * time.Second
)

// storedVersion is one version in the double's write log.
type storedVersion struct {
	cdc.Version
	body       []byte
	written    time.Time
	searchable time.Time
}

// call is one request that the double was sent.
type call struct {
	op, resourceType string
	at               time.Time
	further, idsOnly bool
	id               string
}

// store is a FHIR store in memory: a version is searchable some time after it
// was written, and hides the one before at once.
type store struct {
	mu     sync.Mutex
	now    func() time.Time
	log    []storedVersion
	filled int
	// calls holds every request, in the order of their coming.
	calls []call
	// fail answers a request with an error.
	fail func(call) error
	// before is called ahead of each request, with the store unlocked.
	before func(call)
	// clock is how far the store's Date lies from the workflows' time; dates
	// reports whether it sends one.
	clock time.Duration
	dates bool
	// totals reports whether searches count their matches.
	totals bool
	// countsEarly is how far before the asked span a count's boundaries are read.
	countsEarly time.Duration
	// history reports whether replaced versions can be read.
	history bool
	// leads changes where the next link of a page leads to, by the positions of the
	// page and of the one that follows.
	leads func(from, next int) int
	// uncounted is from when on counts are null.
	uncounted time.Time
	// seen is the last search's sight, inSight what it showed.
	seen    sight
	inSight []storedVersion
}

// write adds the next version of a resource, written at its lastUpdated and
// searchable lag later.
func (s *store) write(resourceType, id string, at time.Time, lag time.Duration, size int) storedVersion {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := 1
	for _, v := range s.log {
		if v.Type == resourceType && v.ID == id {
			number++
		}
	}
	return s.add(resourceType, id, number, at, lag, size)
}

func (s *store) add(resourceType, id string, number int, at time.Time, lag time.Duration, size int) storedVersion {
	version := cdc.Version{
		Type: resourceType, ID: id, VersionID: strconv.Itoa(number),
		LastUpdated: at.UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	head := fmt.Sprintf(`{"resourceType":%q,"id":%q,"meta":{"versionId":%q,"lastUpdated":%q},"text":{"div":"<div>`,
		resourceType, id, version.VersionID, version.LastUpdated)
	const tail = `</div>"}}`
	body := head + strings.Repeat("a", max(0, size-len(head)-len(tail))) + tail
	v := storedVersion{Version: version, body: []byte(body), written: at, searchable: at.Add(lag)}
	s.log = append(s.log, v)
	return v
}

// fill writes n new resources of a type at a moment, searchable at once.
func (s *store) fill(resourceType string, n int, at time.Time, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.filled++
		s.add(resourceType, fmt.Sprintf("SECRET-fill-%05d", s.filled), 1, at, 0, size)
	}
}

// current returns what is the latest written version of each resource of a type.
func (s *store) current(resourceType string, now time.Time) map[string]storedVersion {
	latest := make(map[string]storedVersion)
	for _, v := range s.log {
		if v.Type == resourceType && !v.written.After(now) {
			latest[v.ID] = v
		}
	}
	return latest
}

// sight is what a search depends on; pages of one sight are worked out once.
type sight struct {
	resourceType string
	span         cdc.Span
	now          time.Time
	writtenSoFar int
}

func (s *store) shown(resourceType string, span cdc.Span) []storedVersion {
	now := s.now()
	key := sight{resourceType, span, now, len(s.log)}
	if s.seen == key {
		return s.inSight
	}
	var shown []storedVersion
	for _, v := range s.current(resourceType, now) {
		if !v.searchable.After(now) && span.Contains(v.Time()) {
			shown = append(shown, v)
		}
	}
	slices.SortFunc(shown, func(a, b storedVersion) int { return strings.Compare(a.ID, b.ID) })
	s.seen, s.inSight = key, shown
	return shown
}

// enter notes a request and answers it with the script's error.
func (s *store) enter(c call) error {
	c.at = s.now()
	if s.before != nil {
		s.before(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
	if s.fail != nil {
		return s.fail(c)
	}
	return nil
}

func (s *store) Search(_ context.Context, r cdc.SearchRequest) (cdc.Page, error) {
	if err := s.enter(call{op: "search", resourceType: r.Type, idsOnly: r.IDsOnly}); err != nil {
		return cdc.Page{}, err
	}
	return s.page(r.Type, r.Span, 0, r.IDsOnly)
}

func (s *store) Next(_ context.Context, _, resourceType, next string) (cdc.Page, error) {
	parts := strings.Split(next, "|")
	if len(parts) != 4 {
		return cdc.Page{}, &cdc.Error{Op: "GET {Type}?page", Class: cdc.ClassInvalidRequest, Status: 400}
	}
	offset, _ := strconv.Atoi(parts[0])
	idsOnly := parts[1] == "ids"
	from, _ := time.Parse(time.RFC3339Nano, parts[2])
	to, _ := time.Parse(time.RFC3339Nano, parts[3])
	if err := s.enter(call{op: "search", resourceType: resourceType, further: true, idsOnly: idsOnly}); err != nil {
		return cdc.Page{}, err
	}
	return s.page(resourceType, cdc.Span{From: from, To: to}, offset, idsOnly)
}

func (s *store) page(resourceType string, span cdc.Span, offset int, idsOnly bool) (cdc.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := s.shown(resourceType, cdc.Span{From: span.From.Add(-margin), To: span.To.Add(margin)})
	page := cdc.Page{Total: -1}
	if s.totals {
		page.Total = len(shown)
	}
	if s.dates {
		page.Date = s.now().Add(s.clock)
	}
	end := min(len(shown), offset+pageSize)
	for _, v := range shown[min(offset, end):end] {
		resource := cdc.Resource{Version: v.Version, Body: v.body}
		if idsOnly {
			resource.Body = nil
		}
		page.Resources = append(page.Resources, resource)
	}
	if s.leads != nil {
		end = s.leads(offset, end)
	}
	if end < len(shown) {
		kind := "all"
		if idsOnly {
			kind = "ids"
		}
		page.Next = fmt.Sprintf("%d|%s|%s|%s", end, kind, span.From.Format(time.RFC3339Nano), span.To.Format(time.RFC3339Nano))
	}
	return page, nil
}

func (s *store) Count(_ context.Context, _, resourceType string, span cdc.Span) (int, error) {
	if err := s.enter(call{op: "count", resourceType: resourceType}); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.uncounted.IsZero() && !s.now().Before(s.uncounted) {
		return cdc.NotCounted, nil
	}
	return len(s.shown(resourceType, cdc.Span{From: span.From.Add(-s.countsEarly), To: span.To.Add(-s.countsEarly)})), nil
}

func (s *store) Read(_ context.Context, _, resourceType, id string) (cdc.Resource, error) {
	if err := s.enter(call{op: "read", resourceType: resourceType, id: id}); err != nil {
		return cdc.Resource{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.current(resourceType, s.now())[id]
	if !ok {
		return cdc.Resource{}, &cdc.Error{Op: "GET {Type}/{id}", Class: cdc.ClassNotFound, Status: 404}
	}
	return cdc.Resource{Version: v.Version, Body: v.body}, nil
}

func (s *store) VRead(_ context.Context, _, resourceType, id, version string) (cdc.Resource, error) {
	if err := s.enter(call{op: "vread", resourceType: resourceType, id: id}); err != nil {
		return cdc.Resource{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.log {
		if s.history && v.Type == resourceType && v.ID == id && v.VersionID == version {
			return cdc.Resource{Version: v.Version, Body: v.body}, nil
		}
	}
	return cdc.Resource{}, &cdc.Error{Op: "GET {Type}/{id}/_history/{version}", Class: cdc.ClassNotFound, Status: 404}
}

func (s *store) History(_ context.Context, _, resourceType, id, _ string) (cdc.Page, error) {
	if err := s.enter(call{op: "history", resourceType: resourceType, id: id}); err != nil {
		return cdc.Page{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.history {
		return cdc.Page{}, &cdc.Error{Op: "GET {Type}/{id}/_history", Class: cdc.ClassInvalidRequest, Status: 400}
	}
	var page cdc.Page
	for _, v := range slices.Backward(s.log) {
		if v.Type == resourceType && v.ID == id {
			page.Resources = append(page.Resources, cdc.Resource{Version: v.Version, Body: v.body})
		}
	}
	return page, nil
}

// made returns the requests of one kind and type, any type when it is empty.
func (s *store) made(op, resourceType string) []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var made []call
	for _, c := range s.calls {
		if c.op == op && (resourceType == "" || c.resourceType == resourceType) {
			made = append(made, c)
		}
	}
	return made
}

// firstPages returns when each first page of a type was asked for.
func (s *store) firstPages(resourceType string) []time.Time {
	var at []time.Time
	for _, c := range s.made("search", resourceType) {
		if !c.further {
			at = append(at, c.at)
		}
	}
	return at
}

// keys returns the idempotency keys of the versions that keep approves.
func (s *store) keys(keep func(storedVersion) bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, v := range s.log {
		if keep(v) {
			keys = append(keys, v.IdempotencyKey(datastore))
		}
	}
	slices.Sort(keys)
	return keys
}

// lasting is an error that is not retried within an attempt: the store asks to
// wait for longer than an attempt does.
func lasting(class cdc.Class, status int) error {
	return &cdc.Error{Op: "GET {Type}?_lastUpdated", Class: class, Status: status, RetryAfter: 3 * time.Second}
}
