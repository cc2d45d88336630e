package simulator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"healthlake-cdc/devstack/internal/simulator"
)

func TestIndexingHidesTheVersionBefore(t *testing.T) {
	ctx := context.Background()
	clk := newClock()
	s, c := start(t, simulator.Config{Now: clk.now, SearchLag: simulator.FixedLag(5 * time.Second)})
	found := func() []string { return search(t, c, "Patient", "").versions(t) }
	strong := func() []string {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/datastore/"+store+"/r4/Patient", nil)
		require.NoError(t, err)
		req.Header.Set(simulator.ConsistencyHeader, "strong")
		require.NoError(t, c.Sign(ctx, req, nil))
		return sendDecoded(t, req).versions(t)
	}

	put(t, c, "p", 1)
	clk.add(4999 * time.Millisecond)
	require.Empty(t, found())
	require.Empty(t, strong())
	clk.add(time.Millisecond)
	require.Equal(t, []string{"p/1"}, found())

	put(t, c, "p", 2)
	require.Empty(t, found(), "while version 2 is indexed, version 1 is hidden")
	require.Equal(t, []string{"p/1"}, strong())
	clk.add(3 * time.Second)
	put(t, c, "p", 3)
	clk.add(2 * time.Second)
	require.Empty(t, found(), "version 2 was replaced before it was searchable")
	require.Equal(t, []string{"p/2"}, strong(), "the lag of version 2 is over")
	clk.add(3 * time.Second)
	require.Equal(t, []string{"p/3"}, found())
	require.Equal(t, []string{"p/3"}, strong())

	require.NoError(t, c.Delete(ctx, "Patient", "p"))
	require.Empty(t, found())
	require.Empty(t, strong())
	put(t, c, "p", 5)
	require.Empty(t, strong(), "nothing before a delete comes back")

	ever := []bool{}
	for _, w := range s.WriteLog(store) {
		ever = append(ever, w.EverSearchable())
	}
	require.Equal(t, []bool{true, false, true, false, true}, ever)
}

// The model knows nothing of indexes or pages: it goes through the write log of
// its own and keeps what each rule of search leaves.
func TestSearchAgreesWithModel(t *testing.T) {
	type written struct {
		id      string
		version int
		at      time.Time
		visible time.Time
		deleted bool
	}
	rapid.Check(t, func(rt *rapid.T) {
		clk := newClock()
		lag := 2 * time.Second
		s, c := start(rt, simulator.Config{Now: clk.now, SearchLag: func(string, string, *rand.Rand) time.Duration { return lag }})
		latest := map[string]written{}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(rt, "id")
			lag = rapid.SampledFrom([]time.Duration{0, time.Second, 3 * time.Second}).Draw(rt, "lag")
			old := latest[id]
			switch rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0:
				if old.version > 0 && !old.deleted {
					require.NoError(rt, c.Delete(context.Background(), "Patient", id))
					latest[id] = written{id: id, version: old.version + 1, deleted: true}
				}
			default:
				put(rt, c, id, 0)
				latest[id] = written{id: id, version: old.version + 1, at: clk.now().Truncate(time.Millisecond), visible: clk.now().Add(lag)}
			}
			clk.add(time.Duration(rapid.IntRange(0, 1500).Draw(rt, "ms")) * time.Millisecond)

			from := epoch.Add(time.Duration(rapid.IntRange(0, 20000).Draw(rt, "from")) * time.Millisecond)
			to := from.Add(time.Duration(rapid.IntRange(0, 20000).Draw(rt, "span")) * time.Millisecond)
			var want []string
			for _, w := range latest {
				if !w.deleted && !w.visible.After(clk.now()) && !w.at.Before(from) && w.at.Before(to) {
					want = append(want, fmt.Sprintf("%s/%d", w.id, w.version))
				}
			}
			got := allPages(rt, c.Datastore, func(link string) (searchBundle, error) {
				if link != "" {
					return follow(rt, c, link)
				}
				return search(rt, c, "Patient", query("ge", from, "lt", to)+"&_count=2&_total=accurate&_sort="+
					rapid.SampledFrom([]string{"_lastUpdated", "-_lastUpdated"}).Draw(rt, "sort")), nil
			}, len(want))
			require.ElementsMatch(rt, want, got)
		}
		require.Zero(rt, s.Stats().Datastores[store].Total.Failed)
	})
}

func query(prefix string, at time.Time, more ...any) string {
	q := "_lastUpdated=" + prefix + url.QueryEscape(at.Format(time.RFC3339Nano))
	if len(more) == 2 {
		q += "&" + query(more[0].(string), more[1].(time.Time))
	}
	return q
}

