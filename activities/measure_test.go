package activities

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

var (
	rangeSpan   = cdc.Span{From: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)}
	rangeOrigin = cdc.Origin{Datastore: "store", Cause: cdc.Cause{CapturedBy: cdc.ByOperator}, CorrelationID: cdc.ReplayID("again"), Replay: "again"}
)

// stored is a store with pages of a few of these resources, which are of Patients.
func stored(resources ...cdc.Resource) *healthlaketest.Store {
	store := healthlaketest.New()
	store.PageSize, store.Margin = 3, 2*time.Second
	for _, r := range resources {
		store.Log = append(store.Log, healthlaketest.Stored{Resource: r})
	}
	return store
}

func resourceOf(id string, at time.Time, size int) cdc.Resource {
	return cdc.Resource{
		Version: cdc.Version{Type: "Patient", ID: id, VersionID: "1", LastUpdated: at.Format(time.RFC3339Nano)},
		Body:    []byte(healthlaketest.Text(id, size)),
	}
}

func ranging(store Store) *Activities {
	return &Activities{Reader: &Reader{
		Store: store, Limits: NewLimits(1e6), Logger: slog.New(slog.DiscardHandler), MaxEventBytes: 1_000_000,
		Format: cdc.EventFormat{Source: "com.fhir-{type}", DetailType: "Fhir{Type}Changed"},
	}}
}

// Measuring counts each version of the span once, however often the store refuses
// a page token, and in what EventBridge bills.
func TestMeasureSpan(t *testing.T) {
	inside := rangeSpan.From.Add(time.Hour)
	store := stored(
		resourceOf("a", inside, 100), resourceOf("before", rangeSpan.From.Add(-time.Millisecond), 100),
		resourceOf("b", inside, 64<<10), resourceOf("after", rangeSpan.To, 100),
		resourceOf("c", inside, 400_000), resourceOf("d", inside, 400_000), resourceOf("e", inside, 400_000),
		resourceOf("too-large", inside, 1_000_000), resourceOf("f", inside, 1),
	)
	expire := 2
	store.Fail = func(c healthlaketest.Call) error {
		if !c.Further || expire == 0 {
			return nil
		}
		expire--
		return &cdc.Error{Op: "GET {Type}?page", Class: cdc.ClassPageTokenRejected, Status: 400}
	}
	result, err := ranging(store).MeasureSpan(t.Context(), cdc.MeasureInput{Origin: rangeOrigin, Type: "Patient", Span: rangeSpan})
	require.NoError(t, err)
	require.Equal(t, 7, result.Counts.Published)
	require.Equal(t, 1, result.Counts.References)
	require.EqualValues(t, 100+64<<10+3*400_000+1, result.Counts.Bytes)
	require.Equal(t, 1+2+3*7+1+1, result.Counts.Events)

	expire = measureRestarts + 1
	_, err = ranging(store).MeasureSpan(t.Context(), cdc.MeasureInput{Origin: rangeOrigin, Type: "Patient", Span: rangeSpan})
	require.ErrorContains(t, err, string(cdc.ClassPageTokenRejected), "Temporal tries again")
	_, err = ranging(store).MeasureSpan(t.Context(), cdc.MeasureInput{Origin: rangeOrigin, Type: "no type", Span: rangeSpan})
	require.ErrorContains(t, err, string(cdc.ClassInvalidInput))
}

// Named resources come with their current versions, as many as a result holds;
// what fails is left to the next attempt once something was read.
func TestPageOfNamedResources(t *testing.T) {
	inside := rangeSpan.From.Add(time.Hour)
	store := stored(resourceOf("a", inside, 600_000), resourceOf("outside", rangeSpan.To, 10),
		resourceOf("b", inside, 600_000), resourceOf("c", inside, 10))
	a := ranging(store)
	ask := func(ids ...string) (cdc.HydratePageResult, error) {
		return a.HydratePage(t.Context(), cdc.HydratePageInput{Origin: rangeOrigin, Type: "Patient", Span: rangeSpan, IDs: ids})
	}
	page, err := ask("none", "a", "outside", "b", "c")
	require.NoError(t, err)
	require.Len(t, page.Changes, 1)
	require.Equal(t, []string{"b", "c"}, page.UnreadIDs, "they do not fit into one result")
	require.Equal(t, 4, page.Counts.Reads)
	require.Zero(t, page.Counts.Searches)
	require.Equal(t, 2, page.Counts.NotFound, "one is not there, one lies outside the range")
	page, err = ask(page.UnreadIDs...)
	require.NoError(t, err)
	require.Len(t, page.Changes, 2)
	require.Empty(t, page.UnreadIDs)
	require.Zero(t, page.Counts.NotFound)

	measured, err := a.MeasureSpan(t.Context(), cdc.MeasureInput{
		Origin: rangeOrigin, Type: "Patient", Span: rangeSpan, IDs: []string{"none", "a", "outside"},
	})
	require.NoError(t, err)
	require.Equal(t, 2, measured.Counts.NotFound, "a dry run says so as well")

	store.Fail = func(c healthlaketest.Call) error {
		if c.ID == "b" {
			return &cdc.Error{Op: "GET {Type}/{id}", Class: cdc.ClassForbidden}
		}
		return nil
	}
	page, err = ask("c", "b")
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, page.UnreadIDs)
	_, err = ask("b")
	require.ErrorContains(t, err, string(cdc.ClassForbidden))
}
