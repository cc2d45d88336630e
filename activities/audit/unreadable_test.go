package audit

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// reported is what was reported: three of four entries are no readable version.
func reported() []string {
	return []string{
		`{"resourceType":"Patient","id":"good","meta":{"versionId":"1","lastUpdated":"2026-03-01T12:00:01Z"}}`,
		`{"resourceType":"Patient","id":"number","meta":{"versionId":2,"lastUpdated":"2026-03-01T12:00:02Z"}}`,
		`{"resourceType":"Patient","id":"no-meta"}`,
		`{"resourceType":"Patient","id":"leap","meta":{"versionId":"1","lastUpdated":"2016-12-31T23:59:60Z"}}`,
		// Its time can be read, and lies outside.
		`{"resourceType":"Patient","id":"outside","meta":{"versionId":7,"lastUpdated":"2026-03-01T12:01:00Z"}}`,
	}
}

// Wherever a page is read, what it holds that is no readable version is counted and
// logged, and the rest is had (reported/01).
func TestUnreadableEntriesAreCountedWhereverPagesAreRead(t *testing.T) {
	window := cdc.WindowAt(testStore, auditStart).Span()
	for name, read := range map[string]func(a world) (found int, err error){
		"Hydrate": func(a world) (int, error) {
			got, _ := hydrated(t, a, cdc.PageRequest{}, false)
			return len(got), nil
		},
		"Hydrate, confirm": func(a world) (int, error) {
			got, _ := hydrated(t, a, cdc.PageRequest{Confirm: true}, false)
			return len(got), nil
		},
		"HydratePage": func(a world) (int, error) {
			page, err := a.HydratePage(t.Context(), cdc.HydratePageInput{Origin: origin, Type: "Patient", Span: window, Salt: salt})
			return len(page.Changes), err
		},
		"HydratePage, list": func(a world) (int, error) {
			page, err := a.HydratePage(t.Context(), cdc.HydratePageInput{Origin: origin, Type: "Patient", Span: window, Salt: salt, List: true})
			return len(page.Listed), err
		},
		"MeasureSpan": func(a world) (int, error) {
			result, err := a.MeasureSpan(t.Context(), cdc.MeasureInput{Origin: origin, Type: "Patient", Span: window})
			return result.Counts.Published, err
		},
		"AuditSpan": func(a world) (int, error) {
			result := audited(t, a.audit, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
			require.Equal(t, 3, result.Types[0].Unreadable)
			require.False(t, result.Types[0].Incomplete)
			return result.Types[0].InStore, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newStore(t, reported()...).world(t)
			found, err := read(a)
			require.NoError(t, err)
			require.Equal(t, 1, found)
			require.Equal(t, 3, a.noted.invalid)
			require.Contains(t, a.log.String(), "entries=3")
			require.Contains(t, a.log.String(), testStore)
			for _, secret := range []string{"no-meta", "leap", "number", "2016"} {
				require.NotContains(t, a.log.String(), secret)
			}
		})
	}
}

// A span that is listed more than once counts each entry once, and histories' too.
func TestAuditCountsAnUnreadableEntryOnce(t *testing.T) {
	s := newStore(t, append(reported(),
		`{"resourceType":"Patient","id":"again","meta":{"versionId":"9","lastUpdated":"2026-03-01T12:00:09Z"}}`)...)
	s.PageSize = 2
	s.Total = "7" // one more than it lists, each time
	s.Histories["again"] = []string{
		`{"resourceType":"Patient","id":"again","meta":{"versionId":"9","lastUpdated":"2026-03-01T12:00:09Z"}}`,
		`{"resourceType":"Patient","id":"again","meta":{"versionId":8,"lastUpdated":"2026-03-01T12:00:08Z"}}`,
		`{"resourceType":"Patient","id":"again","meta":{"versionId":"7","lastUpdated":"2026-03-01T12:00:07Z"}}`,
		`{"resourceType":"Patient","id":"again","meta":{"versionId":6,"lastUpdated":"2026-03-01T11:00:00Z"}}`,
	}
	a := s.world(t)
	result := audited(t, a.audit, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}, Versions: cdc.VersionsAll})
	require.Equal(t, 4, result.Types[0].Unreadable, "three by search, one by history; one of each lies outside")
	require.Equal(t, 3, result.Types[0].InStore)
	require.True(t, result.Types[0].Incomplete, "the store counts more than it lists")
	require.Len(t, s.Made("search", "Patient"), 3*maxTries)

	s.Total = "null"
	result = audited(t, a.audit, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
	require.False(t, result.Types[0].Incomplete, "a count that is null is none")
}

