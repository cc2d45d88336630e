package activities

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"pgregory.net/rapid"

	"healthlake-cdc/internal/cdc"
)

// For any store and any ledgers: each version is published, skipped or missing, by
// its own window's newest ledger; the digest is of all of them; and the windows are
// exactly those that miss something.
func TestAuditSpanComparesAnyStoreWithAnyLedgers(t *testing.T) {
	types := []string{"Patient", "Observation"}
	rapid.Check(t, func(t *rapid.T) {
		const windows = 5
		span := spanOf(windows)
		store, e := &auditStore{}, newEngine()
		ledgers := make(map[time.Time]*cdc.Ledger)
		runs := make(map[time.Time]int)
		for n := range windows {
			start := auditStart.Add(time.Duration(n) * cdc.WindowWidth)
			runs[start] = rapid.IntRange(-1, 2).Draw(t, "run")
			ledgers[start] = &cdc.Ledger{Salt: salt}
		}
		want := map[string]*cdc.TypeAudit{}
		inStore := map[string][]cdc.Version{}
		missing := map[time.Time]int{}
		for _, name := range types {
			want[name] = &cdc.TypeAudit{Type: name}
		}
		for i := range rapid.IntRange(0, 250).Draw(t, "versions") {
			name := rapid.SampledFrom(types).Draw(t, "type")
			// From before the span to after it, and on windows' very edges.
			offset := rapid.OneOf(
				rapid.Int64Range(-3_000_000_000, 53_000_000_000),
				rapid.Map(rapid.Int64Range(0, windows), func(n int64) int64 { return n * int64(cdc.WindowWidth) }),
			).Draw(t, "offset")
			v := store.write(name, fmt.Sprintf("id-%d", i), 1, auditStart.Add(time.Duration(offset)))
			if !span.Contains(v.Time()) {
				continue
			}
			start := cdc.WindowAt(testStore, v.Time()).Start
			inStore[name] = append(inStore[name], v)
			w := want[name]
			w.InStore++
			fate := rapid.IntRange(0, 2).Draw(t, "fate")
			switch {
			case fate == 0 && runs[start] >= 0:
				ledgers[start].Type(name).Published.Add(salt.Hash(v))
				w.Published++
			case fate == 1 && runs[start] >= 0:
				ledgers[start].Type(name).Skipped.Add(salt.Hash(v))
				w.Skipped++
			default:
				w.Missing++
				missing[start]++
			}
		}
		for w := range windows {
			start := auditStart.Add(time.Duration(w) * cdc.WindowWidth)
			n := runs[start]
			for gone := range rapid.IntRange(0, 2).Draw(t, "gone") {
				if n >= 0 {
					v := cdc.Version{Type: "Patient", ID: fmt.Sprintf("gone-%d", gone), VersionID: "1"}
					ledgers[start].Type("Patient").Published.Add(salt.Hash(v))
					want["Patient"].Superseded++
				}
			}
			for run := 0; run <= n; run++ {
				var ledger cdc.Ledger // the newest holds what those before it held
				if run == n {
					ledger = *ledgers[start]
				}
				e.closedWith(start, run, ledger)
				// One that visibility does not show is looked for when it seems to miss
				// something.
				e.unseen[cdc.WindowAt(testStore, start).RerunID(run)] = missing[start] > 0 && rapid.Bool().Draw(t, "unseen")
			}
		}
		result := audited(t, auditor(store, e), cdc.AuditSpanInput{Span: span, Types: types})
		require.Len(t, result.Types, len(types))
		for _, got := range result.Types {
			w := want[got.Type]
			w.Digest = naiveDigest(inStore[got.Type])
			require.Equal(t, *w, got)
			require.Equal(t, got.InStore, got.Published+got.Missing+got.Skipped)
		}
		found := map[time.Time]int{}
		for i, gap := range result.Windows {
			found[gap.Start] = gap.Missing
			require.Equal(t, runs[gap.Start], gap.Run)
			require.False(t, gap.Open || gap.Unreadable)
			require.Empty(t, gap.Wanted)
			if i > 0 {
				require.True(t, result.Windows[i-1].Start.Before(gap.Start))
			}
		}
		require.Equal(t, missing, found)
	})
}

