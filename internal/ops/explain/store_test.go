package explain

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

var begin = time.Date(2026, 11, 23, 12, 0, 7, 0, time.UTC)

// written is a store with these versions of one Patient: "" is one with a body, "deleted"
// a delete, "erased" one that is not in the history.
func written(versions ...string) *healthlaketest.Store {
	store := healthlaketest.New()
	store.HistoryPageSize = 2
	for i, version := range versions {
		at := begin.Add(time.Duration(i) * time.Minute)
		if version == "deleted" {
			store.Delete("Patient", "p", at)
			continue
		}
		store.Write("Patient", "p", at, 0, 0)
		store.Log[i].Erased = version == "erased"
	}
	return store
}

// withLag is a store whose history does not have the newest version yet.
func withLag(versions ...string) *healthlaketest.Store {
	store := written(versions...)
	store.Now = func() time.Time { return store.Log[len(versions)-1].Written }
	store.HistoryLag = time.Second
	return store
}

// withoutHistory is a store that keeps no history.
func withoutHistory(versions ...string) *healthlaketest.Store {
	store := written(versions...)
	store.Fail = func(c healthlaketest.Call) error {
		if c.Op == "read" {
			return nil
		}
		return &cdc.Error{Op: "GET", Class: cdc.ClassInvalidRequest, Status: http.StatusBadRequest}
	}
	return store
}

// failing is a store whose every response is an error.
func failing(class cdc.Class) *healthlaketest.Store {
	store := healthlaketest.New()
	store.Fail = func(healthlaketest.Call) error { return &cdc.Error{Op: "GET", Class: class} }
	return store
}

func find(t *testing.T, s *healthlaketest.Store, version string) *finder {
	t.Helper()
	f := &finder{store: s, Request: Request{Datastore: "d", Type: "Patient", ID: "p", Version: version}}
	require.NoError(t, f.find(t.Context()))
	return f
}

func TestHowAVersionStands(t *testing.T) {
	for name, c := range map[string]struct {
		store     *healthlaketest.Store
		ask       string
		standing  Standing
		version   string // with its time
		current   string
		by        string
		byDelete  bool
		atLatest  bool
		timeKnown bool
	}{
		"current":                   {store: written("", ""), standing: Current, version: "2", current: "2", timeKnown: true},
		"current, named":            {store: written("", ""), ask: "2", standing: Current, version: "2", current: "2", timeKnown: true},
		"current, history lags":     {store: written("", "erased"), ask: "2", standing: Current, version: "2", current: "2", timeKnown: true},
		"replaced":                  {store: written("", "", ""), ask: "1", standing: Replaced, version: "1", current: "3", by: "2", timeKnown: true},
		"replaced, next is lost":    {store: written("", "erased", ""), ask: "1", standing: Replaced, version: "1", current: "3", by: "3", atLatest: true, timeKnown: true},
		"replaced by a delete":      {store: written("", "deleted", ""), ask: "1", standing: Replaced, version: "1", current: "3", by: "2", byDelete: true, timeKnown: true},
		"the delete itself":         {store: written("", "deleted"), ask: "2", standing: Tombstone, version: "2"},
		"deleted":                   {store: written("", "", "deleted"), standing: Gone, version: "2", current: "3", by: "3", byDelete: true, timeKnown: true},
		"deleted, last one erased":  {store: written("", "erased", "deleted"), standing: Gone, version: "1", current: "3", by: "3", byDelete: true, timeKnown: true},
		"deleted, history lags":     {store: withLag("", "", "deleted"), standing: Gone, version: "2", current: "2", byDelete: true, timeKnown: true},
		"deleted twice":             {store: written("", "deleted", "", "deleted", "deleted"), standing: Gone, version: "3", current: "5", by: "4", byDelete: true, timeKnown: true},
		"deleted, all erased":       {store: written("erased", "deleted"), standing: Gone, current: "2"},
		"deleted, older one named":  {store: written("", "", "deleted"), ask: "1", standing: Replaced, version: "1", by: "2", timeKnown: true},
		"deleted, without history":  {store: withoutHistory("", "deleted"), standing: Gone},
		"deleted, history lost":     {store: withoutHistory("", "deleted"), ask: "1", standing: NotStored, version: "1", byDelete: true},
		"beyond a delete":           {store: written("", "deleted"), ask: "7", standing: NotWritten, version: "7", current: "2"},
		"never existed":             {store: written(), standing: Absent},
		"never existed, named":      {store: written(), ask: "1", standing: Absent, version: "1"},
		"not written":               {store: written(""), ask: "2", standing: NotWritten, version: "2", current: "1"},
		"older, lost from history":  {store: written("erased", ""), ask: "1", standing: NotStored, version: "1", current: "2", by: "2", atLatest: true},
		"older, without history":    {store: withoutHistory("", ""), ask: "1", standing: NotStored, version: "1", current: "2", by: "2", atLatest: true},
		"of another kind of number": {store: written(""), ask: "abc", standing: NotStored, version: "abc", current: "1", by: "1", atLatest: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := find(t, c.store, c.ask)
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
	s := written(append(make([]string, 2_000), "deleted")...)
	f := find(t, s, "")
	require.Equal(t, "2000", f.version.VersionID)
	require.Equal(t, s.Log[1_999].LastUpdated, f.version.LastUpdated)
	require.Len(t, s.Calls, 2)

	s = written(slices.Repeat([]string{"deleted"}, 1_000)...)
	require.Empty(t, find(t, s, "").version.VersionID)
	require.Len(t, s.Made("history", ""), maxHistoryPages, "tombstones without end are read only so far")
}

func TestStoreErrorsAreErrors(t *testing.T) {
	for _, class := range []cdc.Class{cdc.ClassForbidden, cdc.ClassThrottled, cdc.ClassUnavailable, cdc.ClassMalformed} {
		f := finder{store: failing(class), Request: Request{Type: "Patient", ID: "p"}}
		require.Equal(t, class, cdc.ClassOf(f.find(t.Context())))
	}
	f := find(t, failing(cdc.ClassInvalidRequest), "")
	require.Equal(t, Absent, f.state.Standing, "the store does not know the type")
}