func crowd(n, size int) []string {
	var entries []string
	for i := range n {
		entries = append(entries, patientAt(fmt.Sprintf("p%03d", i), time.Duration(i)*time.Millisecond, size))
	}
	return entries
}

// Links that lead where they led before end the pages: what those held is kept, and an
// audit says that its listing is not whole (reported/04). So do pages that go on and
// show nothing new.
func TestPagesThatGoRound(t *testing.T) {
	endless := 0
	for name, tc := range map[string]struct {
		link func(from int) string
		held int // versions on the pages
	}{
		"to itself": {func(int) string { return "?_count=10&from=10" }, 20},
		"in a circle": {func(from int) string {
			return fmt.Sprintf("?_count=10&from=%d", (from+10)%300)
		}, 300},
		"without an end": {func(int) string {
			endless++
			return fmt.Sprintf("?_count=10&from=900&page=%d", endless)
		}, 10},
		"the same again": {func(int) string {
			endless++
			return fmt.Sprintf("?_count=10&from=%d&page=%d", endless%3*10, endless)
		}, 30},
	} {
		for _, list := range []bool{false, true} {
			t.Run(fmt.Sprint(name, list), func(t *testing.T) {
				s := newStore(t, crowd(400, 10)...)
				s.PageSize, s.Link = 10, tc.link
				a := s.world(t)
				got, state := hydrated(t, a, cdc.PageRequest{Confirm: list}, list)
				require.Len(t, got, tc.held)
				require.Equal(t, cdc.PageDone, state)
				require.LessOrEqual(t, len(s.Made("search", "Patient")), tc.held/10+cdc.MaxIdlePages+5)
				require.Contains(t, a.log.String(), "go round")
				require.NotContains(t, a.log.String(), "p001")
			})
		}
		t.Run(name+" measured", func(t *testing.T) {
			s := newStore(t, crowd(400, 10)...)
			s.PageSize, s.Link = 10, tc.link
			a := s.world(t)
			result, err := a.MeasureSpan(t.Context(), cdc.MeasureInput{Origin: origin, Type: "Patient", Span: spanOf(1)})
			require.NoError(t, err)
			require.Equal(t, tc.held, result.Counts.Published)
		})
		t.Run(name+" audited", func(t *testing.T) {
			s := newStore(t, crowd(400, 10)...)
			s.PageSize, s.Link = 10, tc.link
			a := s.world(t)
			for _, total := range []string{"400", "null"} {
				s.Total = total
				result := audited(t, a.audit, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
				require.Equal(t, tc.held, result.Types[0].InStore)
				require.True(t, result.Types[0].Incomplete)
			}
			s.Total = fmt.Sprint(tc.held)
			result := audited(t, a.audit, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
			require.False(t, result.Types[0].Incomplete, "everything that the store counts was listed")
		})
	}
}

// The lists that were ended are counted by the metrics of Temporal's SDK.
func TestPagesThatGoRoundAreCounted(t *testing.T) {
	s := newStore(t, crowd(30, 10)...)
	s.PageSize, s.Link = 10, func(int) string { return "?_count=10&from=10" }
	a := s.world(t)
	var counted temporaltest.Counters
	var suite testsuite.WorkflowTestSuite
	suite.SetMetricsHandler(counted.Handler())
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetDataConverter(payload.NewPlainConverter())
	env.RegisterActivity(a.MeasureSpan)
	_, err := env.ExecuteActivity(a.MeasureSpan, cdc.MeasureInput{Origin: origin, Type: "Patient", Span: spanOf(1)})
	require.NoError(t, err)
	require.EqualValues(t, 1, counted.Of("healthlake_cdc_page_loops", testStore, "Patient"))
}

// A history that goes round is as one that is not there, and holds up no other.
func TestHistoryThatGoesRound(t *testing.T) {
	second := strings.Replace(patientAt("p", 2*time.Second, 1), `"versionId":"1"`, `"versionId":"2"`, 1)
	s := newStore(t, second)
	s.Histories["p"] = []string{second, patientAt("p", time.Second, 1)}
	a := s.world(t)
	s.Link = func(int) string { return "" }
	result := audited(t, a.audit, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}, Versions: cdc.VersionsAll})
	require.Zero(t, result.Types[0].HistoryUnavailable)
	require.Equal(t, 2, result.Types[0].InStore)
	l := newSpanAudit(t.Context(), a.audit, cdc.AuditSpanInput{Datastore: testStore, Span: spanOf(1)}).newListing("Patient")
	s.Link = func(int) string { return s.URL + "/datastore/" + testStore + "/r4/Patient/p/_history?page=again" }
	require.NoError(t, l.readHistories(t.Context(), []string{"p"}))
	require.EqualValues(t, 1, l.noHistory.Load())
	require.Len(t, l.versions, 2, "what it held is kept")
}

