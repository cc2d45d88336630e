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

// strangeStore is a FHIR server over HTTP, whose pages hold whatever they are given.
type strangeStore struct {
	*httptest.Server
	mu sync.Mutex
	// entries are what a search shows, in this order: whole resources, as text.
	entries []string
	perPage int
	// link is the next link of the page that begins at an entry, instead of the true
	// one.
	link func(from int) string
	// total is what the store says that it counts, as JSON; empty is the truth.
	total string
	// reads are the statuses of reads, by the escaped path; histories the entries of
	// histories, by id.
	reads     map[string]int
	histories map[string][]string
	searches  int
	limit     int64
}

func newStrangeStore(t *testing.T, entries ...string) *strangeStore {
	s := &strangeStore{entries: entries, perPage: 100, reads: map[string]int{}, histories: map[string][]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

// patientAt is a resource of some size.
func patientAt(id string, after time.Duration, size int) string {
	text, _ := json.Marshal(id)
	return fmt.Sprintf(`{"resourceType":"Patient","id":%s,"meta":{"versionId":"1","lastUpdated":%q},"x":%q}`,
		text, auditStart.Add(after).Format(time.RFC3339Nano), strings.Repeat("x", size))
}

func (s *strangeStore) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/datastore/"+testStore+"/r4/Patient")
	if path == "" {
		s.search(w, r)
		return
	}
	if status := s.reads[path]; status != 0 {
		w.WriteHeader(status)
		return
	}
	id, err := url.PathUnescape(strings.Split(path, "/")[1])
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if strings.Contains(path, "/_history") {
		if s.histories[id] == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		next := ""
		if s.link != nil {
			next = s.link(0)
		}
		s.bundle(w, next, "", s.histories[id])
		return
	}
	for _, entry := range s.entries {
		var head struct{ ID any }
		if json.Unmarshal([]byte(entry), &head) == nil && head.ID == id {
			_, _ = w.Write([]byte(entry))
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

func (s *strangeStore) search(w http.ResponseWriter, r *http.Request) {
	s.searches++
	query := r.URL.Query()
	from, _ := strconv.Atoi(query.Get("from"))
	asked, _ := strconv.Atoi(query.Get("_count"))
	count := min(s.perPage, asked)
	total := s.total
	if total == "" {
		total = strconv.Itoa(len(s.entries))
	}
	if query.Get("_summary") == "count" {
		s.bundle(w, "", total, nil)
		return
	}
	entries := s.entries
	if id := query.Get("_id"); id != "" {
		entries = slices.DeleteFunc(slices.Clone(entries), func(e string) bool { return !strings.Contains(e, `"id":"`+id+`"`) })
	}
	end := min(len(entries), from+count)
	next := ""
	if query.Set("from", strconv.Itoa(end)); end < len(entries) {
		next = s.URL + r.URL.Path + "?" + query.Encode()
	}
	if s.link != nil {
		if next = s.link(from); next != "" {
			next = s.URL + r.URL.Path + next
		}
	}
	var page []string
	for _, entry := range entries[min(from, end):end] {
		if head, _, found := strings.Cut(entry, `,"x":`); found && query.Has("_elements") {
			entry = head + "}"
		}
		page = append(page, entry)
	}
	s.bundle(w, next, total, page)
}

func (s *strangeStore) bundle(w http.ResponseWriter, next, total string, resources []string) {
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"Bundle"`)
	if total != "" {
		b.WriteString(`,"total":` + total)
	}
	if next != "" {
		link, _ := json.Marshal(next)
		b.WriteString(`,"link":[{"relation":"next","url":` + string(link) + `}]`)
	}
	for i, resource := range resources {
		if i == 0 {
			b.WriteString(`,"entry":[`)
		} else {
			b.WriteByte(',')
		}
		b.WriteString(`{"resource":` + resource + `}`)
	}
	if len(resources) > 0 {
		b.WriteByte(']')
	}
	b.WriteByte('}')
	_, _ = w.Write(b.Bytes())
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

// world is on top of the real client.
func (s *strangeStore) world(t *testing.T) world {
	client, err := healthlake.New(healthlake.Config{
		Endpoint: s.URL, Credentials: aws.AnonymousCredentials{}, MaxBodyBytes: s.limit,
	})
	require.NoError(t, err)
	w := world{noted: &noted{}, log: &bytes.Buffer{}}
	w.audit = auditor(client, newEngine())
	w.audit.Logger = slog.New(slog.NewTextHandler(w.log, nil))
	w.audit.Reader.Observer, w.audit.Reader.Logger = w.noted, w.audit.Logger
	w.Activities = &activities.Activities{Reader: w.audit.Reader}
	return w
}

var strangeOrigin = cdc.Origin{
	Datastore: testStore, Cause: cdc.Cause{SourceTime: auditStart, CapturedBy: cdc.ByCloudTrail}, CorrelationID: cdc.WindowAt(testStore, auditStart).ID(),
}

// hydrated hydrates Patients until a type is done, as a window does. It returns what
// came, by id, and in how many activities; the state it ended in.
func hydrated(t *testing.T, a world, ask cdc.PageRequest, list bool) (map[string]cdc.Change, int, cdc.PageState) {
	got := map[string]cdc.Change{}
	ask.Type = "Patient"
	for n := 1; n < 200; n++ {
		in := cdc.HydrateInput{Origin: strangeOrigin, Window: cdc.WindowAt(testStore, auditStart), Salt: salt, Requests: []cdc.PageRequest{ask}, List: list}
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
