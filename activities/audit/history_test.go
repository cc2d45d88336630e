package audit

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

func everything(n int, types ...string) cdc.AuditSpanInput {
	return cdc.AuditSpanInput{Span: spanOf(n), Types: types, Versions: cdc.VersionsAll}
}

// A version that was replaced before its sweep is shown by history only: in the
// span it is wanted, before it its own window is told of.
func TestAuditSpanFindsReplacedVersions(t *testing.T) {
	store, e := newStore(t), newEngine()
	hour := -time.Hour
	store.write("Patient", "p", auditStart.Add(2*hour))          // before the type was promised
	earlier := store.write("Patient", "p", auditStart.Add(hour)) // in no ledger
	swept := store.write("Patient", "p", auditStart.Add(hour+20*time.Second))
	e.closedWith(auditStart.Add(hour), 0, cdc.Ledger{})
	e.closedWith(auditStart.Add(hour+20*time.Second), 0, cdc.Ledger{})
	e.closedWith(auditStart.Add(hour+20*time.Second), 1, publishedLedger(swept))
	replaced := store.write("Patient", "p", auditStart.Add(time.Second))
	shown := store.write("Patient", "p", auditStart.Add(12*time.Second))
	e.closedWith(auditStart, 0, cdc.Ledger{})
	e.closedWith(shown.Time(), 0, publishedLedger(shown))
	a := auditor(t, store, e)

	in := everything(2, "Patient")
	in.Since = map[string]time.Time{"Patient": auditStart.Add(hour - time.Minute)}
	result := audited(t, a, in)
	require.Equal(t, 2, result.Types[0].InStore)
	require.Equal(t, 1, result.Types[0].Published)
	require.Equal(t, 1, result.Types[0].Missing)
	require.Equal(t, naiveDigest([]cdc.Version{replaced, shown}), result.Types[0].Digest)
	require.Equal(t, []cdc.WindowGap{
		{Start: auditStart, Run: 0, Missing: 1, Types: []string{"Patient"}, Wanted: []cdc.Version{replaced}},
	}, result.Windows)
	require.Equal(t, []cdc.Version{earlier}, result.Earlier)
	require.Positive(t, result.Counts.Reads)

	// Without a time since when it is promised, what is before the span is nobody's.
	require.Empty(t, audited(t, a, everything(2, "Patient")).Earlier)
	// And what search shows is all that "latest" is about.
	in.Versions = cdc.VersionsLatest
	store.Calls = nil
	result = audited(t, a, in)
	require.Equal(t, 1, result.Types[0].InStore)
	require.Empty(t, store.histories())
}

// A history is read of what is shown in another version than its first, whatever
// the ledgers hold: the figures are the same before and after healing.
func TestAuditSpanSaysTheSameOfHistoriesAfterHealing(t *testing.T) {
	store, e := newStore(t), newEngine()
	first := store.write("Patient", "swept", auditStart)
	second := store.write("Patient", "swept", auditStart.Add(11*time.Second))
	once := store.write("Patient", "once", auditStart)
	missed := store.write("Patient", "missed", auditStart)
	third := store.write("Patient", "missed", auditStart.Add(11*time.Second))
	e.closedWith(auditStart, 0, publishedLedger(first, once))
	e.closedWith(auditStart.Add(10*time.Second), 0, publishedLedger(second, third))
	a := auditor(t, store, e)
	result := audited(t, a, everything(2, "Patient"))
	require.ElementsMatch(t, []string{"swept", "missed"}, store.histories())
	require.Equal(t, []cdc.Version{missed}, result.Windows[0].Wanted)
	require.Equal(t, 5, result.Types[0].InStore)
	require.Zero(t, result.Types[0].Superseded)

	e.closedWith(auditStart, 1, publishedLedger(first, once, missed))
	healed := audited(t, a, everything(2, "Patient"))
	require.Equal(t, 5, healed.Types[0].Published)
	require.Equal(t, result.Types[0].Digest, healed.Types[0].Digest)
	require.Empty(t, healed.Windows)
}

// What audits of other spans found is in the span's figures from then on.
func TestAuditSpanOfVersionsThatWereFound(t *testing.T) {
	store, e := newStore(t), newEngine()
	found := store.write("Patient", "p", auditStart)
	store.write("Patient", "p", auditStart.Add(time.Hour))
	e.closedWith(auditStart, 0, cdc.Ledger{})
	in := everything(1, "Patient", "Device")
	require.Zero(t, audited(t, auditor(t, store, e), in).Types[0].InStore)
	in.Found = []cdc.Version{found}
	result := audited(t, auditor(t, store, e), in)
	require.Equal(t, 1, result.Types[0].Missing)
	require.Equal(t, []cdc.Version{found}, result.Windows[0].Wanted)
	require.Empty(t, result.Earlier, "versions after the span are later audits'")
	require.Zero(t, result.Types[1].InStore)

	e.closedWith(auditStart, 1, publishedLedger(found))
	result = audited(t, auditor(t, store, e), in)
	require.Equal(t, 1, result.Types[0].Published)
	require.Empty(t, result.Windows)
}

// Tombstones are no versions to publish, and a store without history is stated.
func TestAuditSpanOfHistoriesThatHoldDeletesOrAreNotThere(t *testing.T) {
	store, e := newStore(t), newEngine()
	store.write("Patient", "p", auditStart)
	store.Delete("Patient", "p", auditStart.Add(time.Second))
	shown := store.write("Patient", "p", auditStart.Add(2*time.Second))
	e.closedWith(auditStart, 0, publishedLedger(shown))
	result := audited(t, auditor(t, store, e), everything(1, "Patient"))
	require.Equal(t, 2, result.Types[0].InStore, "the first and the third")
	require.Zero(t, result.Types[0].HistoryUnavailable)

	failHistories := func(status int) {
		store.Fail = func(c healthlaketest.Call) error {
			if c.Op == "history" {
				return failure(status)
			}
			return nil
		}
	}
	for _, status := range []int{http.StatusNotFound, http.StatusBadRequest} {
		failHistories(status)
		result = audited(t, auditor(t, store, e), everything(1, "Patient"))
		require.Equal(t, 1, result.Types[0].HistoryUnavailable)
		require.Equal(t, 1, result.Types[0].InStore)
	}
	failHistories(http.StatusForbidden)
	result = audited(t, auditor(t, store, e), everything(1, "Patient"))
	require.Equal(t, cdc.ClassForbidden, result.Types[0].Unavailable, "a missing permission is an operator's matter")
}

// A result names so many versions that it is a payload that Temporal takes.
func TestAuditSpanNamesNoMoreThanAResultHolds(t *testing.T) {
	store, e := newStore(t), newEngine()
	for i := range maxNamed + 100 {
		id := fmt.Sprintf("p%05d", i)
		store.write("Patient", id, auditStart)
		store.write("Patient", id, auditStart.Add(time.Second))
	}
	require.True(t, audited(t, auditor(t, store, e), everything(2, "Patient")).Split)
	result := audited(t, auditor(t, store, e), everything(1, "Patient"))
	require.Equal(t, 2*maxNamed+200, result.Types[0].Missing)
	require.Len(t, result.Windows[0].Wanted, maxNamed/2)
	require.Equal(t, 2*maxNamed+200, result.Windows[0].Missing)
}