// Search takes an id that FHIR does not have, and so do reads: the store's response is
// taken, and whatever it is concerns that resource only (reported/03).
func TestOneResourceNeverHoldsUpItsType(t *testing.T) {
	unusual := []string{"a:1:b:2", "a b", "a/b", "a%2Fb", "..", "ä", strings.Repeat("x", 200)}
	fresh := func(t *testing.T) *fhirStore {
		entries := crowd(3, 10)
		for _, id := range unusual {
			entries = append(entries, patientAt(id, time.Second, 10))
		}
		return newStore(t, entries...)
	}
	s := fresh(t)
	a := s.world(t)
	got, state := hydrated(t, a, cdc.PageRequest{Confirm: true}, false)
	require.Equal(t, cdc.PageDone, state)
	require.Len(t, got, 3+len(unusual))
	require.Zero(t, a.noted.invalid)

	for _, status := range []int{400, 403, 404, 410} {
		s := fresh(t)
		s.Fail = func(c healthlaketest.Call) error {
			if slices.Contains(unusual, c.ID) {
				return failure(status)
			}
			return nil
		}
		a := s.world(t)
		got, state := hydrated(t, a, cdc.PageRequest{Confirm: true}, false)
		require.Equal(t, cdc.PageDone, state, status)
		require.Len(t, got, 3, status)
		require.Equal(t, status < 404, a.noted.invalid > 0, "what the store lists and does not give is counted: %d", status)
		require.NotContains(t, a.log.String(), "a:1")
		result := audited(t, a.audit, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}})
		require.Equal(t, 3+len(unusual), result.Types[0].InStore)

		for i, entry := range s.Entries {
			s.Entries[i] = strings.Replace(entry, `"versionId":"1"`, `"versionId":"2"`, 1)
		}
		s.Histories["p000"] = []string{patientAt("p000", 0, 1)}
		result = audited(t, a.audit, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}, Versions: cdc.VersionsAll})
		require.Empty(t, result.Types[0].Unavailable, status)
		require.Equal(t, 3+len(unusual)-1, result.Types[0].HistoryUnavailable, "all but p000's")

		page, err := a.HydratePage(t.Context(), cdc.HydratePageInput{Origin: origin, Type: "Patient", Span: spanOf(1), IDs: []string{"a b", "p000", ".."}})
		require.NoError(t, err)
		require.Len(t, page.Changes, 1)
		require.Empty(t, page.UnreadIDs)
		measured, err := a.MeasureSpan(t.Context(), cdc.MeasureInput{Origin: origin, Type: "Patient", Span: spanOf(1), IDs: []string{"a b", "p000"}})
		require.NoError(t, err)
		require.Equal(t, 1, measured.Counts.Published)
	}

	// A resource by any name that the store cannot give does not keep those behind it.
	s = fresh(t)
	failing := func(status int) func(healthlaketest.Call) error {
		return func(c healthlaketest.Call) error {
			if c.ID == "p000" {
				return failure(status)
			}
			return nil
		}
	}
	s.Fail = failing(500)
	a = s.world(t)
	got, state = hydrated(t, a, cdc.PageRequest{Confirm: true}, false)
	require.Equal(t, cdc.PageUnavailable, state, "and is requested again later")
	require.Len(t, got, 2+len(unusual))
	// What concerns all of them is an error of the type.
	for _, status := range []int{403, 429} {
		s = fresh(t)
		s.Fail = failing(status)
		a = s.world(t)
		got, state = hydrated(t, a, cdc.PageRequest{Confirm: true}, false)
		require.Equal(t, cdc.PageUnavailable, state)
		require.Empty(t, got)
	}
}

