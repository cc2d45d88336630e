package healthlake

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// TestMalformedEntriesHarmOnlyThemselves: whatever one entry is, the ones beside it and
// the link are had, and it is counted (reported/01).
func TestMalformedEntriesHarmOnlyThemselves(t *testing.T) {
	const inside = `"meta":{"versionId":"1","lastUpdated":"2026-03-01T12:00:02Z"}`
	in, unknown := time.Date(2026, 3, 1, 12, 0, 2, 0, time.UTC), time.Time{}
	resource := func(text string) string { return `{"resource":` + text + `}` }
	for entry, at := range map[string]time.Time{
		`null`: unknown, `7`: unknown, `1e400`: unknown, `"text"`: unknown, `[]`: unknown, `true`: unknown, `{}`: unknown, `nul`: unknown, `{"a":01}`: unknown,
		resource(`null`): unknown, resource(`[]`): unknown, resource(`"text"`): unknown,
		resource(`{"resourceType":"Patient","id":"number","meta":{"versionId":2,"lastUpdated":"2026-03-01T12:00:02Z"}}`):                in,
		resource(`{"resourceType":"Patient","id":"no-meta"}`):                                                                           unknown,
		resource(`{"resourceType":"Patient","id":"leap","meta":{"versionId":"1","lastUpdated":"2016-12-31T23:59:60Z"}}`):                unknown,
		resource(`{"resourceType":"Patient","id":"meta","meta":[]}`):                                                                    unknown,
		resource(`{"resourceType":"Patient","id":7,` + inside + `}`):                                                                    in,
		resource(`{"resourceType":"Patient","id":null,` + inside + `}`):                                                                 in,
		resource(`{"resourceType":"Patient","id":"",` + inside + `}`):                                                                   in,
		resource(`{"resourceType":"Patient","id":"a\nb",` + inside + `}`):                                                               in,
		resource(`{"resourceType":"Patient","id":"\ud83d",` + inside + `}`):                                                             in,
		resource(`{"resourceType":"Patient","id":"` + strings.Repeat("x", 513) + `",` + inside + `}`):                                   in,
		resource(`{"resourceType":"Patient","ID":"case",` + inside + `}`):                                                               in,
		resource(`{"resourceType":"Patient","id":"1","id":"2",` + inside + `}`):                                                         in,
		resource(`{"resourceType":"Patient","id":7,"id":"2",` + inside + `}`):                                                           in,
		resource(`{"resourceType":"Patient","id":"1",` + inside + `,` + inside + `}`):                                                   unknown,
		resource(`{"resourceType":"Patient","id":"1","meta":{"versionId":"1/2","lastUpdated":"2026-03-01T12:00:02Z"}}`):                 in,
		resource(`{"resourceType":"Patient","id":"1","a":"` + "\xff" + `",` + inside + `}`):                                             in,
		resource(`{"resourceType":"Patient","id":"1","a":"` + "\x01" + `",` + inside + `}`):                                             in,
		resource(`{"resourceType":"Patient","id":"1","a":01,` + inside + `}`):                                                           in,
		resource(`{"resourceType":"Patient","id":"1",` + inside + `,"a":` + strings.Repeat("[", 2e5) + strings.Repeat("]", 2e5) + `}`):  in,
		`{"resource":{"resourceType":"Patient","id":"1",` + inside + `},"resource":{"resourceType":"Patient","id":"2",` + inside + `}}`: unknown,
	} {
		name := entry[:min(len(entry), 90)]
		body := searchset(rootPath+"/Patient?page=2", patient("before", "1"), patient("after", "1"))
		cut := strings.LastIndex(body, `,{"resource"`)
		body = body[:cut] + "," + entry + "," + entry + body[cut:]
		page, err := searchPatients(newServer(t, responding(body)).client(t))
		require.NoError(t, err, name)
		require.Len(t, page.Resources, 2, name)
		require.Equal(t, "before", page.Resources[0].ID)
		require.Equal(t, patient("after", "1"), string(page.Resources[1].Body))
		require.NotEmpty(t, page.Next, name)
		require.Len(t, page.Unreadable, 2, name)
		require.Equal(t, at, page.Unreadable[0].LastUpdated, name)
		require.NotEqual(t, page.Unreadable[0].Digest, page.Unreadable[1].Digest, "two on one page are two")
		again, err := searchPatients(newServer(t, responding(body)).client(t))
		require.NoError(t, err)
		require.Equal(t, page.Unreadable, again.Unreadable, "listed again they are the same")
	}
}