func allPages(t require.TestingT, _ string, page func(link string) (searchBundle, error), total int) []string {
	var out []string
	link := ""
	for {
		b, err := page(link)
		require.NoError(t, err)
		require.Equal(t, total, *b.Total)
		out = append(out, b.versions(t)...)
		if link = b.link("next"); link == "" {
			return out
		}
	}
}

func TestPagesOfAWindow(t *testing.T) {
	clk := newClock()
	s, c := start(t, simulator.Config{Now: clk.now})
	var want []string
	for i := range 257 {
		put(t, c, fmt.Sprintf("p%d", i), i)
		want = append(want, fmt.Sprintf("p%d/1", i))
		if i%3 == 0 { // many in one millisecond
			clk.add(time.Millisecond)
		}
	}
	for _, sort := range []string{"", "&_sort=_lastUpdated", "&_sort=-_lastUpdated"} {
		page := search(t, c, "Patient", "_count=100&_total=accurate"+sort)
		require.Equal(t, "searchset", page.Type)
		require.Equal(t, 257, *page.Total)
		require.Equal(t, "match", page.Entry[0].Search.Mode)
		require.True(t, strings.HasPrefix(page.Entry[0].FullURL, s.URL()+"/datastore/"+store+"/r4/Patient/p"))
		require.NotEmpty(t, page.link("self"))
		got := page.versions(t)
		for page.link("next") != "" {
			require.Len(t, page.Entry, 100)
			var err error
			page, err = follow(t, c, page.link("next"))
			require.NoError(t, err)
			got = append(got, page.versions(t)...)
		}
		if strings.Contains(sort, "-") {
			slices.Reverse(got)
		}
		require.Equal(t, want, got)
	}
	stats := s.Stats().Datastores[store]
	require.Equal(t, int64(9), stats.Types["Patient"].Searches)
	require.Equal(t, int64(6), stats.Types["Patient"].FurtherPages)
	require.Equal(t, int64(2), stats.Shapes["GET Patient _count _total=accurate page"])
}

func TestLastUpdatedPrefixes(t *testing.T) {
	clk := newClock()
	_, c := start(t, simulator.Config{Now: clk.now, Digits: simulator.Nanoseconds})
	for _, id := range []string{"a", "b", "c"} { // .123456789 of three seconds
		put(t, c, id, 0)
		clk.add(time.Second)
	}
	b := epoch.Add(time.Second).Format(time.RFC3339Nano)
	for q, want := range map[string]string{
		b: "b", "eq" + b: "b", "ne" + b: "ac", "gt" + b: "c", "lt" + b: "a", "ge" + b: "bc", "le" + b: "ab", "sa" + b: "c", "eb" + b: "a",
		"eq2026-11-23T15:04:06Z": "b", "ge2026-11-23T15:04:06Z": "bc", "gt2026-11-23T15:04:06Z": "c", "le2026-11-23T15:04:06Z": "ab",
		"eq2026-11-23": "abc", "2026": "abc", "lt2026-11": "", "ge2026-11-23T16:04:07+01:00": "c", "2026-11-23T15:04Z": "abc",
	} {
		var got strings.Builder
		for _, v := range search(t, c, "Patient", "_lastUpdated="+url.QueryEscape(q)).versions(t) {
			got.WriteString(v[:1])
		}
		require.Equal(t, want, got.String(), q)
	}
	require.Equal(t, []string{"b/1"}, search(t, c, "Patient", query("gt", epoch, "lt", epoch.Add(2*time.Second))).versions(t))
}

func TestWholeSecondDiscretion(t *testing.T) {
	clk := newClock()
	_, c := start(t, simulator.Config{Now: clk.now, WholeSeconds: true})
	put(t, c, "a", 0)
	later := epoch.Add(500 * time.Millisecond)
	require.Len(t, search(t, c, "Patient", query("ge", later)).Entry, 1, "more than was asked for")
	require.Empty(t, search(t, c, "Patient", query("lt", later)).Entry, "and less")
}

