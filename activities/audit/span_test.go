package audit

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// What changes hands while the pages are read moves the rest up by one, so that a
// version is passed over: the store's count tells.
func TestAuditSpanListsAgainWhatWasPassedOver(t *testing.T) {
	store, e := newStore(t), newEngine()
	for i := range 250 {
		store.write("Patient", fmt.Sprintf("p%03d", i), auditStart.Add(time.Second))
	}
	store.Before = func(c healthlaketest.Call) {
		if c.Further {
			store.Before = nil // after the first page its first resource leaves the span
			store.write("Patient", "p000", auditStart.Add(time.Hour))
		}
	}
	result := audited(t, auditor(t, store, e), cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
	require.Equal(t, 250, result.Types[0].InStore, "what any listing showed was there; without the second, 249")
	require.Len(t, store.Made("search", "Patient"), 6)
}

func TestAuditSpanStartsAgainWhenATokenIsRejected(t *testing.T) {
	store, e := newStore(t), newEngine()
	for i := range 150 {
		store.write("Patient", fmt.Sprintf("p%03d", i), auditStart.Add(time.Second))
	}
	rejections := 0
	store.Fail = func(c healthlaketest.Call) error {
		if rejections++; c.Further && rejections < 4 {
			return failure(http.StatusBadRequest)
		}
		return nil
	}
	result := audited(t, auditor(t, store, e), cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
	require.Equal(t, 150, result.Types[0].InStore)

	store.Fail = func(c healthlaketest.Call) error {
		if c.Further {
			return failure(http.StatusBadRequest)
		}
		return nil
	}
	result = audited(t, auditor(t, store, e), cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
	require.Equal(t, cdc.ClassPageTokenRejected, result.Types[0].Unavailable, "not indefinitely")
}

func TestAuditSpanCutsLongListings(t *testing.T) {
	store, e := newStore(t), newEngine()
	const n = longListing + 1_000
	for i := range n {
		store.write("Patient", fmt.Sprintf("p%05d", i), auditStart.Add(time.Duration(i)*40*time.Second/n))
	}
	longest := 0
	pages := 0
	store.Before = func(c healthlaketest.Call) {
		if pages++; !c.Further {
			pages = 0
		}
		longest = max(longest, pages)
	}
	result := audited(t, auditor(t, store, e), cdc.AuditSpanInput{Span: spanOf(4), Types: []string{"Patient"}})
	require.Equal(t, n, result.Types[0].InStore)
	require.Less(t, longest, longListing/cdc.PageSize)

	store.Total = fmt.Sprint(maxListing + 1)
	result = audited(t, auditor(t, store, e), cdc.AuditSpanInput{Span: spanOf(4), Types: []string{"Patient"}})
	require.True(t, result.Split)
	require.Empty(t, result.Types)
	result = audited(t, auditor(t, store, e), cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
	require.False(t, result.Split, "a window cannot be split")
}

func TestAuditSpanOfUnavailableTypes(t *testing.T) {
	store, e := newStore(t), newEngine()
	store.write("Patient", "p", auditStart)
	statuses := map[string]int{"Device": http.StatusForbidden, "Claim": http.StatusServiceUnavailable}
	store.Fail = func(c healthlaketest.Call) error { return failure(statuses[c.Type]) }
	a := auditor(t, store, e)
	result := audited(t, a, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Claim", "Device", "Patient"}})
	require.Equal(t, cdc.ClassUnavailable, result.Types[0].Unavailable)
	require.Equal(t, cdc.ClassForbidden, result.Types[1].Unavailable)
	require.Equal(t, 1, result.Types[2].Missing)

	// No type at all, for a reason that may pass: the attempt fails.
	in := cdc.AuditSpanInput{Datastore: testStore, Versions: cdc.VersionsLatest, Span: spanOf(1), Types: []string{"Claim", "Device"}, Horizon: ages}
	_, err := a.AuditSpan(t.Context(), in)
	requireClass(t, cdc.ClassUnavailable, err)
	// But not indefinitely, or a type that fails for good would hold up every audit.
	s := newSpanAudit(t.Context(), a, in)
	s.attempt = failingAttempts
	require.NoError(t, s.run(t.Context()))
	require.Len(t, s.result().Types, 2)
	// What does not pass by itself is answered at once.
	result = audited(t, a, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Device"}})
	require.Equal(t, cdc.ClassForbidden, result.Types[0].Unavailable)
}

// A retry goes on from the types that are in the heartbeats.
func TestAuditSpanGoesOnFromItsHeartbeats(t *testing.T) {
	store, e := newStore(t), newEngine()
	store.write("Patient", "p", auditStart)
	store.write("Device", "d", auditStart)
	before := cdc.AuditSpanResult{
		Types:   []cdc.TypeAudit{{Type: "Patient", AuditFigures: cdc.AuditFigures{InStore: 41, Published: 40, Missing: 1}}},
		Windows: []cdc.WindowGap{{Start: auditStart, Missing: 1, Types: []string{"Patient"}}},
		Counts:  cdc.Counts{Searches: 5},
	}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetDataConverter(payload.NewPlainConverter())
	a := auditor(t, store, e)
	env.RegisterActivity(a.AuditSpan)
	env.SetHeartbeatDetails(before)
	value, err := env.ExecuteActivity(a.AuditSpan, cdc.AuditSpanInput{
		Datastore: testStore, Versions: cdc.VersionsLatest, Span: spanOf(1), Types: []string{"Patient", "Device"},
		Horizon: ages,
	})
	require.NoError(t, err)
	var result cdc.AuditSpanResult
	require.NoError(t, value.Get(&result))
	require.Equal(t, before.Types[0], result.Types[0])
	require.Equal(t, 1, result.Types[1].Missing)
	require.Equal(t, []cdc.WindowGap{{Start: auditStart, Run: -1, Missing: 2, Types: []string{"Device", "Patient"}}}, result.Windows)
	require.Equal(t, 6, result.Counts.Searches)

	// What it records before it has done a type of its own must not lose these.
	check := func(ctx context.Context) error {
		require.Equal(t, before, newSpanAudit(ctx, a, cdc.AuditSpanInput{}).heartbeat.done)
		return nil
	}
	env.RegisterActivity(check)
	_, err = env.ExecuteActivity(check)
	require.NoError(t, err)
}

func TestAuditSpanCountsPublishedDeletes(t *testing.T) {
	e := newEngine()
	put := func(event string, status temporaltest.Execution) {
		e.Executions[cdc.DeleteID(testStore, event)] = status
	}
	done := func(r cdc.PublishDeleteResult) temporaltest.Execution {
		return temporaltest.Execution{Status: temporaltest.Completed, Result: r}
	}
	at := auditStart.Add(3 * time.Second)
	put("e1", done(cdc.PublishDeleteResult{Type: "Patient", EventTime: at, Exact: true}))
	put("e2", done(cdc.PublishDeleteResult{Type: "Patient", EventTime: at}))
	put("e3", done(cdc.PublishDeleteResult{Type: "Patient", EventTime: auditStart.Add(cdc.WindowWidth)}))
	put("e4", done(cdc.PublishDeleteResult{Type: "Patient", EventTime: at, Skipped: true}))
	put("e5", done(cdc.PublishDeleteResult{Type: "Device", EventTime: at, Exact: true, Contradicted: true}))
	put("e7", temporaltest.Execution{Status: temporaltest.Completed, Result: "not a result"})
	e.Executions[cdc.DeleteID("another", "e6")] = done(cdc.PublishDeleteResult{Type: "Patient", EventTime: at})

	a := auditor(t, newStore(t), e)
	for range 2 { // the second time from what it remembers
		result := audited(t, a, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient", "Device"}})
		require.Equal(t, cdc.DeleteCounts{Exact: 1, Unresolved: 1}, result.Types[0].Deletes)
		require.Equal(t, cdc.DeleteCounts{Contradicted: 1}, result.Types[1].Deletes, "not published: it is no exact one")
		put("e1", done(cdc.PublishDeleteResult{}))
	}
}

// An audit asks for the deletes of its span, and not for every one since.
func TestAuditSpanAsksForTheDeletesOfItsSpan(t *testing.T) {
	in := cdc.AuditSpanInput{Datastore: testStore, Span: spanOf(6), Types: []string{"Patient"}, Attributes: true}
	e := newEngine()
	a := auditor(t, newStore(t), e)
	audited(t, a, in)
	require.Contains(t, e.queries[len(e.queries)-1],
		"CdcWindowStart >= '2026-03-01T11:59:59Z' AND CdcWindowStart < '2026-03-01T12:01:01Z'")

	// Without the attribute, by the executions' start: records come late.
	in.Attributes = false
	audited(t, a, in)
	require.Contains(t, e.queries[len(e.queries)-1],
		"StartTime >= '2026-03-01T11:59:00Z' AND StartTime < '2026-03-02T12:01:00Z'")

	// A server that does not know the attribute any more stops no audit.
	in.Attributes = true
	e.rejects = "CdcWindowStart"
	audited(t, a, in)
	require.Contains(t, e.queries[len(e.queries)-1], "StartTime")
}

// A dry run reads bodies, and counts what a rerun would publish.
func TestAuditSpanMeasures(t *testing.T) {
	store, e := newStore(t), newEngine()
	known := store.write("Patient", "a", auditStart)
	store.write("Patient", "b", auditStart)
	store.Write("Patient", "larger-than-the-bus", auditStart, 0, 1_000_000)
	e.closedWith(auditStart, 0, publishedLedger(known))
	a := auditor(t, store, e)

	result := audited(t, a, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}, Measure: true})
	require.Equal(t, 2, result.Types[0].Missing)
	require.Equal(t, int64(len(store.Log[1].Body)), result.Types[0].MissingBytes)
	require.Equal(t, 1, result.Types[0].MissingReferences)

	store.Calls = nil
	audited(t, a, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
	require.NotEmpty(t, store.Calls)
	for _, c := range store.Calls {
		require.True(t, c.IDsOnly, "otherwise ids and meta are enough")
	}
}

// Visibility on SQL does not tell upper from lower case: another store's windows and
// deletes are not this one's.
func TestAuditSpanOfOneStoreOnly(t *testing.T) {
	e := newEngine()
	other := cdc.Window{Datastore: strings.ToUpper(testStore), Start: auditStart}
	v := version("Patient", "p")
	result := cdc.CaptureWindowResult{Ledger: publishedLedger(v)}
	e.Executions[other.ID()] = temporaltest.Execution{Status: temporaltest.Completed, Result: result}
	deleted := cdc.PublishDeleteResult{Type: "Patient", EventTime: auditStart}
	e.Executions[cdc.DeleteID(other.Datastore, "e1")] = temporaltest.Execution{Status: temporaltest.Completed, Result: deleted}
	e.shownToAll = []string{other.ID(), cdc.DeleteID(other.Datastore, "e1")}
	got := audited(t, auditor(t, newStore(t), e), cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
	require.Zero(t, got.Types[0].Superseded)
	require.Zero(t, got.Types[0].Deletes)
	require.Empty(t, got.Windows)
}

// At a low rate a search stands in line for longer than the heartbeat timeout.
func TestSearchIsHeardOfWhileItWaitsForItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := auditorOf(healthlaketest.New(), newEngine())
		a.Reader.Limits = activities.NewLimits(0.01)
		heard := 0
		for range 2 {
			_, _, err := a.Reader.Search(t.Context(), cdc.SearchRequest{Datastore: testStore, Type: "Patient"}, activities.Audits, func() { heard++ })
			require.NoError(t, err)
		}
		require.GreaterOrEqual(t, heard, 9)
	})
}