func TestMalformedMembersOfABundle(t *testing.T) {
	next := rootPath + "/Patient?page=2"
	good := `{"relation":"next","url":"` + next + `"}`
	for members, want := range map[string]struct {
		next       bool
		total      int
		unreadable int
	}{
		`"link":[` + good + `]`:                                {next: true, total: -1},
		`"link":[null,7,"x",{"relation":7},` + good + `,null]`: {next: true, total: -1},
		`"link":` + good:                                       {next: true, total: -1},
		`"link":[],"link":[` + good + `]`:                      {next: true, total: -1},
		`"link":null`:                                          {total: -1},
		`"link":[{"relation":"self","url":7}]`:                 {total: -1},
		`"link":["` + next + `"]`:                              {total: -1, unreadable: 1},
		`"link":"` + next + `"`:                                {total: -1, unreadable: 1},
		`"link":[{"relation":"next","url":null}]`:              {total: -1, unreadable: 1},
		`"total":12`:                                           {total: 12},
		`"total":0`:                                            {total: 0},
		`"total":null`:                                         {total: -1},
		`"total":-3`:                                           {total: -1},
		`"total":"12"`:                                         {total: -1},
		`"total":12.5`:                                         {total: -1},
		`"total":99999999999999999999`:                         {total: -1},
		`"total":12,"total":13`:                                {total: -1},
		`"\u0074otal":12`:                                      {total: 12},
		`"meta":` + strings.Repeat("[", 2e5) + strings.Repeat("]", 2e5):          {total: -1},
		`"entry":[{"resource":` + patient("2", "1") + `}],"x":"\\\"]}","y":[{}]`: {total: -1},
	} {
		body := `{"resourceType":"Bundle",` + members + `,"entry":[{"resource":` + patient("1", "1") + `}]}`
		page, err := searchPatients(newServer(t, responding(body)).client(t))
		name := members[:min(len(members), 90)]
		require.NoError(t, err, name)
		require.Len(t, page.Resources, 1+strings.Count(members, `"resource":`), name)
		require.Equal(t, want.next, page.Next != "", name)
		require.Equal(t, want.total, page.Total, name)
		require.Len(t, page.Unreadable, want.unreadable, name)
	}
}

// TestByteOrderMark: of every answer (reported/06).
func TestByteOrderMark(t *testing.T) {
	const mark = "\xef\xbb\xbf"
	page := searchset("", patient(secretID, "3"))
	for op, body := range map[string]string{
		opSearch: page, opNext: page, opHistory: page, opHistoryNext: page, opRead: patient(secretID, "3"), opVRead: patient(secretID, "3"),
		opCount:    `{"resourceType":"Bundle","total":0}`,
		opMetadata: `{"resourceType":"CapabilityStatement","rest":[{"resource":[{"type":"Patient","interaction":[{"code":"search-type"}]}]}]}`,
	} {
		s := newServer(t, responding(mark+body))
		require.NoError(t, operations[op](context.Background(), s.client(t)), op)
	}
	_, err := searchPatients(newServer(t, responding(mark+mark+page)).client(t))
	requireClass(t, cdc.ClassMalformed, err)
}