func TestAuditSpanOfWindowsThatAreOpenOrUnreadable(t *testing.T) {
	store, e := &auditStore{}, newEngine()
	at := func(n int) time.Time { return auditStart.Add(time.Duration(n)*cdc.WindowWidth + time.Second) }
	var versions []cdc.Version
	for n := range 6 {
		versions = append(versions, store.write("Patient", fmt.Sprint("p", n), 1, at(n)))
	}
	id := func(n, run int) string { return cdc.WindowAt(testStore, at(n)).RerunID(run) }
	e.executions[id(0, 0)] = execution{status: running} // its first run is open
	e.closedWith(at(1), 0, publishedLedger(versions[1]))
	e.executions[id(1, 1)] = execution{status: running} // a rerun is: what is before it counts
	e.executions[id(2, 0)] = execution{status: completed, result: "not a ledger"}
	e.closedWith(at(3), 0, publishedLedger(versions[3]))
	e.executions[id(4, 0)] = execution{status: terminated, events: begun(cdc.CaptureWindowInput{}).did("Publish", "not", "one").events}
	// The sixth never ran.

	result := audited(t, auditor(store, e), cdc.AuditSpanInput{Span: spanOf(6), Types: []string{"Patient"}})
	require.Equal(t, 6, result.Types[0].InStore)
	require.Equal(t, 2, result.Types[0].Published)
	require.Equal(t, 4, result.Types[0].Missing)
	require.Equal(t, []cdc.WindowGap{
		{Start: at(0).Add(-time.Second), Run: 0, Open: true, Missing: 1, Types: []string{"Patient"}},
		{Start: at(1).Add(-time.Second), Run: 1, Open: true},
		{Start: at(2).Add(-time.Second), Run: 0, Unreadable: true, Missing: 1, Types: []string{"Patient"}},
		{Start: at(4).Add(-time.Second), Run: 0, Unreadable: true, Missing: 1, Types: []string{"Patient"}},
		{Start: at(5).Add(-time.Second), Run: -1, Missing: 1, Types: []string{"Patient"}},
	}, result.Windows)
}

