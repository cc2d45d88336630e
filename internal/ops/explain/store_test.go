package explain

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// aStore holds one resource's versions as a store shows them: "" is a version with a
// body, "deleted" a delete, "lost" one that history does not have, or was erased.
type aStore struct {
	versions []string
	noHist   bool
	lags     bool // history does not have the newest entry yet
	fails    cdc.Class
	reads    int
}

var begin = time.Date(2026, 11, 23, 12, 0, 7, 0, time.UTC)

func (s *aStore) at(n int) cdc.Resource {
	return cdc.Resource{Version: cdc.Version{
		Type: "Patient", ID: "p", VersionID: strconv.Itoa(n),
		LastUpdated: begin.Add(time.Duration(n) * time.Minute).Format(time.RFC3339Nano),
	}}
}

func problem(status int) error {
	return &cdc.Error{Op: "GET", Class: cdc.ClassNotFound, Status: status}
}

func (s *aStore) Read(context.Context, string, string, string) (cdc.Resource, error) {
	n := len(s.versions)
	switch {
	case s.fails != "":
		return cdc.Resource{}, &cdc.Error{Op: "GET", Class: s.fails}
	case n == 0:
		return cdc.Resource{}, problem(http.StatusNotFound)
	case s.versions[n-1] == "deleted":
		return cdc.Resource{}, problem(http.StatusGone)
	}
	return s.at(n), nil
}

func (s *aStore) VRead(_ context.Context, _, _, _, version string) (cdc.Resource, error) {
	s.reads++
	n, err := strconv.Atoi(version)
	switch {
	case s.noHist:
		return cdc.Resource{}, &cdc.Error{Op: "GET", Class: cdc.ClassInvalidRequest, Status: http.StatusBadRequest}
	case err != nil || n < 1 || n > len(s.versions) || s.versions[n-1] == "lost":
		return cdc.Resource{}, problem(http.StatusNotFound)
	case s.versions[n-1] == "deleted":
		return cdc.Resource{}, problem(http.StatusGone)
	}
	return s.at(n), nil
}

// History has two entries a page, the newest first.
func (s *aStore) History(_ context.Context, _, _, _, next string) (cdc.Page, error) {
	s.reads++
	if s.noHist {
		return cdc.Page{}, &cdc.Error{Op: "GET", Class: cdc.ClassInvalidRequest, Status: http.StatusBadRequest}
	}
	var all []cdc.Resource
	for n := len(s.versions); n > 0; n-- {
		if n == len(s.versions) && s.lags {
			continue
		}
		if s.versions[n-1] != "lost" {
			entry := s.at(n)
			entry.Deleted = s.versions[n-1] == "deleted"
			all = append(all, entry)
		}
	}
	if len(all) == 0 {
		return cdc.Page{}, problem(http.StatusNotFound)
	}
	at, _ := strconv.Atoi(next)
	page := cdc.Page{Resources: all[at:min(at+2, len(all))]}
	if at+2 < len(all) {
		page.Next = strconv.Itoa(at + 2)
	}
	return page, nil
}

func find(t *testing.T, s *aStore, version string) found {
	t.Helper()
	f, err := reader{store: s, Request: Request{Datastore: "d", Type: "Patient", ID: "p", Version: version}}.find(t.Context())
	require.NoError(t, err)
	return f
}