// TestUnusualIDsAreRequested: the id stays one segment of the path on the wire, is signed
// as it is sent, and the store's answer is taken (reported/03).
func TestUnusualIDsAreRequested(t *testing.T) {
	for _, id := range []string{
		"a:1:b:2", "a b", "ä", "a%2Fb", "a/b", "/", ".", "..", "../..", "a?b=c", "a#b", "a+b", "~_-.", "a;b=c,d@e&f", `a\b`, `a"b'`,
		strings.Repeat("x", 200), strings.Repeat("ä", 200),
	} {
		status := http.StatusOK
		s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
			if status != http.StatusOK {
				w.WriteHeader(status)
				return
			}
			segments := strings.Split(strings.TrimPrefix(r.RequestURI, rootPath+"/"), "/")
			path, _, _ := strings.Cut(segments[1], "?")
			if strings.Trim(path, ".") == "" {
				t.Errorf("%s is resolved by whoever cleans a path", r.RequestURI)
			}
			if got, err := url.PathUnescape(path); err != nil || got != id || segments[0] != "Patient" {
				t.Errorf("the store was asked for %s", r.RequestURI)
			}
			text := strconv.Quote(id)
			body := fmt.Sprintf(`{"resourceType":"Patient","id":%s,"meta":{"versionId":"2","lastUpdated":"2026-03-01T12:00:02Z"}}`, text)
			if len(segments) > 2 && strings.HasPrefix(segments[2], "_history") && len(segments) == 3 {
				body = `{"resourceType":"Bundle","entry":[{"resource":` + body + `}]}`
			}
			responding(body)(w, r)
		})
		c, ctx := s.client(t), context.Background()
		resource, err := c.Read(ctx, testDatastore, "Patient", id)
		require.NoError(t, err, id)
		require.Equal(t, id, resource.ID)
		_, err = c.VRead(ctx, testDatastore, "Patient", id, "2")
		require.NoError(t, err, id)
		page, err := c.History(ctx, testDatastore, "Patient", id, "")
		require.NoError(t, err, id)
		require.Len(t, page.Resources, 1)
		require.Len(t, s.requested(), 3)
		for status, class := range map[int]cdc.Class{404: cdc.ClassNotFound, 410: cdc.ClassNotFound, 400: cdc.ClassInvalidRequest} {
			s := newServer(t, failingWith(status))
			_, err := s.client(t).Read(ctx, testDatastore, "Patient", id)
			requireClass(t, class, err)
		}
	}
}

// TestResourceThatIsNoReadableVersion is an answer, not a fault that passes.
func TestResourceThatIsNoReadableVersion(t *testing.T) {
	for body, class := range map[string]cdc.Class{
		`{"resourceType":"Patient","id":"1","meta":{"versionId":2,"lastUpdated":"2026-03-01T12:00:02Z"}}`: cdc.ClassInvalidRequest,
		`{"resourceType":"Patient","id":"1"}`:                         cdc.ClassInvalidRequest,
		`{"resourceType":"Patient","id":"1","a":"` + "\xff" + `"}`:    cdc.ClassInvalidRequest,
		`{"resourceType":"OperationOutcome"}`:                         cdc.ClassMalformed,
		patient("2", "1"):                                             cdc.ClassMalformed,
		`{"resourceType":"Patient","id":"1","meta":{"versionId":"1",`: cdc.ClassMalformed,
		`<html>`: cdc.ClassMalformed,
	} {
		_, err := newServer(t, responding(body)).client(t).Read(context.Background(), testDatastore, "Patient", "1")
		requireClass(t, class, err)
	}
}

// TestTooLargePages: first the same list of ids, then fewer of them (reported/02). The
// server keeps its searches under numbers, so that its links tell nothing.
func TestTooLargePages(t *testing.T) {
	const resources, large = 60, 40_000
	ignoresElements := false
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		count, ids, from := 0, false, 0
		if kept := query.Get("_getpages"); kept != "" {
			_, err := fmt.Sscanf(kept, "%d:%t:%d", &count, &ids, &from)
			if err != nil {
				t.Error(err)
			}
		} else {
			count, _ = strconv.Atoi(query.Get("_count"))
			count, ids = min(count, 25), query.Has("_elements") && !ignoresElements
			if query.Get("_total") != "accurate" || !strings.HasPrefix(query.Get("_lastUpdated"), "ge2026-03-01T11:59:59.000Z") {
				t.Errorf("the list begins again as %s", r.RequestURI)
			}
		}
		var page []string
		for i := from; i < min(resources, from+count); i++ {
			body := patient(fmt.Sprintf("p%02d", i), "1")
			if !ids && i >= 25 {
				body = strings.Replace(body, `"n":1.10`, `"n":"`+strings.Repeat("0", large)+`"`, 1)
			}
			page = append(page, body)
		}
		next := ""
		if from+count < resources {
			next = fmt.Sprintf("%s?_getpages=%d:%t:%d", rootPath, count, ids, from+count)
		}
		responding(searchset(next, page...))(w, r)
	})
	list := func(limit int64) (full, ids map[string]bool, err error) {
		c := s.client(t, func(c *Client) { c.maxBody = limit })
		full, ids = map[string]bool{}, map[string]bool{}
		page, err := c.Search(context.Background(), cdc.SearchRequest{Datastore: testDatastore, Type: "Patient", Span: testSpan})
		for pages := 0; err == nil && pages < 500; pages++ {
			for _, resource := range page.Resources {
				require.Equal(t, page.IDsOnly, resource.Body == nil)
				if page.IDsOnly {
					ids[resource.ID] = true
				} else {
					full[resource.ID] = true
				}
			}
			if page.Next == "" {
				return full, ids, nil
			}
			page, err = nextPage(c, page.Next)
		}
		return full, ids, err
	}
	full, ids, err := list(10 * large)
	require.NoError(t, err)
	require.Len(t, full, 25, "the first page has its bodies")
	require.Len(t, ids, resources, "and the list began again with ids")

	ignoresElements = true
	full, ids, err = list(2 * large)
	require.NoError(t, err)
	require.Len(t, full, 25)
	require.Len(t, ids, resources, "one a page")
	_, _, err = list(large)
	e := requireClass(t, cdc.ClassMalformed, err)
	require.Contains(t, e.Advice, "larger")
}