// What changes hands while the pages are read moves the rest up by one, so that a
// version is passed over: the store's count tells.
func TestAuditSpanListsAgainWhatWasPassedOver(t *testing.T) {
	store, e := &auditStore{}, newEngine()
	for i := range 250 {
		store.write("Patient", fmt.Sprintf("p%03d", i), 1, auditStart.Add(time.Second))
	}
	store.paged = func(string) {
		store.paged = nil // after the first page its first resource leaves the span
		store.write("Patient", "p249", 2, auditStart.Add(time.Hour))
	}
	result := audited(t, auditor(store, e), cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
	require.Equal(t, 250, result.Types[0].InStore, "what any listing showed was there; without the second, 249")
	require.Equal(t, 6, store.searches)
}

func TestAuditSpanStartsAgainWhenATokenIsRefused(t *testing.T) {
	store, e := &auditStore{}, newEngine()
	for i := range 150 {
		store.write("Patient", fmt.Sprintf("p%03d", i), 1, auditStart.Add(time.Second))
	}
	refusals := 0
	store.fail = func(_ string, further bool) error {
		if refusals++; further && refusals < 4 {
			return &cdc.Error{Op: "GET {Type}?page", Class: cdc.ClassPageToken, Status: 400}
		}
		return nil
	}
	result := audited(t, auditor(store, e), cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
	require.Equal(t, 150, result.Types[0].InStore)

	store.fail = func(_ string, further bool) error {
		if further {
			return &cdc.Error{Op: "GET {Type}?page", Class: cdc.ClassPageToken, Status: 400}
		}
		return nil
	}
	result = audited(t, auditor(store, e), cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
	require.Equal(t, cdc.ClassPageToken, result.Types[0].Refused, "not for ever")
}

func TestAuditSpanCutsLongListings(t *testing.T) {
	store, e := &auditStore{}, newEngine()
	const n = longListing + 1_000
	for i := range n {
		store.write("Patient", fmt.Sprintf("p%05d", i), 1, auditStart.Add(time.Duration(i)*40*time.Second/n))
	}
	longest := 0
	pages := 0
	store.fail = func(_ string, further bool) error {
		if pages++; !further {
			pages = 0
		}
		longest = max(longest, pages)
		return nil
	}
	result := audited(t, auditor(store, e), cdc.AuditSpanInput{Span: spanOf(4), Types: []string{"Patient"}})
	require.Equal(t, n, result.Types[0].InStore)
	require.Less(t, longest, longListing/pageSize)

	store.claims = largestListing + 1
	result = audited(t, auditor(store, e), cdc.AuditSpanInput{Span: spanOf(4), Types: []string{"Patient"}})
	require.True(t, result.Split)
	require.Empty(t, result.Types)
	result = audited(t, auditor(store, e), cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
	require.False(t, result.Split, "a window cannot be split")
}

func TestAuditSpanOfTypesThatAreRefused(t *testing.T) {
	store, e := &auditStore{}, newEngine()
	store.write("Patient", "p", 1, auditStart)
	refuse := map[string]cdc.Class{"Device": cdc.ClassForbidden, "Claim": cdc.ClassUnavailable}
	store.fail = func(resourceType string, _ bool) error {
		if class := refuse[resourceType]; class != "" {
			return &cdc.Error{Op: "GET {Type}?_lastUpdated", Class: class, RetryAfter: time.Minute}
		}
		return nil
	}
	a := auditor(store, e)
	result := audited(t, a, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Claim", "Device", "Patient"}})
	require.Equal(t, cdc.ClassUnavailable, result.Types[0].Refused)
	require.Equal(t, cdc.ClassForbidden, result.Types[1].Refused)
	require.Equal(t, 1, result.Types[2].Missing)

	// No type at all, for a reason that may pass: the attempt fails.
	in := cdc.AuditSpanInput{Datastore: testStore, Versions: cdc.VersionsLatest, Span: spanOf(1), Types: []string{"Claim", "Device"}}
	_, err := a.AuditSpan(t.Context(), in)
	requireClass(t, cdc.ClassUnavailable, err)
	// But not for ever, or a type that fails for good would hold up every audit.
	s := newSpanAudit(t.Context(), a, in)
	s.attempt = patientAttempts
	require.NoError(t, s.run(t.Context()))
	require.Len(t, s.result().Types, 2)
	// What does not pass by itself is answered at once.
	result = audited(t, a, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Device"}})
	require.Equal(t, cdc.ClassForbidden, result.Types[0].Refused)
}

// A retry goes on from the types that are in the heartbeats.
func TestAuditSpanGoesOnFromItsHeartbeats(t *testing.T) {
	store, e := &auditStore{}, newEngine()
	store.write("Patient", "p", 1, auditStart)
	store.write("Device", "d", 1, auditStart)
	before := cdc.AuditSpanResult{
		Types:   []cdc.TypeAudit{{Type: "Patient", InStore: 41, Published: 40, Missing: 1}},
		Windows: []cdc.WindowGap{{Start: auditStart, Missing: 1, Types: []string{"Patient"}}},
		Counts:  cdc.Counts{Searches: 5},
	}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	a := auditor(store, e)
	env.RegisterActivity(a.AuditSpan)
	env.SetHeartbeatDetails(before)
	value, err := env.ExecuteActivity(a.AuditSpan, cdc.AuditSpanInput{
		Datastore: testStore, Versions: cdc.VersionsLatest, Span: spanOf(1), Types: []string{"Patient", "Device"},
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
		require.Equal(t, before, newSpanAudit(ctx, a, cdc.AuditSpanInput{}).beat.done)
		return nil
	}
	env.RegisterActivity(check)
	_, err = env.ExecuteActivity(check)
	require.NoError(t, err)
}

func TestAuditSpanCountsPublishedDeletes(t *testing.T) {
	e := newEngine()
	put := func(event string, status execution) { e.executions[cdc.DeleteID(testStore, event)] = status }
	done := func(r cdc.PublishDeleteResult) execution { return execution{status: completed, result: r} }
	at := auditStart.Add(3 * time.Second)
	put("e1", done(cdc.PublishDeleteResult{Type: "Patient", EventTime: at, Exact: true}))
	put("e2", done(cdc.PublishDeleteResult{Type: "Patient", EventTime: at}))
	put("e3", done(cdc.PublishDeleteResult{Type: "Patient", EventTime: auditStart.Add(cdc.WindowWidth)}))
	put("e4", done(cdc.PublishDeleteResult{Type: "Patient", EventTime: at, Skipped: true}))
	old := begun(cdc.PublishDeleteInput{Delete: cdc.Delete{EventID: "e5", Type: "Device", EventTime: at}})
	put("e5", execution{status: completed, events: old.events})
	e.executions[cdc.DeleteID("another", "e6")] = done(cdc.PublishDeleteResult{Type: "Patient", EventTime: at})

	a := auditor(&auditStore{}, e)
	for range 2 { // the second time from what it remembers
		result := audited(t, a, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient", "Device"}})
		require.Equal(t, cdc.DeleteCounts{Exact: 1, Unresolved: 1}, result.Types[0].Deletes)
		require.Equal(t, cdc.DeleteCounts{Unresolved: 1}, result.Types[1].Deletes)
		clear(e.executions[cdc.DeleteID(testStore, "e5")].events)
	}
}

// A dry run reads bodies, and counts what a rerun would publish.
func TestAuditSpanMeasures(t *testing.T) {
	store, e := &auditStore{}, newEngine()
	known := store.write("Patient", "a", 1, auditStart)
	store.write("Patient", "b", 1, auditStart)
	store.write("Patient", "larger-than-the-bus", 1, auditStart)
	store.versions[2].Body = make([]byte, 1_000_000)
	e.closedWith(auditStart, 0, publishedLedger(known))
	a := auditor(store, e)

	result := audited(t, a, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}, Measure: true})
	require.Equal(t, 2, result.Types[0].Missing)
	require.Equal(t, int64(len(store.versions[1].Body)), result.Types[0].MissingBytes)
	require.Equal(t, 1, result.Types[0].MissingReferences)

	store.bodies = 0
	audited(t, a, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
	require.Zero(t, store.bodies, "otherwise ids and meta are enough")
}

// Visibility on SQL does not tell upper from lower case: another store's windows and
// deletes are not this one's.
func TestAuditSpanOfOneStoreOnly(t *testing.T) {
	e := newEngine()
	other := cdc.Window{Datastore: strings.ToUpper(testStore), Start: auditStart}
	v := version("Patient", "p")
	result := cdc.CaptureWindowResult{Ledger: publishedLedger(v)}
	e.executions[other.ID()] = execution{status: completed, result: result}
	deleted := cdc.PublishDeleteResult{Type: "Patient", EventTime: auditStart}
	e.executions[cdc.DeleteID(other.Datastore, "e1")] = execution{status: completed, result: deleted}
	e.shownToAll = []string{other.ID(), cdc.DeleteID(other.Datastore, "e1")}
	got := audited(t, auditor(&auditStore{}, e), cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
	require.Zero(t, got.Types[0].Superseded)
	require.Zero(t, got.Types[0].Deletes)
	require.Empty(t, got.Windows)
}

// At a low rate an audit stands in line for longer than its heartbeat timeout.
func TestAuditSpanBeatsWhileItWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := auditor(&auditStore{}, newEngine())
		a.Limits = NewLimits(1, 0.01)
		require.NoError(t, a.Limits.waitBulk(t.Context(), testStore))
		beats := 0
		l := &listing{a: a, in: cdc.AuditSpanInput{Datastore: testStore}, beat: func() { beats++ }}
		require.NoError(t, l.token(t.Context()))
		require.GreaterOrEqual(t, beats, 9)
	})
}