func TestHowAVersionStands(t *testing.T) {
	for name, c := range map[string]struct {
		store     aStore
		ask       string
		standing  Standing
		version   string // with its time
		current   string
		by        string
		byDelete  bool
		atLatest  bool
		timeKnown bool
	}{
		"current":                   {store: aStore{versions: []string{"", ""}}, standing: Current, version: "2", current: "2", timeKnown: true},
		"current, named":            {store: aStore{versions: []string{"", ""}}, ask: "2", standing: Current, version: "2", current: "2", timeKnown: true},
		"current, history lags":     {store: aStore{versions: []string{"", "lost"}}, ask: "2", standing: Current, version: "2", current: "2", timeKnown: true},
		"replaced":                  {store: aStore{versions: []string{"", "", ""}}, ask: "1", standing: Replaced, version: "1", current: "3", by: "2", timeKnown: true},
		"replaced, next is lost":    {store: aStore{versions: []string{"", "lost", ""}}, ask: "1", standing: Replaced, version: "1", current: "3", by: "3", atLatest: true, timeKnown: true},
		"replaced by a delete":      {store: aStore{versions: []string{"", "deleted", ""}}, ask: "1", standing: Replaced, version: "1", current: "3", by: "2", byDelete: true, timeKnown: true},
		"the delete itself":         {store: aStore{versions: []string{"", "deleted"}}, ask: "2", standing: Tombstone, version: "2"},
		"deleted":                   {store: aStore{versions: []string{"", "", "deleted"}}, standing: Gone, version: "2", current: "3", by: "3", byDelete: true, timeKnown: true},
		"deleted, last one erased":  {store: aStore{versions: []string{"", "lost", "deleted"}}, standing: Gone, version: "1", current: "3", by: "3", byDelete: true, timeKnown: true},
		"deleted, history lags":     {store: aStore{versions: []string{"", "", "deleted"}, lags: true}, standing: Gone, version: "2", current: "2", byDelete: true, timeKnown: true},
		"deleted twice":             {store: aStore{versions: []string{"", "deleted", "", "deleted", "deleted"}}, standing: Gone, version: "3", current: "5", by: "4", byDelete: true, timeKnown: true},
		"deleted, all erased":       {store: aStore{versions: []string{"lost", "deleted"}}, standing: Gone, current: "2"},
		"deleted, older one named":  {store: aStore{versions: []string{"", "", "deleted"}}, ask: "1", standing: Replaced, version: "1", by: "2", timeKnown: true},
		"deleted, without history":  {store: aStore{versions: []string{"", "deleted"}, noHist: true}, standing: Gone},
		"deleted, history lost":     {store: aStore{versions: []string{"", "deleted"}, noHist: true}, ask: "1", standing: NotStored, version: "1", byDelete: true},
		"beyond a delete":           {store: aStore{versions: []string{"", "deleted"}}, ask: "7", standing: NotWritten, version: "7", current: "2"},
		"never existed":             {store: aStore{}, standing: Absent},
		"never existed, named":      {store: aStore{}, ask: "1", standing: Absent, version: "1"},
		"not written":               {store: aStore{versions: []string{""}}, ask: "2", standing: NotWritten, version: "2", current: "1"},
		"older, lost from history":  {store: aStore{versions: []string{"lost", ""}}, ask: "1", standing: NotStored, version: "1", current: "2", by: "2", atLatest: true},
		"older, without history":    {store: aStore{versions: []string{"", ""}, noHist: true}, ask: "1", standing: NotStored, version: "1", current: "2", by: "2", atLatest: true},
		"of another kind of number": {store: aStore{versions: []string{""}}, ask: "abc", standing: NotStored, version: "abc", current: "1", by: "1", atLatest: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := find(t, &c.store, c.ask)
			require.Equal(t, c.standing, f.state.Standing)
			require.Equal(t, c.version, f.version.VersionID)
			require.Equal(t, c.timeKnown, !f.version.Time().IsZero())
			if c.current != "" {
				require.Equal(t, c.current, f.state.CurrentVersion)
			}
			require.Equal(t, c.by, f.state.ReplacedBy)
			require.Equal(t, c.byDelete, f.state.ByDelete)
			require.Equal(t, c.atLatest, f.state.AtLatest)
		})
	}
}

// The last version before a delete is found in two requests, however many there are.
func TestLastVersionBeforeDelete(t *testing.T) {
	s := &aStore{versions: make([]string, 2_001)}
	s.versions[2_000] = "deleted"
	f := find(t, s, "")
	require.Equal(t, "2000", f.version.VersionID)
	require.Equal(t, s.at(2_000).LastUpdated, f.version.LastUpdated)
	require.Equal(t, 1, s.reads)

	s = &aStore{versions: slices.Repeat([]string{"deleted"}, 1_000)}
	require.Empty(t, find(t, s, "").version.VersionID)
	require.Equal(t, maxHistoryPages, s.reads, "tombstones without end are read only so far")
}

func TestStoreErrorsAreErrors(t *testing.T) {
	for _, class := range []cdc.Class{cdc.ClassForbidden, cdc.ClassThrottled, cdc.ClassUnavailable, cdc.ClassMalformed} {
		_, err := reader{store: &aStore{fails: class}, Request: Request{Type: "Patient", ID: "p"}}.find(t.Context())
		require.Equal(t, class, cdc.ClassOf(err))
	}
	f := find(t, &aStore{fails: cdc.ClassInvalidRequest}, "")
	require.Equal(t, Absent, f.state.Standing, "the store does not know the type")
}
