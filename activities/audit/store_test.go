package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake"
)

// fhirStore is a FHIR server over HTTP, below the real client. Search shows the newest
// version of each resource, history all; pages go by position.
type fhirStore struct {
	*httptest.Server
	limit int64 // of the client's answers

	mu sync.Mutex
	// versions were written in this order, entries are shown by every search as they
	// are.
	versions []cdc.Resource
	entries  []string
	perPage  int
	// link is the next link of the page that begins at an entry, instead of the true
	// one.
	link func(from int) string
	// total is what the store says that it counts, as JSON; empty is the truth.
	total string
	// status fails a search of a type (further: of a next page), unless it is 0.
	status func(resourceType string, further bool) int
	// paged is called after each page, with the store unlocked.
	paged func(resourceType string)
	// reads are the statuses of reads, by the escaped path; historyStatus is that of all
	// histories, and history the entries of some, by id.
	reads         map[string]int
	historyStatus int
	history       map[string][]string

	searches  int
	bodies    int
	histories []string
}

// cleaner is a *testing.T or a *rapid.T.
type cleaner interface {
	require.TestingT
	Cleanup(func())
}

func newStore(t cleaner, entries ...string) *fhirStore {
	s := &fhirStore{entries: entries, perPage: cdc.PageSize, reads: map[string]int{}, history: map[string][]string{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// patientAt is a resource of some size.
func patientAt(id string, after time.Duration, size int) string {
	return resource(cdc.Version{Type: "Patient", ID: id, VersionID: "1", LastUpdated: auditStart.Add(after).Format(time.RFC3339Nano)}, size)
}

func resource(v cdc.Version, size int) string {
	id, _ := json.Marshal(v.ID)
	return fmt.Sprintf(`{"resourceType":%q,"id":%s,"meta":{"versionId":%q,"lastUpdated":%q},"x":%q}`,
		v.Type, id, v.VersionID, v.LastUpdated, strings.Repeat("x", size))
}

func (s *fhirStore) write(resourceType, id string, number int, at time.Time) cdc.Version {
	return s.writeLarge(resourceType, id, number, at, 1)
}

func (s *fhirStore) writeLarge(resourceType, id string, number int, at time.Time, size int) cdc.Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := cdc.Version{Type: resourceType, ID: id, VersionID: strconv.Itoa(number), LastUpdated: at.UTC().Format(time.RFC3339Nano)}
	s.versions = append(s.versions, cdc.Resource{Version: v, Body: []byte(resource(v, size))})
	return v
}

// shown is what a search shows: the entries, and the newest versions of a type in a span.
func (s *fhirStore) shown(resourceType string, span cdc.Span) []string {
	newest := make(map[string]cdc.Resource)
	for _, v := range s.versions {
		if v.Type == resourceType {
			newest[v.ID] = v
		}
	}
	var current []cdc.Resource
	for _, v := range newest {
		if !v.Deleted && span.Contains(v.Time()) {
			current = append(current, v)
		}
	}
	slices.SortFunc(current, func(a, b cdc.Resource) int { return strings.Compare(b.ID, a.ID) })
	shown := slices.Clone(s.entries)
	for _, v := range current {
		shown = append(shown, string(v.Body))
	}
	return shown
}

func (s *fhirStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resourceType, path, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/datastore/"+testStore+"/r4/"), "/")
	if path == "" {
		s.search(w, r, resourceType)
		if s.paged != nil {
			s.paged(resourceType)
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	segment, _, _ := strings.Cut(path, "/")
	id, err := url.PathUnescape(segment)
	switch status := s.reads["/"+path]; {
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
	case status != 0:
		w.WriteHeader(status)
	case strings.HasSuffix(path, "/_history"):
		s.serveHistory(w, r, resourceType, id)
	default:
		s.read(w, resourceType, id)
	}
}

func (s *fhirStore) read(w http.ResponseWriter, resourceType, id string) {
	for _, entry := range s.shown(resourceType, cdc.Span{To: auditStart.Add(ages)}) {
		var head struct{ ID any }
		if json.Unmarshal([]byte(entry), &head) == nil && head.ID == id {
			_, _ = w.Write([]byte(entry))
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

// serveHistory gives pages of two versions, newest first.
func (s *fhirStore) serveHistory(w http.ResponseWriter, r *http.Request, resourceType, id string) {
	from, _ := strconv.Atoi(r.URL.Query().Get("from"))
	if from == 0 {
		s.histories = append(s.histories, id)
	}
	var entries []string
	for _, entry := range s.history[id] {
		entries = append(entries, `{"resource":`+entry+`}`)
	}
	for _, v := range slices.Backward(s.versions) {
		switch {
		case v.Type != resourceType || v.ID != id:
		case v.Deleted:
			entries = append(entries, fmt.Sprintf(`{"request":{"method":"DELETE"},"response":{"etag":"W/\"%s\"","lastModified":%q}}`, v.VersionID, v.LastUpdated))
		default:
			entries = append(entries, `{"resource":`+string(v.Body)+`}`)
		}
	}
	switch {
	case s.historyStatus != 0:
		w.WriteHeader(s.historyStatus)
		return
	case len(entries) == 0:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	end := min(len(entries), from+2)
	next := ""
	if end < len(entries) {
		next = fmt.Sprintf("%s%s?from=%d", s.URL, r.URL.EscapedPath(), end)
	}
	if s.link != nil {
		next = s.link(0)
	}
	bundle(w, next, "", entries[from:end])
}

func (s *fhirStore) search(w http.ResponseWriter, r *http.Request, resourceType string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.URL.Query()
	further := query.Has("from")
	s.searches++
	if s.status != nil {
		if status := s.status(resourceType, further); status != 0 {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(status)
			return
		}
	}
	var span cdc.Span
	for _, bound := range query["_lastUpdated"] {
		at, _ := time.Parse(time.RFC3339Nano, bound[2:])
		if bound[:2] == "ge" {
			span.From = at
		} else {
			span.To = at
		}
	}
	shown := s.shown(resourceType, span)
	total := s.total
	if total == "" {
		total = strconv.Itoa(len(shown))
	}
	if query.Get("_summary") == "count" {
		bundle(w, "", total, nil)
		return
	}
	if id := query.Get("_id"); id != "" {
		shown = slices.DeleteFunc(shown, func(e string) bool { return !strings.Contains(e, `"id":"`+id+`"`) })
	}
	from, _ := strconv.Atoi(query.Get("from"))
	count, _ := strconv.Atoi(query.Get("_count"))
	end := min(len(shown), from+min(s.perPage, count))
	var page []string
	for _, entry := range shown[min(from, end):end] {
		if head, _, found := strings.Cut(entry, `,"x":`); found && query.Has("_elements") {
			entry = head + "}"
		} else {
			s.bodies++
		}
		page = append(page, `{"resource":`+entry+`}`)
	}
	next := ""
	if query.Set("from", strconv.Itoa(end)); end < len(shown) {
		next = s.URL + r.URL.Path + "?" + query.Encode()
	}
	if s.link != nil {
		if next = s.link(from); next != "" {
			next = s.URL + r.URL.Path + next
		}
	}
	bundle(w, next, total, page)
}

func bundle(w http.ResponseWriter, next, total string, entries []string) {
	members := []string{`"resourceType":"Bundle"`}
	if total != "" {
		members = append(members, `"total":`+total)
	}
	if next != "" {
		link, _ := json.Marshal(next)
		members = append(members, `"link":[{"relation":"next","url":`+string(link)+`}]`)
	}
	if len(entries) > 0 {
		members = append(members, `"entry":[`+strings.Join(entries, ",")+`]`)
	}
	_, _ = w.Write([]byte("{" + strings.Join(members, ",") + "}"))
}

// auditor audits a store, through the real client.
func auditor(t require.TestingT, s *fhirStore, e *engine) *Activities {
	client, err := healthlake.New(healthlake.Config{Endpoint: s.URL, Credentials: aws.AnonymousCredentials{}, MaxBodyBytes: s.limit})
	require.NoError(t, err)
	return auditorOf(client, e)
}

func auditorOf(store activities.Store, e *engine) *Activities {
	logger := slog.New(slog.DiscardHandler)
	return &Activities{
		Reader: &activities.Reader{
			Store: store, Limits: activities.NewLimits(1e6, 1e6), Observer: silent{}, Logger: logger, MaxEventBytes: 1_000_000,
			Format: cdc.EventFormat{Source: "com.fhir-{type}", DetailType: "Fhir{Type}Changed"},
		},
		Executions: executionsOf(e), Logger: logger,
	}
}

// noted is what the activities say of what they pass over.
type noted struct {
	activities.Observer
	mu      sync.Mutex
	invalid int
}

func (n *noted) Invalid(_, _ string, entries int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.invalid += entries
}

// world is the activities on top of a store, with what they observe and log.
type world struct {
	*activities.Activities
	audit *Activities
	noted *noted
	log   *bytes.Buffer
}

func (s *fhirStore) world(t *testing.T) world {
	w := world{noted: &noted{}, log: &bytes.Buffer{}}
	w.audit = auditor(t, s, newEngine())
	w.audit.Logger = slog.New(slog.NewTextHandler(w.log, nil))
	w.audit.Reader.Observer, w.audit.Reader.Logger = w.noted, w.audit.Logger
	w.Activities = &activities.Activities{Reader: w.audit.Reader}
	return w
}

var origin = cdc.Origin{
	Datastore: testStore, Cause: cdc.Cause{SourceTime: auditStart, CapturedBy: cdc.ByCloudTrail}, CorrelationID: cdc.WindowAt(testStore, auditStart).ID(),
}

// hydrated hydrates Patients until a type is done, as a window does. It returns what
// came, by id, and in how many activities; the state it ended in.
func hydrated(t *testing.T, a world, ask cdc.PageRequest, list bool) (map[string]cdc.Change, int, cdc.PageState) {
	got := map[string]cdc.Change{}
	ask.Type = "Patient"
	for n := 1; n < 200; n++ {
		in := cdc.HydrateInput{Origin: origin, Window: cdc.WindowAt(testStore, auditStart), Salt: salt, Requests: []cdc.PageRequest{ask}, List: list}
		text, err := json.Marshal(in)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &in)) // as it comes to an activity
		result, err := a.Hydrate(t.Context(), in)
		require.NoError(t, err)
		answer := result.Pages[0]
		for _, change := range answer.Changes {
			got[change.ID] = change
			ask.Known.Add(salt.Hash(change.Version))
		}
		if answer.State == cdc.PageDone || answer.State == cdc.PageUnavailable {
			return got, n, answer.State
		}
		ask.Next, ask.Trail = answer.Next, answer.Trail
	}
	require.Fail(t, "it never ends")
	return nil, 0, ""
}
