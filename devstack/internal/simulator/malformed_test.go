package simulator_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
)

func TestMalformedResponses(t *testing.T) {
	s, c := start(t, simulator.Config{Limits: simulator.Limits{SearchGet: -1}})
	for i := range 3 {
		put(t, c, string(rune('a'+i)), i)
	}
	inject := func(f simulator.Fault) { require.NoError(t, s.InjectFault(f)) }
	ask := func(query string) []byte {
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		_, body, err := c.Do(context.Background(), http.MethodGet, "Patient", values, nil)
		require.NoError(t, err)
		return body
	}
	inject(simulator.Fault{Kind: simulator.ByteOrderMark, Count: 1})
	require.True(t, strings.HasPrefix(string(ask("")), "\xef\xbb\xbf{"))
	inject(simulator.Fault{Kind: simulator.NullTotal, Count: 2})
	require.Contains(t, string(ask("_total=accurate")), `"total":null`)
	require.Contains(t, string(ask("_summary=count")), `"total":null`)

	inject(simulator.Fault{Kind: simulator.Pad, Bodies: true, Bytes: 300_000, Count: -1})
	require.Less(t, len(ask("_elements=id")), 300_000)
	body := ask("")
	require.Len(t, body, 300_000)
	require.True(t, json.Valid(body))
	s.ClearFaults()
	inject(simulator.Fault{Kind: simulator.Pad, Of: simulator.KindRead, ID: "b", Bytes: 300_000, Count: -1})
	for id, long := range map[string]bool{"a": false, "b": true} {
		resource, err := c.Read(context.Background(), "Patient", id)
		require.NoError(t, err)
		require.Equal(t, long, len(resource.Body) == 300_000, id)
	}
	s.ClearFaults()

	next := search(t, c, "Patient", "_count=1").link("next")
	address, err := url.Parse(next)
	require.NoError(t, err)
	token := strings.ReplaceAll(address.RawQuery[strings.Index(address.RawQuery, "page=")+len("page="):], "+", "%2B")
	inject(simulator.Fault{Kind: simulator.LinkItself, Further: true, Count: 1})
	require.Equal(t, next, search(t, c, "Patient", "_count=1&page="+token).link("next"))
	inject(simulator.Fault{Kind: simulator.LinkFirst, Further: true, Count: 1})
	require.NotContains(t, search(t, c, "Patient", "_count=1&page="+token).link("next"), "page=")
}

func TestUnreadableEntriesAreShownAndCounted(t *testing.T) {
	clk := newClock()
	s, c := start(t, simulator.Config{Now: clk.now})
	put(t, c, "a", 1)
	require.NoError(t, s.PutUnreadable(store, "Patient", epoch, `null`))
	require.NoError(t, s.PutUnreadable(store, "Patient", epoch.Add(time.Hour), `{"resource":{"resourceType":"Patient"}}`))
	require.Error(t, s.PutUnreadable(store, "Nothing", epoch, `null`))
	of := "_total=accurate&_lastUpdated=lt" + epoch.Add(time.Minute).Format(time.RFC3339)
	found := search(t, c, "Patient", of)
	require.Len(t, found.Entry, 2)
	require.Equal(t, 2, *found.Total)
	require.Len(t, search(t, c, "Patient", "_count=1").Entry, 1+2, "with the first page")
	require.Len(t, s.WriteLog(store), 1)
}

func TestAnyIDs(t *testing.T) {
	ctx := context.Background()
	for _, id := range []string{"a:1:b:2", "a b", "ä", "a%2Fb", "a/b", ".", "..", strings.Repeat("x", 200)} {
		_, c := start(t, simulator.Config{})
		_, err := c.Update(ctx, "Patient", id, []byte(`{"resourceType":"Patient","id":"`+id+`"}`))
		if id != "." && id != ".." {
			require.Error(t, err, "a FHIR id is what a client may give")
		}
		s, c := start(t, simulator.Config{AnyIDs: true})
		escaped := strings.ReplaceAll(url.QueryEscape(id), "+", "%20")
		if strings.Trim(id, ".") == "" {
			escaped = strings.ReplaceAll(id, ".", "%2E")
		}
		body := []byte(`{"resourceType":"Patient","id":"` + id + `"}`)
		for _, path := range []string{"", "/_history", "/_history/1"} {
			method, sent := http.MethodGet, []byte(nil)
			if path == "" {
				method, sent = http.MethodPut, body
			}
			_, _, err = c.Do(ctx, method, "Patient/"+escaped+path, nil, sent)
			require.NoError(t, err, id+path)
		}
		require.Equal(t, id, s.WriteLog(store)[0].ID)
		require.Len(t, search(t, c, "Patient", "").Entry, 1)
	}
	_, c := start(t, simulator.Config{AnyIDs: true})
	_, err := c.Update(ctx, "Patient", "a\x01", []byte("{\"resourceType\":\"Patient\",\"id\":\"a\x01\"}"))
	require.Error(t, err)
}

func TestTombstonesAsGets(t *testing.T) {
	s, c := start(t, simulator.Config{})
	put(t, c, "a", 1)
	require.NoError(t, c.Delete(context.Background(), "Patient", "a"))
	require.NoError(t, s.InjectFault(simulator.Fault{Kind: simulator.GetTombstones, Of: simulator.KindHistory, Count: 1}))
	entry := search(t, c, "Patient/a/_history", "").Entry[0]
	require.Equal(t, "GET", entry.Request.Method)
	require.Equal(t, "410 Gone", entry.Response.Status)
}
