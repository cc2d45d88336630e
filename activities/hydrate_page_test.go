package activities

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

var pageSalt = cdc.Salt{1, 2, 3}

// filled is a store with n Patients of some size in the range, a few a page.
func filled(n, size int) *healthlaketest.Store {
	store := stored()
	store.Fill("Patient", n, rangeSpan.From.Add(time.Hour), size)
	return store
}

func pagesOf(next string) cdc.HydratePageInput {
	return cdc.HydratePageInput{Origin: rangeOrigin, Type: "Patient", Span: rangeSpan, Salt: pageSalt, Next: next}
}

// allPages reads pages as a slice does, until the last one, and returns what each attempt
// brought and every version in the order in which it came.
func allPages(t require.TestingT, a *Activities, in cdc.HydratePageInput) (attempts []cdc.HydratePageResult, keys []string) {
	for range 1_000 {
		got, err := a.HydratePage(context.Background(), in)
		if err != nil {
			continue // Temporal tries again
		}
		attempts = append(attempts, got)
		for _, change := range got.Changes {
			keys = append(keys, change.IdempotencyKey(""))
		}
		for _, version := range got.Listed {
			keys = append(keys, version.IdempotencyKey(""))
		}
		switch {
		case got.Restart:
			in.Next, in.Known, in.Trail = "", cdc.HashSet{}, cdc.PageTrail{}
			continue
		case got.State == cdc.PageDone:
			return attempts, keys
		case got.State == cdc.PageMore || got.Next != in.Next:
			in.Known = cdc.HashSet{}
		}
		if got.State == cdc.PageIncomplete {
			for _, change := range got.Changes {
				in.Known.Add(in.Salt.Hash(change.Version))
			}
			for _, version := range got.Listed {
				in.Known.Add(in.Salt.Hash(version))
			}
		}
		in.Next, in.Trail = got.Next, got.Trail
	}
	require.Fail(t, "the pages do not end")
	return nil, nil
}

// Whatever the sizes of bodies and pages, and whatever fails, all versions come, each once
// unless the pages start again; each result keeps its bounds.
func TestPagesBringEverything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store := stored()
		store.PageSize = rapid.IntRange(1, 7).Draw(rt, "page size")
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1_000, 300_000, 990_000}), 0, 60).Draw(rt, "sizes")
		for _, size := range sizes {
			store.Fill("Patient", 1, rangeSpan.From.Add(time.Hour), size)
		}
		failures := rapid.SliceOfN(rapid.SampledFrom([]cdc.Class{"", cdc.ClassUnavailable, cdc.ClassPageTokenRejected}), 0, 12).Draw(rt, "failures")
		calls, restarts := 0, 0
		store.Fail = func(c healthlaketest.Call) error {
			if calls++; calls > len(failures) || failures[calls-1] == "" || !c.Further {
				return nil
			}
			if failures[calls-1] == cdc.ClassPageTokenRejected {
				restarts++
			}
			return &cdc.Error{Op: "GET {Type}?page", Class: failures[calls-1]}
		}
		in := pagesOf("")
		in.List = rapid.Bool().Draw(rt, "list")
		in.Pages = rapid.IntRange(0, 4).Draw(rt, "pages")
		attempts, keys := allPages(rt, ranging(store), in)

		want := store.Keys("", func(healthlaketest.Stored) bool { return true })
		if restarts == 0 {
			require.Len(rt, keys, len(want), "each once")
		}
		slices.Sort(keys)
		require.Equal(rt, want, slices.Compact(keys))
		for _, got := range attempts {
			sum := 0
			for _, change := range got.Changes {
				sum += change.Body.Len()
			}
			require.LessOrEqual(rt, sum, max(cdc.MaxResultBodies, 1_000_000))
			require.LessOrEqual(rt, got.Counts.Searches, cdc.MaxPages)
			if in.Pages > 0 {
				require.LessOrEqual(rt, got.Counts.Searches, in.Pages)
			}
		}
	})
}

