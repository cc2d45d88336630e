package cdc

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func names() *rapid.Generator[string] { return rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,99}`) }

func resourceTypes() *rapid.Generator[string] { return rapid.StringMatching(`[A-Z][A-Za-z]{1,63}`) }

func eventIDs() *rapid.Generator[string] { return rapid.StringMatching(`[A-Za-z0-9._:-]{1,128}`) }

func windows() *rapid.Generator[Window] {
	return rapid.Custom(func(t *rapid.T) Window {
		return WindowAt(datastores().Draw(t, "datastore"), times().Draw(t, "at"))
	})
}

// windowIDs draws the ID of a window's run.
func windowIDs() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return windows().Draw(t, "window").RerunID(rapid.IntRange(0, 50).Draw(t, "rerun"))
	})
}

// parentIDs draws the ID of a workflow that starts slices.
func parentIDs() *rapid.Generator[string] {
	backfill := func(name string) string { return "backfill/" + name }
	return rapid.OneOf(windowIDs(), rapid.Map(names(), ReplayID), rapid.Map(names(), backfill))
}

// sliceIDs draws the ID of a slice.
func sliceIDs() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		parent := parentIDs().Draw(t, "parent")
		return SliceID(parent, resourceTypes().Draw(t, "type"), times().Draw(t, "from"), rapid.IntRange(1, 9999).Draw(t, "k"))
	})
}

func deleteIDs() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return DeleteID(datastores().Draw(t, "datastore"), eventIDs().Draw(t, "event"))
	})
}

func rangeIDs() *rapid.Generator[string] {
	return rapid.OneOf(rapid.Map(names(), ReplayID), rapid.Map(names(), BackfillID))
}

func dryRunIDs() *rapid.Generator[string] { return rapid.Map(rangeIDs(), DryRunID) }

// rangeAuditIDs draws the ID of the audit of a backfill, or of its dry run.
func rangeAuditIDs() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		parent := BackfillID(names().Draw(t, "name"))
		if rapid.Bool().Draw(t, "dry") {
			parent = DryRunID(parent)
		}
		return RangeAuditID(parent, datastores().Draw(t, "datastore"))
	})
}

func TestRangeIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := names().Draw(t, "name")
		require.True(t, ValidName(name))
		back, replay, err := ParseRangeID(BackfillID(name))
		require.NoError(t, err)
		require.Equal(t, name, back)
		require.False(t, replay)
		back, replay, err = ParseRangeID(ReplayID(name))
		require.NoError(t, err)
		require.Equal(t, name, back)
		require.True(t, replay)
	})
}

func TestRangeAuditIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parent, datastore := BackfillID(names().Draw(t, "name")), datastores().Draw(t, "datastore")
		gotParent, gotDatastore, err := ParseRangeAuditID(RangeAuditID(parent, datastore))
		require.NoError(t, err)
		require.Equal(t, parent, gotParent)
		require.Equal(t, datastore, gotDatastore)
	})
}

func TestWindowIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, n := windows().Draw(t, "window"), rapid.IntRange(0, 10_000).Draw(t, "rerun")
		back, rerun, err := ParseWindowID(w.RerunID(n))
		require.NoError(t, err)
		require.Equal(t, w, back)
		require.Equal(t, n, rerun)
		require.Equal(t, w.ID(), w.RerunID(0))
	})
}

func TestSliceIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parent := parentIDs().Draw(t, "parent")
		resourceType := resourceTypes().Draw(t, "type")
		from := times().Draw(t, "from").UTC().Truncate(time.Second)
		k := rapid.IntRange(1, 1_000_000).Draw(t, "k")
		gotParent, gotType, gotFrom, gotK, err := ParseSliceID(SliceID(parent, resourceType, from, k))
		require.NoError(t, err)
		require.Equal(t, parent, gotParent)
		require.Equal(t, resourceType, gotType)
		require.Equal(t, from, gotFrom)
		require.Equal(t, k, gotK)
	})
}

func TestDeleteIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		datastore, event := datastores().Draw(t, "datastore"), eventIDs().Draw(t, "event")
		gotDatastore, gotEvent, err := ParseDeleteID(DeleteID(datastore, event))
		require.NoError(t, err)
		require.Equal(t, datastore, gotDatastore)
		require.Equal(t, event, gotEvent)
	})
}

// rebuilt parses id as every kind and builds it again: kind → ID.
func rebuilt(id string) map[string]string {
	kinds := map[string]string{}
	if w, n, err := ParseWindowID(id); err == nil {
		kinds["window"] = w.RerunID(n)
	}
	if parent, resourceType, from, k, err := ParseSliceID(id); err == nil {
		kinds["slice"] = SliceID(parent, resourceType, from, k)
	}
	if name, replay, err := ParseRangeID(id); err == nil && replay {
		kinds["replay"] = ReplayID(name)
	} else if err == nil {
		kinds["backfill"] = BackfillID(name)
	}
	if datastore, event, err := ParseDeleteID(id); err == nil {
		kinds["delete"] = DeleteID(datastore, event)
	}
	if rangeID, found := strings.CutPrefix(id, DryRunID("")); found {
		if _, _, err := ParseRangeID(rangeID); err == nil {
			kinds["dry run"] = DryRunID(rangeID)
		}
	}
	if parent, datastore, err := ParseRangeAuditID(id); err == nil {
		kinds["range's audit"] = RangeAuditID(parent, datastore)
	}
	return kinds
}

// hostileIDs draws strings made of what our IDs are made of, and IDs of ours
// with a piece put in, taken out or repeated.
func hostileIDs() *rapid.Generator[string] {
	piece := rapid.SampledFrom([]string{
		"window", "replay", "delete", "backfill", "audit", "dry-run", "ds", "Patient", "patient", "r1", "r0", "r01", "r-1", "R1",
		"1", "0", "01", "+1", "-1", "", ".", "..", " ", "\n", "%2F", "r1\n", "1\n", "ds\n",
		"2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z", "2026-01-01T00:00:00.0Z", "2026-01-01T00:00:00,000Z",
		"2026-01-01T0:00:00Z", "2026-01-01T00:00:00z", "2026-01-01T00:00:00+00:00", "10000-01-01T00:00:00Z",
	})
	return rapid.Custom(func(t *rapid.T) string {
		var parts []string
		if rapid.Bool().Draw(t, "from pieces") {
			parts = rapid.SliceOfN(piece, 1, 8).Draw(t, "pieces")
		} else {
			id := rapid.OneOf(windowIDs(), sliceIDs(), deleteIDs(), rangeIDs(), dryRunIDs(), rangeAuditIDs()).Draw(t, "id")
			// Other spellings of the same numbers and times.
			spelling := rapid.SampledFrom([][2]string{{"Z", ".0Z"}, {"Z", ",000Z"}, {"T0", "T"}, {"/r", "/r0"}, {"/r", "/r+"}, {"", ""}}).Draw(t, "spelling")
			id = strings.Replace(id, spelling[0], spelling[1], 1)
			if rapid.Bool().Draw(t, "only respelled") {
				return id
			}
			parts = strings.Split(id, "/")
			at := rapid.IntRange(0, len(parts)-1).Draw(t, "at")
			parts[at] = rapid.OneOf(piece, rapid.String(), rapid.Just(parts[at])).Draw(t, "instead")
		}
		return strings.Join(parts, "/")
	})
}

func TestHostileIDsNeverParseIntoAnotherKind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := hostileIDs().Draw(t, "id")
		kinds := rebuilt(id)
		require.LessOrEqual(t, len(kinds), 1, "%q is of several kinds", id)
		for kind, again := range kinds {
			require.Equal(t, id, again, "%s: one workflow must have one ID", kind)
		}
	})
}

func TestIDsOfOneKindAreOfNoOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for kind, id := range map[string]string{
			"window": windowIDs().Draw(t, "window"),
			"slice":  sliceIDs().Draw(t, "slice"),
			"delete": deleteIDs().Draw(t, "delete"),
			"replay": ReplayID(names().Draw(t, "replay")),

			"backfill":      BackfillID(names().Draw(t, "backfill")),
			"dry run":       dryRunIDs().Draw(t, "dry run"),
			"range's audit": rangeAuditIDs().Draw(t, "range's audit"),
		} {
			require.Equal(t, map[string]string{kind: id}, rebuilt(id))
		}
	})
}

func TestIDsThatAreNone(t *testing.T) {
	for _, id := range []string{
		"", "window", "window/", "window/ds", "window//2026-01-01T00:00:00Z", "window/ds/2026-01-01T00:00:03Z",
		"window/ds/2026-01-01T00:00:00.000Z", "window/ds/2026-01-01T0:00:00Z", "window/ds/2026-01-01T00:00:00Z/",
		"window/ds/2026-01-01T00:00:00Z/r0", "window/ds/2026-01-01T00:00:00Z/r01", "window/ds/2026-01-01T00:00:00Z/1",
		"window/d s/2026-01-01T00:00:00Z", "xwindow/ds/2026-01-01T00:00:00Z",
		"replay/", "replay/-a", "replay/a/b", "replay/a\n", "delete/ds", "delete/ds/", "delete//e", "delete/ds/e/f",
		"window/ds/2026-01-01T00:00:00Z/Patient/2026-01-01T00:00:00Z/0",
		"window/ds/2026-01-01T00:00:00Z/patient/2026-01-01T00:00:00Z/1",
		"window/ds/2026-01-01T00:00:00Z/Patient/2026-01-01T00:00:00.0Z/1",
		"Patient/2026-01-01T00:00:00Z/1", "a/Patient/2026-01-01T00:00:00Z/1",
		"dry-run/", "dry-run/replay/", "dry-run/a", "dry-run/dry-run/replay/a", "dry-run/window/ds/2026-01-01T00:00:00Z",
		"replay/a/audit/ds", "backfill/a/audit/", "backfill/a/audit/d s", "backfill/a/audit/ds/audit/ds", "backfill/a/b/audit/ds",
		"hostile/name/Patient/2026-01-01T00:00:00Z/1", "delete/ds/Patient/2026-01-01T00:00:00Z/1",
	} {
		require.Empty(t, rebuilt(id), "%q", id)
	}
}

func TestNamesThatAreNone(t *testing.T) {
	for _, name := range []string{"", "-a", ".a", "a/b", "a b", "a\n", "é", strings.Repeat("a", 101)} {
		require.False(t, ValidName(name), "%q", name)
	}
	for _, name := range []string{"", "patient", "P", "Pat ient", "Pat1", "Patient\n", strings.Repeat("A", 65)} {
		require.False(t, ValidType(name), "%q", name)
	}
}

func TestTaskQueuesOfStoresAreDistinct(t *testing.T) {
	queues := map[string]bool{}
	for _, store := range []string{"a", "b"} {
		queues[LiveTaskQueue("q", store)] = true
		queues[BulkTaskQueue("q", store)] = true
	}
	require.Len(t, queues, 4)
	require.True(t, queues["q/search/a/live"])
	require.True(t, queues["q/search/b/bulk"])
}

func TestScheduledAuditIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		datastore, at := datastores().Draw(t, "datastore"), times().Draw(t, "at")
		got, err := ParseScheduledAuditID(AuditScheduleID(datastore) + "-" + at.UTC().Format(idTime))
		require.NoError(t, err)
		require.Equal(t, datastore, got)
	})
	at := time.Date(2026, 1, 31, 0, 15, 0, 0, time.UTC)
	for _, id := range []string{
		"", "audit/", "audit/-2026-01-31T00:15:00Z", "audit/d", "audit/d-2026-01-31", "window/d-2026-01-31T00:15:00Z",
		AuditID("d", Span{From: at, To: at.Add(time.Minute)}), ImportAuditID("d", "job-2026-01-31T00:15:00Z"),
	} {
		_, err := ParseScheduledAuditID(id)
		require.Error(t, err, id)
	}
}