// A page that is larger than a response may be is had in less, and a single resource
// that is goes as a reference (reported/02).
func TestPagesThatAreTooLarge(t *testing.T) {
	const limit = 100_000
	entries := crowd(40, 10_000)
	entries[7] = patientAt("huge", time.Second, 2*limit)
	check := func(t *testing.T, name string, got map[string]cdc.Change) {
		require.Len(t, got, 40, name)
		for id, change := range got {
			if id == "huge" {
				require.Equal(t, cdc.ReasonOversize, change.Reason, name)
				require.Zero(t, change.Body.Len())
			} else {
				require.Empty(t, change.Reason, name)
				require.Greater(t, change.Body.Len(), 10_000, name)
			}
		}
	}
	for _, confirm := range []bool{false, true} {
		s := newStore(t, entries...)
		s.limit = limit
		a := s.world(t)
		got, state := hydrated(t, a, cdc.PageRequest{Confirm: confirm}, false)
		require.Equal(t, cdc.PageDone, state)
		check(t, "Hydrate", got)
	}
	s := newStore(t, entries...)
	s.limit, s.PageSize = limit, 5 // the first page is not too large
	a := s.world(t)
	got, state := hydrated(t, a, cdc.PageRequest{}, false)
	require.Equal(t, cdc.PageDone, state)
	check(t, "Hydrate, later", got)

	got = map[string]cdc.Change{}
	in := cdc.HydratePageInput{Origin: origin, Type: "Patient", Span: spanOf(1), Salt: salt}
	for pages := 0; pages == 0 || in.Next != ""; pages++ {
		require.Less(t, pages, 50)
		page, err := a.HydratePage(t.Context(), in)
		require.NoError(t, err)
		in.Next = page.Next
		for want := page.Listed; len(want) > 0; {
			bodies, err := a.HydratePage(t.Context(), cdc.HydratePageInput{Origin: in.Origin, Type: in.Type, Span: in.Span, Want: want})
			require.NoError(t, err)
			page.Changes, want = append(page.Changes, bodies.Changes...), bodies.Unread
		}
		for _, change := range page.Changes {
			got[change.ID] = change
		}
	}
	check(t, "HydratePage", got)

	page, err := a.HydratePage(t.Context(), cdc.HydratePageInput{Origin: origin, Type: "Patient", Span: spanOf(1), IDs: []string{"huge", "p000"}})
	require.NoError(t, err)
	require.Len(t, page.Changes, 2)
	require.Equal(t, cdc.ReasonOversize, page.Changes[0].Reason)
	require.Equal(t, "huge", page.Changes[0].ID)

	result, err := a.MeasureSpan(t.Context(), cdc.MeasureInput{Origin: origin, Type: "Patient", Span: spanOf(1)})
	require.NoError(t, err)
	require.Equal(t, 40, result.Counts.Published)
	require.Equal(t, 1, result.Counts.References)

	span := audited(t, a.audit, cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Patient"}, Measure: true})
	require.Equal(t, 40, span.Types[0].InStore)
	require.False(t, span.Types[0].Incomplete)
	require.Equal(t, 1, span.Types[0].MissingReferences)
	require.Greater(t, span.Types[0].MissingBytes, int64(39*10_000))
}

func TestCountThatIsNull(t *testing.T) {
	s := newStore(t, crowd(3, 1)...)
	a := s.world(t)
	for total, want := range map[string]int{"": 3, "null": cdc.NotCounted, "-1": cdc.NotCounted, `"3"`: cdc.NotCounted} {
		s.Total = total
		n, err := a.Count(t.Context(), cdc.CountInput{Datastore: testStore, Type: "Patient", Span: spanOf(1)})
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
}
