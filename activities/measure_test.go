package activities

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

var (
	rangeSpan   = cdc.Span{From: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)}
	rangeOrigin = cdc.Origin{Datastore: "store", Cause: cdc.Cause{CapturedBy: cdc.ByOperator}, CorrelationID: cdc.ReplayID("again"), Replay: "again"}
)

// pagedStore is a store of one type: pages of a few resources, in memory.
type pagedStore struct {
	Store
	resources []cdc.Resource
	// expire refuses that many page tokens; current holds what reads give.
	expire  int
	current map[string]cdc.Resource
	failing map[string]cdc.Class
}

const fewOfAPage = 3

func (s *pagedStore) Search(context.Context, cdc.SearchRequest) (cdc.Page, error) {
	return s.page(0), nil
}

func (s *pagedStore) Next(_ context.Context, _, _, next string) (cdc.Page, error) {
	if s.expire > 0 {
		s.expire--
		return cdc.Page{}, &cdc.Error{Op: "GET {Type}?page", Class: cdc.ClassPageTokenRejected, Status: 400}
	}
	var from int
	_, err := fmt.Sscan(next, &from)
	return s.page(from), err
}

func (s *pagedStore) page(from int) cdc.Page {
	to := min(len(s.resources), from+fewOfAPage)
	page := cdc.Page{Resources: s.resources[from:to], Total: len(s.resources)}
	if to < len(s.resources) {
		page.Next = fmt.Sprint(to)
	}
	return page
}

func (s *pagedStore) Read(_ context.Context, _, _, id string) (cdc.Resource, error) {
	if class := s.failing[id]; class != "" {
		return cdc.Resource{}, &cdc.Error{Op: "GET {Type}/{id}", Class: class}
	}
	resource, ok := s.current[id]
	if !ok {
		return cdc.Resource{}, &cdc.Error{Op: "GET {Type}/{id}", Class: cdc.ClassNotFound, Status: 404}
	}
	return resource, nil
}

func resourceOf(id string, at time.Time, size int) cdc.Resource {
	return cdc.Resource{
		Version: cdc.Version{Type: "Patient", ID: id, VersionID: "1", LastUpdated: at.Format(time.RFC3339Nano)},
		Body:    []byte(strings.Repeat("x", size)),
	}
}

func ranging(store Store) *Activities {
	return &Activities{Reader: &Reader{
		Store: store, Limits: NewLimits(1e6, 1e6), Logger: slog.New(slog.DiscardHandler), MaxEventBytes: 1_000_000,
		Format: cdc.EventFormat{Source: "com.fhir-{type}", DetailType: "Fhir{Type}Changed"},
	}}
}

// Measuring counts each version of the span once, however often the store refuses
// a page token, and in what EventBridge bills.
func TestMeasureSpan(t *testing.T) {
	inside := rangeSpan.From.Add(time.Hour)
	store := &pagedStore{expire: 2, resources: []cdc.Resource{
		resourceOf("a", inside, 100), resourceOf("before", rangeSpan.From.Add(-time.Millisecond), 100),
		resourceOf("b", inside, 64<<10), resourceOf("after", rangeSpan.To, 100),
		resourceOf("c", inside, 400_000), resourceOf("d", inside, 400_000), resourceOf("e", inside, 400_000),
		resourceOf("too-large", inside, 1_000_000), resourceOf("f", inside, 1),
	}}
	result, err := ranging(store).MeasureSpan(t.Context(), cdc.MeasureInput{Origin: rangeOrigin, Type: "Patient", Span: rangeSpan})
	require.NoError(t, err)
	require.Equal(t, 7, result.Counts.Published)
	require.Equal(t, 1, result.Counts.References)
	require.EqualValues(t, 100+64<<10+3*400_000+1, result.Counts.Bytes)
	require.Equal(t, 1+2+3*7+1+1, result.Counts.Events)

	store.expire = measureRestarts + 1
	_, err = ranging(store).MeasureSpan(t.Context(), cdc.MeasureInput{Origin: rangeOrigin, Type: "Patient", Span: rangeSpan})
	require.ErrorContains(t, err, string(cdc.ClassPageTokenRejected), "Temporal tries again")
	_, err = ranging(store).MeasureSpan(t.Context(), cdc.MeasureInput{Origin: rangeOrigin, Type: "no type", Span: rangeSpan})
	require.ErrorContains(t, err, string(cdc.ClassInvalidInput))
}

// Named resources come with their current versions, as many as a result holds;
// what fails is left to the next attempt once something was read.
func TestPageOfNamedResources(t *testing.T) {
	inside := rangeSpan.From.Add(time.Hour)
	store := &pagedStore{current: map[string]cdc.Resource{
		"a": resourceOf("a", inside, 600_000), "outside": resourceOf("outside", rangeSpan.To, 10),
		"b": resourceOf("b", inside, 600_000), "c": resourceOf("c", inside, 10),
	}, failing: map[string]cdc.Class{}}
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

	store.failing["b"] = cdc.ClassForbidden
	page, err = ask("c", "b")
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, page.UnreadIDs)
	_, err = ask("b")
	require.ErrorContains(t, err, string(cdc.ClassForbidden))
}