// TestTooLargeHistory: begins again in smaller pages; a single version that is too
// large is said to be so.
func TestTooLargeHistory(t *testing.T) {
	const versions, large = 30, 40_000
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		count, _ := strconv.Atoi(r.URL.Query().Get("_count"))
		from, _ := strconv.Atoi(r.URL.Query().Get("page"))
		var page []string
		for i := from; i < min(versions, from+count); i++ {
			page = append(page, strings.Replace(patient("1", fmt.Sprint(versions-i)), `"n":1.10`, `"n":"`+strings.Repeat("0", large)+`"`, 1))
		}
		next := ""
		if from+count < versions {
			next = fmt.Sprintf("%s/Patient/1/_history?_count=%d&page=%d", rootPath, count, from+count)
		}
		responding(searchset(next, page...))(w, r)
	})
	for limit, want := range map[int64]int{10 * large: versions, large: 0} {
		c := s.client(t, func(c *Client) { c.maxBody = limit })
		seen := map[string]bool{}
		next := ""
		for range 50 {
			page, err := c.History(context.Background(), testDatastore, "Patient", "1", next)
			if want == 0 && err != nil {
				requireClass(t, cdc.ClassTooLarge, err)
				break
			}
			require.NoError(t, err)
			for _, entry := range page.Resources {
				seen[entry.VersionID] = true
			}
			if next = page.Next; next == "" {
				break
			}
		}
		require.Len(t, seen, want)
	}
}

func TestTombstonesOfOtherForms(t *testing.T) {
	const told = `"etag":"W/\"9\"","lastModified":"2026-03-01T12:00:09.123Z"`
	body := `{"resource":` + patient("1", "8") + `,`
	for entry, deleted := range map[string]bool{
		`{"request":{"method":"GET"},"response":{"status":"410",` + told + `}}`:       true,
		`{"request":{"method":"GET"},"response":{"status":"410 Gone",` + told + `}}`:  true,
		body + `"request":{"method":"GET"},"response":{"status":"410",` + told + `}}`: true,
		`{"response":{"status":"410",` + told + `}}`:                                  true,
		`{"response":{"status":"404 Not Found",` + told + `}}`:                        true,
		`{"request":{"method":"delete"},"response":{` + told + `}}`:                   true,
		`{"request":{"method":"Delete"},"resource":null,"response":{` + told + `}}`:   true,
		body + `"request":{"method":"GET"},"response":{"status":"200"}}`:              false,
		body + `"request":{"method":"PUT"},"response":{"status":"410"}}`:              false,
		body + `"response":{"status":4100}}`:                                          false,
	} {
		s := newServer(t, responding(`{"resourceType":"Bundle","entry":[null,`+entry+`]}`))
		page, err := s.client(t).History(context.Background(), testDatastore, "Patient", "1", "")
		require.NoError(t, err, entry)
		require.Len(t, page.Unreadable, 1, entry)
		require.Len(t, page.Resources, 1, entry)
		require.Equal(t, deleted, page.Resources[0].Deleted, entry)
		if deleted {
			require.Equal(t, "9", page.Resources[0].VersionID)
			require.Equal(t, "2026-03-01T12:00:09.123Z", page.Resources[0].LastUpdated)
		}
	}
	s := newServer(t, responding(`{"resourceType":"Bundle","entry":[{"request":{"method":"GET"},"response":{"status":"200"}}]}`))
	page, err := s.client(t).History(context.Background(), testDatastore, "Patient", "1", "")
	require.NoError(t, err)
	require.Empty(t, page.Resources)
	require.Len(t, page.Unreadable, 1)
}
