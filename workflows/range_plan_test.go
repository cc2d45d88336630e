package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

func TestWholeParts(t *testing.T) {
	in := cdc.CaptureRangeInput{Datastores: []string{"d", "e"}, Types: []string{"Claim", "Patient"}, Span: span(0, 100)}
	order := func(in cdc.CaptureRangeInput) (names []string) {
		parts := initialParts(in)
		for i := len(parts) - 1; i >= 0; i-- { // the next one is last
			names = append(names, parts[i].Datastore+" "+parts[i].Type+" "+parts[i].Span.From.Format("15:04:05")+" "+parts[i].Span.To.Format("15:04:05"))
		}
		return names
	}
	require.Equal(t, []string{
		"d Claim 12:00:00 12:16:40", "d Patient 12:00:00 12:16:40", "e Claim 12:00:00 12:16:40", "e Patient 12:00:00 12:16:40",
	}, order(in))

	backfill := in
	backfill.Datastores, backfill.Border = []string{"d"}, at(60)
	require.Equal(t, []string{"d  12:10:00 12:16:40", "d Claim 12:00:00 12:10:00", "d Patient 12:00:00 12:10:00"}, order(backfill), "the recent part first")
	backfill.Border = at(-10)
	require.Equal(t, []string{"d  12:00:00 12:16:40"}, order(backfill), "all of it is recent")
	backfill.Border = at(100)
	require.Len(t, order(backfill), 2, "nothing is")

	named := in
	named.IDs = []cdc.ResourceID{{Type: "Patient", ID: "a"}, {Type: "Patient", ID: "b"}, {Type: "Patient", ID: "a"}}
	parts := initialParts(named)
	require.Len(t, parts, 2, "only types of which a resource is named")
	require.Equal(t, 2, parts[0].Count)
}

// Parts are counted first; then the last one is next, but only one audit at a time.
func TestNextPart(t *testing.T) {
	part := func(resourceType string, count int) *cdc.RangePart {
		return &cdc.RangePart{Type: resourceType, Span: span(0, 100), Count: count}
	}
	uncounted, failing := part("Claim", cdc.NotCounted), part("Device", cdc.NotCounted)
	failing.Retry.Failed(noon, cdc.ClassUnavailable, time.Minute)
	patient, audit, second := part("Patient", 5), part("", 7), part("", 8)
	plan := &cdc.RangePlan{Parts: []*cdc.RangePart{failing, uncounted, patient, audit, second}}
	next := func(now time.Time, busy ...*cdc.RangePart) *cdc.RangePart {
		working := make(map[*cdc.RangePart]bool)
		for _, p := range busy {
			working[p] = true
		}
		return nextPart(plan, working, now)
	}
	require.Same(t, uncounted, next(noon))
	require.Nil(t, next(noon, uncounted), "nothing is captured before everything is counted")
	require.False(t, plan.Planned)

	uncounted.Count = 3
	require.Same(t, second, next(noon))
	require.True(t, plan.Planned, "what fails is counted later")
	require.Same(t, patient, next(noon, second), "one audit at a time")
	require.Same(t, uncounted, next(noon, second, patient))
	require.Nil(t, next(noon, second, patient, uncounted))
	delay, waits := untilNextTry(plan.Parts, noon)
	require.True(t, waits)
	require.Equal(t, time.Minute, delay)
	require.Same(t, failing, next(noon.Add(time.Minute), second, patient, uncounted))

	plan.Paused = true
	require.Nil(t, next(noon))
}

func TestRateIsDividedAmongWorkers(t *testing.T) {
	for _, c := range []struct {
		rate            float64
		lines, versions int
	}{{0, 24, 5_000}, {0.5, 1, 500}, {20, 1, 1_200}, {99, 1, 5_000}, {250, 2, 5_000}, {10_000, 24, 5_000}} {
		require.Equal(t, c.lines, lines(c.rate, false), "%g", c.rate)
		require.Equal(t, min(4, c.lines), lines(c.rate, true), "%g", c.rate)
		require.Equal(t, c.versions, maxOfSlice(c.rate), "%g", c.rate)
	}
}

func TestHalvesOfAPart(t *testing.T) {
	part := &cdc.RangePart{Datastore: "d", Type: "Patient", Span: span(0, 4), Count: 9_000}
	other := &cdc.RangePart{Type: "Claim"}
	plan := &cdc.RangePlan{Parts: []*cdc.RangePart{other, part}}
	replacePart(plan, part, countedHalves(part, 4_000)...)
	require.Equal(t, []*cdc.RangePart{
		other,
		{Datastore: "d", Type: "Patient", Span: span(2, 4), Count: 5_000},
		{Datastore: "d", Type: "Patient", Span: span(0, 2), Count: 4_000},
	}, plan.Parts)
	both := countedHalves(part, 9_500)
	require.Equal(t, []int{0, 9_000}, []int{both[0].Count, both[1].Count}, "more were written meanwhile")
	part.Uncounted = true
	require.True(t, halves(part)[0].Uncounted)
	_, _, ok := span(0, 1).Halves()
	require.False(t, ok, "one window is not cut")
}

// The total is what was counted; a part that the store does not count adds what it had.
func TestTotalOfARange(t *testing.T) {
	counted, uncounted := &cdc.RangePart{Count: cdc.NotCounted}, &cdc.RangePart{Count: cdc.NotCounted}
	plan := &cdc.RangePlan{Parts: []*cdc.RangePart{counted, uncounted}}
	recount(plan, counted, 5)
	recount(plan, uncounted, 3)
	require.Equal(t, 8, plan.Total)
	recount(plan, counted, 7)
	recount(plan, uncounted, 0)
	uncounted.Uncounted = true
	require.Equal(t, 7, plan.Total)
	finishPart(plan, counted, 6)
	finishPart(plan, uncounted, 4)
	require.Equal(t, []int{11, 11, 0}, []int{plan.Total, plan.Done, len(plan.Parts)})
}

func TestAddAudit(t *testing.T) {
	part := &cdc.RangePart{Datastore: "d", Span: span(0, 100), Count: 10}
	plan := &cdc.RangePlan{Parts: []*cdc.RangePart{part}}
	addAudit(plan, part, span(0, 60), cdc.AuditTotals{AuditFigures: cdc.AuditFigures{InStore: 6, Healed: 2, Missing: 1}, Unknown: 3}, false)
	require.Equal(t, []*cdc.RangePart{{Datastore: "d", Span: span(60, 100), Count: 4}}, plan.Parts)
	addAudit(plan, plan.Parts[0], span(60, 100), cdc.AuditTotals{AuditFigures: cdc.AuditFigures{Missing: 5}, MissingBytes: 50, MissingReferences: 1}, true)
	require.Empty(t, plan.Parts)
	require.Equal(t, []int{10, 2 + 5, 1, 3}, []int{plan.Done, plan.Counts.Published, plan.Missing, plan.Unknown})
	require.EqualValues(t, 50, plan.Counts.Bytes)
	require.Equal(t, 1, plan.Counts.References)
}
