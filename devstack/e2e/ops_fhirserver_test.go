package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// plainPage is the maximal page of the plain server, for any _count.
	plainPage = 20
	// plainTime is how it writes an instant, in UTC: an offset, and three digits.
	plainTime = "2006-01-02T15:04:05.000+00:00"
)

// plainFHIR is an ordinary FHIR R4 server that knows nothing of HealthLake: no
// signatures, a search is kept and paged by offset under the server's base, its
// bundles have no total, its links are absolute, its tags weak, and it has no
// history. It shares no code with the simulator or with the client.
type plainFHIR struct {
	*httptest.Server
	root string // path of the one store, without a slash at its end

	mu        sync.Mutex
	resources map[string]*plainResource // by Type/id
	kept      map[string][]*plainResource
	asked     map[string]int // requests by kind
}

type plainResource struct {
	resourceType, id string
	version          int
	updated          time.Time
	body             string
	gone             bool
}

func newPlainFHIR(t *testing.T, datastore string) *plainFHIR {
	t.Helper()
	s := &plainFHIR{
		root: "/datastore/" + datastore + "/r4", resources: make(map[string]*plainResource),
		kept: make(map[string][]*plainResource), asked: make(map[string]int),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+s.root, s.page)
	mux.HandleFunc("GET "+s.root+"/metadata", s.metadata)
	mux.HandleFunc("GET "+s.root+"/{type}", s.search)
	mux.HandleFunc("GET "+s.root+"/{type}/{id}", s.read)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound) })
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// put writes the next version of a resource.
func (s *plainFHIR) put(resourceType, id string) { s.putAt(resourceType, id, time.Now()) }

// putAt writes a version of that time. The body's form is the server's own: white
// space, an unescaped narrative, a decimal that must not be re-written.
func (s *plainFHIR) putAt(resourceType, id string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := resourceType + "/" + id
	r := s.resources[name]
	if r == nil {
		r = &plainResource{resourceType: resourceType, id: id}
		s.resources[name] = r
	}
	next := *r // a search that is kept shows what it found
	next.version, next.updated = r.version+1, at.UTC().Truncate(time.Millisecond)
	next.body = fmt.Sprintf("{ \"resourceType\": %q,\n  \"id\": %q,\n  \"meta\": { \"versionId\": \"%d\", \"lastUpdated\": %q },\n"+
		"  \"text\": { \"status\": \"generated\", \"div\": \"<div>a & b</div>\" }, \"extension\": [ { \"url\": \"urn:x\", \"valueDecimal\": 1.50 } ] }",
		resourceType, id, next.version, next.updated.Format(plainTime))
	s.resources[name] = &next
}

func (s *plainFHIR) remove(resourceType, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := *s.resources[resourceType+"/"+id]
	gone.gone = true
	s.resources[resourceType+"/"+id] = &gone
}

// all is what the server holds now, by name.
func (s *plainFHIR) all() map[string]*plainResource {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := maps.Clone(s.resources)
	maps.DeleteFunc(held, func(_ string, r *plainResource) bool { return r.gone })
	return held
}

func (s *plainFHIR) requests(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[kind]
}

func (s *plainFHIR) search(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.URL.Query()
	var found []*plainResource
	for _, name := range slices.Sorted(maps.Keys(s.resources)) {
		if one := s.resources[name]; !one.gone && one.resourceType == r.PathValue("type") && updatedIn(one.updated, query["_lastUpdated"]) {
			found = append(found, one)
		}
	}
	if query.Get("_summary") == "count" {
		s.asked["count"]++
		answer(w, http.StatusOK, fmt.Sprintf(`{"resourceType":"Bundle","type":"searchset","total":%d}`, len(found)))
		return
	}
	s.asked["search"]++
	token := strconv.Itoa(len(s.kept)) + ":" + query.Get("_elements")
	s.kept[token] = found
	s.bundle(w, token, 0)
}

// updatedIn understands the prefixes ge and lt.
func updatedIn(t time.Time, bounds []string) bool {
	for _, bound := range bounds {
		limit, err := time.Parse(time.RFC3339Nano, bound[2:])
		if err != nil || bound[:2] == "ge" && t.Before(limit) || bound[:2] == "lt" && !t.Before(limit) {
			return false
		}
	}
	return true
}

func (s *plainFHIR) page(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked["page"]++
	token := r.URL.Query().Get("_getpages")
	offset, err := strconv.Atoi(r.URL.Query().Get("_getpagesoffset"))
	if _, ok := s.kept[token]; !ok || err != nil {
		refuse(w, http.StatusGone)
		return
	}
	s.bundle(w, token, offset)
}

func (s *plainFHIR) bundle(w http.ResponseWriter, token string, offset int) {
	found := s.kept[token]
	end := min(offset+plainPage, len(found))
	link := func(relation string, at int) string {
		return fmt.Sprintf(`{"relation":%q,"url":"%s%s?_getpages=%s&_getpagesoffset=%d&_bundletype=searchset"}`, relation, s.URL, s.root, token, at)
	}
	links := []string{link("self", offset)}
	if end < len(found) {
		links = append(links, link("next", end))
	}
	entries := make([]string, 0, plainPage)
	for _, one := range found[offset:end] {
		body := one.body
		if strings.HasSuffix(token, "id,meta") {
			body = fmt.Sprintf(`{"resourceType":%q,"id":%q,"meta":{"versionId":"%d","lastUpdated":%q,"tag":[{"code":"SUBSETTED"}]}}`,
				one.resourceType, one.id, one.version, one.updated.Format(plainTime))
		}
		entries = append(entries, fmt.Sprintf(`{"fullUrl":"%s%s/%s/%s","resource":%s,"search":{"mode":"match"}}`,
			s.URL, s.root, one.resourceType, one.id, body))
	}
	answer(w, http.StatusOK, fmt.Sprintf(`{"resourceType":"Bundle","id":"b","meta":{},"type":"searchset","link":[%s],"entry":[%s]}`,
		strings.Join(links, ","), strings.Join(entries, ",")))
}

func (s *plainFHIR) read(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked["read"]++
	one := s.resources[r.PathValue("type")+"/"+r.PathValue("id")]
	switch {
	case one == nil:
		refuse(w, http.StatusNotFound)
	case one.gone:
		refuse(w, http.StatusGone)
	default:
		w.Header().Set("ETag", fmt.Sprintf(`W/"%d"`, one.version))
		w.Header().Set("Last-Modified", one.updated.Format(http.TimeFormat))
		answer(w, http.StatusOK, one.body)
	}
}

func (s *plainFHIR) metadata(w http.ResponseWriter, _ *http.Request) {
	types := make(map[string]bool)
	for _, one := range s.all() {
		types[one.resourceType] = true
	}
	var listed []any
	for name := range types {
		listed = append(listed, map[string]any{"type": name, "interaction": []any{map[string]string{"code": "read"}, map[string]string{"code": "search-type"}}})
	}
	text, _ := json.Marshal(map[string]any{ // plain maps always marshal
		"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": []any{map[string]any{"mode": "server", "resource": listed}},
	})
	answer(w, http.StatusOK, string(text))
}

func refuse(w http.ResponseWriter, status int) {
	answer(w, status, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing"}]}`)
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/fhir+json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a client that left needs no answer
}
