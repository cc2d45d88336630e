package healthlaketest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"time"

	"healthlake-cdc/internal/cdc"
)

// Server is a store over HTTP, which can show what no store should. Its pages go by
// position.
type Server struct {
	*httptest.Server
	*Store
	// Entries are shown by every search as they are, before the store's versions. Histories
	// are entries of some resources' histories, by ID, before those of the store.
	Entries   []string
	Histories map[string][]string
	// Link is the next link of the page that begins at an entry, instead of the true one.
	Link func(from int) string
	// Total is what searches say that they match, as JSON; empty is the truth.
	Total string
}

// NewServer returns a server of an empty store that runs until the end of the test.
func NewServer(t interface{ Cleanup(func()) }, entries ...string) *Server {
	s := &Server{Store: New(), Entries: entries, Histories: make(map[string][]string)}
	s.HistoryPageSize = 2
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP responds to reads below {base}/r4/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, path, _ := strings.Cut(r.URL.EscapedPath(), "/r4/")
	segments := strings.Split(path, "/")
	query := r.URL.Query()
	c := Call{Type: segments[0], Further: query.Has("from"), IDsOnly: query.Has("_elements")}
	switch {
	case len(segments) == 1 && query.Get("_summary") == "count":
		c.Op = "count"
	case len(segments) == 1:
		c.Op = "search"
	default:
		c.Op = map[int]string{2: "read", 3: "history", 4: "vread"}[len(segments)]
		var err error
		if c.ID, err = url.PathUnescape(segments[1]); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	err := s.enter(c)
	if err == nil {
		switch c.Op {
		case "count", "search":
			s.search(w, r, c, query)
		case "history":
			err = s.serveHistory(w, r, c, query)
		default:
			err = s.read(w, c, segments[len(segments)-1])
		}
	}
	var failed *cdc.Error
	if errors.As(err, &failed) {
		w.Header().Set("Retry-After", "60") // longer than a client waits
		w.WriteHeader(failed.Status)
	}
}

// read gives an entry in whatever version it is.
func (s *Server) read(w http.ResponseWriter, c Call, version string) error {
	for _, entry := range s.Entries {
		if head(entry)["id"] == c.ID {
			_, _ = w.Write([]byte(entry))
			return nil
		}
	}
	v, err := s.newest(c.Type, c.ID, func(v Stored) bool { return c.Op == "read" || v.VersionID == version })
	if err == nil {
		_, _ = w.Write(v.Body)
	}
	return err
}

// head is an entry without what _elements=id,meta leaves out.
func head(entry string) map[string]any {
	var all map[string]any
	_ = json.Unmarshal([]byte(entry), &all)
	head := make(map[string]any)
	for _, name := range []string{"resourceType", "id", "meta"} {
		if value, ok := all[name]; ok {
			head[name] = value
		}
	}
	return head
}

func (s *Server) search(w http.ResponseWriter, r *http.Request, c Call, query url.Values) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var span cdc.Span
	for _, bound := range query["_lastUpdated"] {
		at, _ := time.Parse(time.RFC3339Nano, bound[2:])
		if bound[:2] == "ge" {
			span.From = at
		} else {
			span.To = at
		}
	}
	var shown []string
	add := func(entry string) {
		if id := query.Get("_id"); id == "" || head(entry)["id"] == id {
			shown = append(shown, entry)
		}
	}
	for _, entry := range s.Entries {
		add(entry)
	}
	for _, v := range s.shown(c.Type, span) {
		add(string(v.Body))
	}
	total := s.Total
	if total == "" {
		total = strconv.Itoa(len(shown))
	}
	if c.Op == "count" {
		bundle(w, "", total, nil)
		return
	}
	from, _ := strconv.Atoi(query.Get("from"))
	count, _ := strconv.Atoi(query.Get("_count"))
	entries, end := page(shown, from, min(s.PageSize, count))
	next := ""
	if query.Set("from", strconv.Itoa(end)); end < len(shown) {
		next = s.URL + r.URL.Path + "?" + query.Encode()
	}
	if s.Link != nil {
		if next = s.Link(from); next != "" {
			next = s.URL + r.URL.Path + next
		}
	}
	var listed []string
	for _, entry := range entries {
		if c.IDsOnly {
			short, _ := json.Marshal(head(entry))
			entry = string(short)
		}
		listed = append(listed, `{"resource":`+entry+`}`)
	}
	bundle(w, next, total, listed)
}

func (s *Server) serveHistory(w http.ResponseWriter, r *http.Request, c Call, query url.Values) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, entry := range s.Histories[c.ID] {
		all = append(all, `{"resource":`+entry+`}`)
	}
	for _, v := range s.history(c.Type, c.ID) {
		if v.Deleted {
			all = append(all, fmt.Sprintf(`{"request":{"method":"DELETE"},"response":{"etag":"W/\"%s\"","lastModified":%q}}`, v.VersionID, v.LastUpdated))
		} else {
			all = append(all, `{"resource":`+string(v.Body)+`}`)
		}
	}
	if len(all) == 0 {
		return failure("GET {Type}/{id}/_history", cdc.ClassNotFound, http.StatusNotFound)
	}
	from, _ := strconv.Atoi(query.Get("from"))
	entries, end := page(all, from, s.HistoryPageSize)
	next := ""
	if end < len(all) {
		next = fmt.Sprintf("%s%s?from=%d", s.URL, r.URL.EscapedPath(), end)
	}
	if s.Link != nil {
		next = s.Link(from)
	}
	bundle(w, next, "", entries)
	return nil
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
