// Package healthlaketest has the FHIR store of this module's tests, in memory. A test calls
// it directly, in the test's own time ([Store]), or over HTTP, below the real client
// ([Server]).
package healthlaketest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"healthlake-cdc/internal/cdc"
)

// Stored is a version in the store's log.
type Stored struct {
	cdc.Resource
	// Written is when reads see it; from then on it hides the version before. Searchable is
	// when searches show it.
	Written, Searchable time.Time
	// Erased versions are not in the history.
	Erased bool
}

// Call is one request: a search, a count, a read, a vread or a history.
type Call struct {
	Op, Type, ID string
	At           time.Time
	// Further is set for each page after the first.
	Further, IDsOnly bool
	// Span is of a search's first page.
	Span cdc.Span
}

// Store is a FHIR store. Set its fields before a request, or while Before or Fail runs.
type Store struct {
	mu sync.Mutex
	// Now is the test's time; without it, all that was written is shown.
	Now func() time.Time
	// Log holds the versions in the order of their writes, Calls the requests.
	Log   []Stored
	Calls []Call
	// Before is called ahead of each request; Fail returns the error of a request.
	Before func(Call)
	Fail   func(Call) error

	PageSize, HistoryPageSize int
	// Margin is what searches show beside their span, on both sides.
	Margin time.Duration
	// Leads changes which position the next link of a page leads to.
	Leads func(from, next int) int
	// Totals reports whether searches count their matches.
	Totals bool
	// Clock is how far the store's clock, the date of a response, is from Now.
	Clock time.Duration
	// CountsEarly is how far before its span a count begins and ends; from Uncounted on, there
	// is no count.
	CountsEarly time.Duration
	Uncounted   time.Time
	// HistoryLag is how long after its write history shows a version.
	HistoryLag time.Duration

	numbers map[string]int
	filled  int
	// The last search is kept: its pages are worked out once.
	last  search
	found []Stored
}

// search is what decides what a search shows.
type search struct {
	resourceType string
	span         cdc.Span
	now          time.Time
	writes       int
}

// New returns an empty store.
func New() *Store {
	return &Store{Totals: true, PageSize: cdc.PageSize}
}

// Write adds the next version of a resource, of at least that size, searchable lag later.
func (s *Store) Write(resourceType, id string, at time.Time, lag time.Duration, size int) Stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(resourceType, id, at, lag, size)
}

func (s *Store) write(resourceType, id string, at time.Time, lag time.Duration, size int) Stored {
	v := s.next(resourceType, id, at)
	head := fmt.Sprintf(`{"resourceType":%q,"id":%q,"meta":{"versionId":%q,"lastUpdated":%q},"text":{"div":"<div>`,
		resourceType, id, v.VersionID, v.LastUpdated)
	const tail = `</div>"}}`
	v.Body = []byte(head + Text(resourceType+id+v.VersionID, size-len(head)-len(tail)) + tail)
	v.Searchable = at.Add(lag)
	s.Log = append(s.Log, v)
	return v
}

// letters are those of Text.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// Text is a text of so many letters, which its name decides. It does not shrink to less
// than three quarters, as attachments do not.
func Text(name string, size int) string {
	seed := sha256.Sum256([]byte(name))
	random := rand.New(rand.NewChaCha8(seed)) //nolint:gosec // no secret: the same for the same name
	text := make([]byte, max(0, size))
	for i := 0; i < len(text); i += 10 {
		bits := random.Uint64()
		for j := i; j < min(i+10, len(text)); j++ {
			text[j] = letters[bits&63]
			bits >>= 6
		}
	}
	return string(text)
}

// next numbers the next version of a resource.
func (s *Store) next(resourceType, id string, at time.Time) Stored {
	if s.numbers == nil {
		s.numbers = make(map[string]int)
	}
	s.numbers[resourceType+"/"+id]++
	return Stored{Written: at, Searchable: at, Resource: cdc.Resource{Version: cdc.Version{
		Type: resourceType, ID: id, VersionID: strconv.Itoa(s.numbers[resourceType+"/"+id]),
		LastUpdated: at.UTC().Format(time.RFC3339Nano),
	}}}
}