func TestSearchParameters(t *testing.T) {
	_, c := start(t, simulator.Config{Unsearchable: []string{"Basic"}})
	for i := range 12 {
		_, err := c.Update(context.Background(), "Patient", fmt.Sprintf("p%d", i), fmt.Appendf(nil,
			`{"resourceType":"Patient","id":"p%d","meta":{"tag":[{"code":"x"}]},"text":{"div":"<div/>"},"active":true,"weight":1.00}`, i))
		require.NoError(t, err)
	}
	for _, q := range []string{
		"_count=0", "_count=101", "_count=x", "_count=1&_count=2", "name=x", "_lastUpdated=yesterday", "_lastUpdated=ap2026",
		"_sort=name", "_total=estimate", "_elements=id&_summary=true", "_summary=some", "page=AAMA", "_lastUpdated:missing=true",
	} {
		_, err := get(c, "Patient", q)
		requireStatus(t, err, http.StatusBadRequest, "ValidationException")
	}
	_, err := get(c, "Basic", "")
	requireStatus(t, err, http.StatusBadRequest, "")
	_, err = get(c, "Nonsense", "")
	requireStatus(t, err, http.StatusNotFound, "")

	require.Len(t, search(t, c, "Patient", "").Entry, 10)
	require.Nil(t, search(t, c, "Patient", "_total=none").Total)
	require.ElementsMatch(t, []string{"p3/1", "p11/1"}, search(t, c, "Patient", "_id=p3,p11,nobody").versions(t))
	count := search(t, c, "Patient", "_summary=count")
	require.Equal(t, 12, *count.Total)
	require.Empty(t, count.Entry)

	for q, want := range map[string][]string{
		"_id=p1&_elements=id,meta":     {"resourceType", "id", "meta"},
		"_id=p1&_elements=active":      {"resourceType", "id", "meta", "active"},
		"_id=p1&_summary=data":         {"resourceType", "id", "meta", "active", "weight"},
		"_id=p1&_summary=text":         {"resourceType", "id", "meta", "text"},
		"_id=p1&_summary=false":        {"resourceType", "id", "meta", "text", "active", "weight"},
		"_id=p1&_elements=weight,text": {"resourceType", "id", "meta", "text", "weight"},
	} {
		raw := search(t, c, "Patient", q).Entry[0].Resource
		var fields map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(raw, &fields))
		names := []string{}
		for name := range fields {
			names = append(names, name)
		}
		require.ElementsMatch(t, want, names, q)
		require.Equal(t, !strings.Contains(q, "false"), strings.Contains(string(fields["meta"]), "SUBSETTED"), q)
		require.Contains(t, string(fields["meta"]), `{"code":"x"}`)
		if weight, ok := fields["weight"]; ok {
			require.Equal(t, "1.00", string(weight))
		}
	}

	// POST searches take their parameters from the form.
	form := []byte("_id=p1%2Cp2&_count=1")
	_, body, err := c.Do(context.Background(), http.MethodPost, "Patient/_search", nil, form)
	require.NoError(t, err)
	page := decode(t, body)
	require.Len(t, page.Entry, 1)
	page, err = follow(t, c, page.link("next"))
	require.NoError(t, err)
	require.Len(t, page.Entry, 1)
}

func TestPageTokens(t *testing.T) {
	clk := newClock()
	_, c := start(t, simulator.Config{Now: clk.now, TokenLifetime: time.Minute})
	for i := range 3 {
		put(t, c, fmt.Sprintf("p%d", i), i)
	}
	next := search(t, c, "Patient", "_count=1").link("next")
	_, token, _ := strings.Cut(next, "page=")
	for _, raw := range []string{"=", "/", "+"} {
		require.Contains(t, token, raw)
	}
	_, err := follow(t, c, next)
	require.NoError(t, err)
	_, err = follow(t, c, strings.Replace(next, "_count=1", "_count=2", 1))
	requireStatus(t, err, http.StatusBadRequest, "")
	_, err = follow(t, c, strings.Replace(next, "/Patient", "/Observation", 1))
	requireStatus(t, err, http.StatusBadRequest, "")
	clk.add(time.Minute)
	_, err = follow(t, c, next)
	require.NoError(t, err)
	clk.add(time.Nanosecond)
	_, err = follow(t, c, next)
	requireStatus(t, err, http.StatusBadRequest, "")
}

func TestCapabilityStatement(t *testing.T) {
	_, c := start(t, simulator.Config{Types: []string{"Patient", "Basic"}, Unsearchable: []string{"Basic"}})
	body, err := get(c, "metadata", "")
	require.NoError(t, err)
	var st struct {
		FHIRVersion string
		Rest        []struct {
			Resource []struct {
				Type        string
				Interaction []struct{ Code string }
			}
		}
	}
	require.NoError(t, json.Unmarshal(body, &st))
	require.Equal(t, "4.0.1", st.FHIRVersion)
	searchable := map[string]bool{}
	for _, r := range st.Rest[0].Resource {
		searchable[r.Type] = slices.ContainsFunc(r.Interaction, func(i struct{ Code string }) bool { return i.Code == "search-type" })
	}
	require.Equal(t, map[string]bool{"Patient": true, "Basic": false}, searchable)
}
