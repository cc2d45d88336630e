package explain

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"healthlake-cdc/internal/cdc"
)

// aStore holds one resource's versions as a store tells of them: "" is a version
// with a body, "deleted" a delete, "lost" one that history does not have.
type aStore struct {
	versions []string
	noHist   bool
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
		return cdc.Resource{}, &cdc.Error{Op: "GET", Class: cdc.ClassRejected, Status: http.StatusBadRequest}
	case err != nil || n < 1 || n > len(s.versions) || s.versions[n-1] == "lost":
		return cdc.Resource{}, problem(http.StatusNotFound)
	case s.versions[n-1] == "deleted":
		return cdc.Resource{}, problem(http.StatusGone)
	}
	return s.at(n), nil
}

func look(t require.TestingT, s *aStore, version string) found {
	f, err := reader{store: s, ask: Ask{Datastore: "d", Type: "Patient", ID: "p", Version: version}}.look(context.Background())
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
		"deleted, older one named":  {store: aStore{versions: []string{"", "", "deleted"}}, ask: "1", standing: Replaced, version: "1", by: "2", timeKnown: true},
		"deleted, without history":  {store: aStore{versions: []string{"", "deleted"}, noHist: true}, standing: Gone},
		"deleted, history untold":   {store: aStore{versions: []string{"", "deleted"}, noHist: true}, ask: "1", standing: Untold, version: "1", byDelete: true},
		"beyond a delete":           {store: aStore{versions: []string{"", "deleted"}}, ask: "7", standing: NotWritten, version: "7", current: "2"},
		"never existed":             {store: aStore{}, standing: Absent},
		"never existed, named":      {store: aStore{}, ask: "1", standing: Absent, version: "1"},
		"not written":               {store: aStore{versions: []string{""}}, ask: "2", standing: NotWritten, version: "2", current: "1"},
		"older, lost from history":  {store: aStore{versions: []string{"lost", ""}}, ask: "1", standing: Untold, version: "1", current: "2", by: "2", atLatest: true},
		"older, without history":    {store: aStore{versions: []string{"", ""}, noHist: true}, ask: "1", standing: Untold, version: "1", current: "2", by: "2", atLatest: true},
		"of another kind of number": {store: aStore{versions: []string{""}}, ask: "abc", standing: Untold, version: "abc", current: "1", by: "1", atLatest: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := look(t, &c.store, c.ask)
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

// The last version before a delete is found in few reads, however many there are.
func TestLastVersionBeforeDelete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 2_000).Draw(t, "versions")
		s := &aStore{versions: make([]string, n+1)}
		s.versions[n] = "deleted"
		f := look(t, s, "")
		require.Equal(t, strconv.Itoa(n), f.version.VersionID)
		require.Equal(t, s.at(n).LastUpdated, f.version.LastUpdated)
		require.LessOrEqual(t, s.reads, 26)
	})
}

func TestStoreErrorsAreErrors(t *testing.T) {
	for _, class := range []cdc.Class{cdc.ClassForbidden, cdc.ClassThrottled, cdc.ClassUnavailable, cdc.ClassMalformed} {
		_, err := reader{store: &aStore{fails: class}, ask: Ask{Type: "Patient", ID: "p"}}.look(t.Context())
		require.Equal(t, class, cdc.ClassOf(err), fmt.Sprint(class))
	}
	f := look(t, &aStore{fails: cdc.ClassRejected}, "")
	require.Equal(t, Absent, f.state.Standing, "the store does not know the type")
}