// An attempt reads as many pages as it may, and no page is searched twice.
func TestPagesTakeFewAttempts(t *testing.T) {
	for name, c := range map[string]struct {
		n, size, pages     int
		list               bool
		attempts, searches int
	}{
		"small":                       {n: 75, size: 100, attempts: 3, searches: 25},
		"listed":                      {n: 75, size: 100, list: true, attempts: 3, searches: 25},
		"a page an attempt":           {n: 75, size: 100, pages: 1, attempts: 25, searches: 25},
		"the last page ends it":       {n: 30, size: 100, attempts: 1, searches: 10},
		"nothing":                     {n: 0, attempts: 1, searches: 1},
		"as many as the result holds": {n: 24, size: 100_000, attempts: 3, searches: 8},
		"a page that does not fit":    {n: 3, size: 900_000, attempts: 3, searches: 3},
	} {
		t.Run(name, func(t *testing.T) {
			in := pagesOf("")
			in.List, in.Pages = c.list, c.pages
			attempts, keys := allPages(t, ranging(filled(c.n, c.size)), in)
			require.Len(t, keys, c.n)
			searches := 0
			for _, got := range attempts {
				searches += got.Counts.Searches
			}
			require.Len(t, attempts, c.attempts)
			require.Equal(t, c.searches, searches)
		})
	}
}

// What was read before a page failed is the result, and the page is requested again.
func TestPageThatFailsEndsTheAttempt(t *testing.T) {
	for _, class := range []cdc.Class{cdc.ClassUnavailable, cdc.ClassForbidden, cdc.ClassPageTokenRejected} {
		store := filled(20, 100)
		calls := 0
		store.Fail = func(healthlaketest.Call) error {
			if calls++; calls >= 4 {
				return &cdc.Error{Op: "GET {Type}?page", Class: class}
			}
			return nil
		}
		a := ranging(store)
		got, err := a.HydratePage(t.Context(), pagesOf(""))
		require.NoError(t, err)
		require.Equal(t, cdc.PageMore, got.State)
		require.Len(t, got.Changes, 9)
		require.Equal(t, 4, got.Counts.Searches)
		require.False(t, got.Restart)

		again, err := a.HydratePage(t.Context(), pagesOf(got.Next))
		if class == cdc.ClassPageTokenRejected {
			require.NoError(t, err)
			require.True(t, again.Restart)
			require.Empty(t, again.Next)
			continue
		}
		require.ErrorContains(t, err, string(class))
	}
}

// Pages that go round are ended, within an attempt and over several.
func TestPagesThatGoRoundEnd(t *testing.T) {
	for _, pages := range []int{0, 1, 4} {
		store := filled(60, 100)
		store.Leads = func(_, next int) int {
			if next == 45 {
				return 15
			}
			return next
		}
		in := pagesOf("")
		in.Pages = pages
		attempts, keys := allPages(t, ranging(store), in)
		require.Len(t, keys, 45)
		last := attempts[len(attempts)-1]
		require.Equal(t, cdc.PageDone, last.State)
		require.Empty(t, last.Next)
		require.Len(t, store.Calls, 15, "the link to what was read is not followed")
	}
}

// The rest of a page that did not fit is requested by its own link, which may be another
// than the attempt began with.
func TestPageInTheMiddleThatDoesNotFit(t *testing.T) {
	store := filled(6, 100)
	store.Fill("Patient", 3, rangeSpan.From.Add(time.Hour), 990_000)
	a := ranging(store)
	first, err := a.HydratePage(t.Context(), pagesOf(""))
	require.NoError(t, err)
	require.Equal(t, cdc.PageIncomplete, first.State)
	require.Equal(t, 3, first.Counts.Searches)
	require.GreaterOrEqual(t, len(first.Changes), 6)
	require.Less(t, len(first.Changes), 9)
	_, keys := allPages(t, ranging(store), pagesOf(""))
	require.Len(t, keys, 9)
}

// An attempt that holds changes waits some seconds for the next token, no more.
func TestPagesAreNotHeldForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := ranging(filled(30, 100))
		a.Reader.Limits = NewLimits(0.4) // a token each 2.5 s
		began := time.Now()
		got, err := a.HydratePage(t.Context(), pagesOf(""))
		require.NoError(t, err)
		require.Equal(t, cdc.PageMore, got.State)
		require.Equal(t, 4, got.Counts.Searches, "the first at once")
		require.Len(t, got.Changes, 12)
		require.LessOrEqual(t, time.Since(began), maxHold)
	})
}