// Delete adds a tombstone.
func (s *Store) Delete(resourceType, id string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.next(resourceType, id, at)
	v.Deleted = true
	s.Log = append(s.Log, v)
}

// Fill writes n new resources of a type, searchable at once.
func (s *Store) Fill(resourceType string, n int, at time.Time, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.filled++
		s.write(resourceType, fmt.Sprintf("SECRET-fill-%05d", s.filled), at, 0, size)
	}
}

// now is the moment of a request, zero when there is no time.
func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Time{}
	}
	return s.Now()
}

// passed reports whether a moment is not in the future.
func (s *Store) passed(at time.Time) bool { return s.Now == nil || !at.After(s.Now()) }

// shown is what a search shows: the newest versions of a type in a span, by their IDs.
func (s *Store) shown(resourceType string, span cdc.Span) []Stored {
	this := search{resourceType, span, s.now(), len(s.Log)}
	if s.last == this {
		return s.found
	}
	newest := make(map[string]Stored)
	for _, v := range s.Log {
		if v.Type == resourceType && s.passed(v.Written) {
			newest[v.ID] = v
		}
	}
	var found []Stored
	for _, v := range newest {
		if !v.Deleted && s.passed(v.Searchable) && span.Contains(v.Time()) {
			found = append(found, v)
		}
	}
	slices.SortFunc(found, func(a, b Stored) int { return strings.Compare(a.ID, b.ID) })
	s.last, s.found = this, found
	return found
}

// page is the page of all that begins at a position, and where it ends.
func page[T any](all []T, from, size int) ([]T, int) {
	end := min(len(all), from+size)
	return all[min(from, end):end], end
}

