package cdc

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func pageOf(ids ...string) Page {
	var page Page
	for _, id := range ids {
		page.Resources = append(page.Resources, Resource{Version: Version{ID: id, VersionID: "1"}})
	}
	return page
}

// follow adds the pages of a list until it goes round, and returns how many were
// added. Between any two the trail goes through JSON, as in a continue-as-new.
func follow(t *testing.T, most int, page func(i int) (Page, string)) int {
	salt := Salt{7}
	var trail PageTrail
	for i := range most {
		p, next := page(i)
		if trail.Add(salt, p.Content(salt), next) {
			return i + 1
		}
		text, err := json.Marshal(trail)
		require.NoError(t, err)
		trail = PageTrail{}
		require.NoError(t, json.Unmarshal(text, &trail))
	}
	return most
}

func TestPageTrail(t *testing.T) {
	other := func(i int) Page { return pageOf(fmt.Sprint(i)) }
	for name, tc := range map[string]struct {
		page func(i int) (Page, string)
		want int
	}{
		"ordinary":      {func(i int) (Page, string) { return other(i), fmt.Sprint(i) }, 500},
		"its last page": {func(int) (Page, string) { return Page{}, "" }, 500},
		"to itself":     {func(int) (Page, string) { return pageOf("a"), "again" }, 2},
		"in a circle":   {func(i int) (Page, string) { return other(i), fmt.Sprint(i % 3) }, 4},
		"empty":         {func(i int) (Page, string) { return Page{}, fmt.Sprint(i) }, MaxIdlePages},
		"a few are empty": {func(i int) (Page, string) {
			if i%MaxIdlePages > 0 {
				return Page{}, fmt.Sprint(i)
			}
			return other(i), fmt.Sprint(i)
		}, 500},
		"the same again": {func(i int) (Page, string) { return other(i % 3), fmt.Sprint(i) }, 3 + MaxIdlePages},
	} {
		require.Equal(t, tc.want, follow(t, 500, tc.page), name)
	}
}

func TestContentOfAPage(t *testing.T) {
	salt := Salt{7}
	require.Zero(t, Page{IDsOnly: true}.Content(salt))
	contents := map[Hash]bool{}
	ids := pageOf("a", "b")
	ids.IDsOnly = true
	strange := pageOf("a", "b")
	strange.Unreadable = []Unreadable{{Digest: [32]byte{1}}}
	for _, page := range []Page{pageOf("a", "b"), pageOf("b", "a"), pageOf("ab"), pageOf("a"), ids, strange} {
		contents[page.Content(salt)] = true
	}
	require.Len(t, contents, 6, "a list of ids that begins anew shows the same resources, and is another list")
	require.NotEqual(t, pageOf("a").Content(salt), pageOf("a").Content(Salt{8}))
}