// enter notes a request. It returns the test's error of it.
func (s *Store) enter(c Call) error {
	c.At = s.now()
	if s.Before != nil {
		s.Before(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Calls = append(s.Calls, c)
	if s.Fail != nil {
		return s.Fail(c)
	}
	return nil
}

// Search returns a page of a search.
func (s *Store) Search(_ context.Context, r cdc.SearchRequest) (cdc.Page, error) {
	if r.Next != "" {
		return s.further(r.Type, r.Next)
	}
	if err := s.enter(Call{Op: "search", Type: r.Type, IDsOnly: r.IDsOnly, Span: r.Span}); err != nil {
		return cdc.Page{}, err
	}
	return s.page(r.Type, r.Span, 0, r.IDsOnly), nil
}

// further returns a further page.
func (s *Store) further(resourceType, next string) (cdc.Page, error) {
	parts := strings.Split(next, "|")
	if len(parts) != 4 {
		return cdc.Page{}, failure("GET {Type}?page", cdc.ClassInvalidRequest, http.StatusBadRequest)
	}
	offset, _ := strconv.Atoi(parts[0])
	idsOnly := parts[1] == "ids"
	from, _ := time.Parse(time.RFC3339Nano, parts[2])
	to, _ := time.Parse(time.RFC3339Nano, parts[3])
	if err := s.enter(Call{Op: "search", Type: resourceType, Further: true, IDsOnly: idsOnly}); err != nil {
		return cdc.Page{}, err
	}
	return s.page(resourceType, cdc.Span{From: from, To: to}, offset, idsOnly), nil
}

func (s *Store) page(resourceType string, span cdc.Span, offset int, idsOnly bool) cdc.Page {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := s.shown(resourceType, cdc.Span{From: span.From.Add(-s.Margin), To: span.To.Add(s.Margin)})
	result := cdc.Page{Total: cdc.NotCounted}
	if s.Totals {
		result.Total = len(shown)
	}
	if s.Now != nil {
		result.Date = s.now().Add(s.Clock)
	}
	versions, end := page(shown, offset, s.PageSize)
	kind := "all"
	if idsOnly {
		kind = "ids"
	}
	for _, v := range versions {
		if idsOnly {
			v.Body = nil
		}
		result.Resources = append(result.Resources, v.Resource)
	}
	if s.Leads != nil {
		end = s.Leads(offset, end)
	}
	if end < len(shown) {
		result.Next = fmt.Sprintf("%d|%s|%s|%s", end, kind, span.From.Format(time.RFC3339Nano), span.To.Format(time.RFC3339Nano))
	}
	return result
}

// Count returns how many versions a search would show.
func (s *Store) Count(_ context.Context, _, resourceType string, span cdc.Span) (int, error) {
	if err := s.enter(Call{Op: "count", Type: resourceType}); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Uncounted.IsZero() && s.passed(s.Uncounted) {
		return cdc.NotCounted, nil
	}
	return len(s.shown(resourceType, cdc.Span{From: span.From.Add(-s.CountsEarly), To: span.To.Add(-s.CountsEarly)})), nil
}

// Read returns the newest version of a resource.
func (s *Store) Read(_ context.Context, _, resourceType, id string) (cdc.Resource, error) {
	if err := s.enter(Call{Op: "read", Type: resourceType, ID: id}); err != nil {
		return cdc.Resource{}, err
	}
	return s.newest(resourceType, id, func(v Stored) bool { return s.passed(v.Written) })
}

// VRead returns a version of a resource.
func (s *Store) VRead(_ context.Context, _, resourceType, id, version string) (cdc.Resource, error) {
	if err := s.enter(Call{Op: "vread", Type: resourceType, ID: id}); err != nil {
		return cdc.Resource{}, err
	}
	return s.newest(resourceType, id, func(v Stored) bool { return !v.Erased && v.VersionID == version })
}

// newest is the newest version of a resource that is as asked for.
func (s *Store) newest(resourceType, id string, asked func(Stored) bool) (cdc.Resource, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range slices.Backward(s.Log) {
		switch {
		case v.Type != resourceType || v.ID != id || !asked(v):
		case v.Deleted:
			return cdc.Resource{}, failure("GET {Type}/{id}", cdc.ClassNotFound, http.StatusGone)
		default:
			return v.Resource, nil
		}
	}
	return cdc.Resource{}, failure("GET {Type}/{id}", cdc.ClassNotFound, http.StatusNotFound)
}

// History returns a page of a resource's versions, the newest first.
func (s *Store) History(_ context.Context, _, resourceType, id, next string) (cdc.Page, error) {
	if err := s.enter(Call{Op: "history", Type: resourceType, ID: id, Further: next != ""}); err != nil {
		return cdc.Page{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.history(resourceType, id)
	if len(all) == 0 {
		return cdc.Page{}, failure("GET {Type}/{id}/_history", cdc.ClassNotFound, http.StatusNotFound)
	}
	size := s.HistoryPageSize
	if size == 0 {
		size = len(all)
	}
	from, _ := strconv.Atoi(next)
	resources, end := page(all, from, size)
	result := cdc.Page{Resources: resources}
	if end < len(all) {
		result.Next = strconv.Itoa(end)
	}
	return result, nil
}

func (s *Store) history(resourceType, id string) []cdc.Resource {
	var all []cdc.Resource
	for _, v := range slices.Backward(s.Log) {
		if v.Type == resourceType && v.ID == id && !v.Erased && s.passed(v.Written.Add(s.HistoryLag)) {
			all = append(all, v.Resource)
		}
	}
	return all
}

func failure(op string, class cdc.Class, status int) error {
	return &cdc.Error{Op: op, Class: class, Status: status}
}

// Made returns the requests of one kind and type, any type when it is empty.
func (s *Store) Made(op, resourceType string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var made []Call
	for _, c := range s.Calls {
		if c.Op == op && (resourceType == "" || c.Type == resourceType) {
			made = append(made, c)
		}
	}
	return made
}

// FirstPages returns when each first page of a type was asked for.
func (s *Store) FirstPages(resourceType string) []time.Time {
	var at []time.Time
	for _, c := range s.Made("search", resourceType) {
		if !c.Further {
			at = append(at, c.At)
		}
	}
	return at
}

// Keys returns the idempotency keys of the versions that keep approves, sorted.
func (s *Store) Keys(datastore string, keep func(Stored) bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, v := range s.Log {
		if keep(v) {
			keys = append(keys, v.IdempotencyKey(datastore))
		}
	}
	slices.Sort(keys)
	return keys
}
