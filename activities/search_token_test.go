package activities

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

// exhausted has activities whose store's tokens are used up for hours.
func exhausted(t *testing.T) (*Activities, *healthlaketest.Store) {
	t.Helper()
	store := healthlaketest.New()
	a := ranging(store)
	a.Reader.Limits = NewLimits(0.0001)
	require.NoError(t, a.Reader.Limits.wait(t.Context(), rangeOrigin.Datastore, Ranges))
	return a, store
}

// Every search waits for a token, each in the queue of what it is for.
func TestEverySearchTakesAToken(t *testing.T) {
	live, bulk := rangeOrigin, rangeOrigin
	bulk.Bulk = true
	window := cdc.WindowAt(rangeOrigin.Datastore, rangeSpan.From)
	hydrate := func(origin cdc.Origin, next string) func(context.Context, *Activities) {
		return func(ctx context.Context, a *Activities) {
			_, _ = a.Hydrate(ctx, cdc.HydrateInput{Origin: origin, Window: window, Requests: []cdc.PageRequest{{Type: "Patient", Next: next}}})
		}
	}
	page := func(origin cdc.Origin) func(context.Context, *Activities) {
		return func(ctx context.Context, a *Activities) {
			_, _ = a.HydratePage(ctx, cdc.HydratePageInput{Origin: origin, Type: "Patient", Span: rangeSpan})
		}
	}
	for name, c := range map[string]struct {
		search func(context.Context, *Activities)
		want   Purpose
	}{
		"a live window's first page":     {hydrate(live, ""), FirstPages},
		"a live window's further page":   {hydrate(live, "page 2"), FurtherPages},
		"a window in bulk":               {hydrate(bulk, ""), Audits},
		"a further page of it":           {hydrate(bulk, "page 2"), Audits},
		"a live window's slice":          {page(live), FurtherPages},
		"a range's slice":                {page(bulk), Ranges},
		"a count":                        {func(ctx context.Context, a *Activities) { _, _ = a.Count(ctx, countInput()) }, Ranges},
		"what a dry run measures":        {func(ctx context.Context, a *Activities) { _, _ = a.MeasureSpan(ctx, measureInput()) }, Ranges},
		"a resource that is too large":   {namedTooLarge, Ranges},
		"the same, by a range that runs": {namedTooLargePage, Ranges},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, store := exhausted(t)
			store.Fail = func(call healthlaketest.Call) error {
				if call.Op == "read" {
					return &cdc.Error{Op: "GET {Type}/{id}", Class: cdc.ClassTooLarge}
				}
				return nil
			}
			ctx, cancel := context.WithCancel(t.Context())
			go c.search(ctx, a)
			synctest.Wait()
			rates := a.Reader.Limits.rates[rangeOrigin.Datastore]
			require.Empty(t, store.Made("search", ""), name)
			require.Empty(t, store.Made("count", ""), name)
			for purpose := range purposes {
				require.Equal(t, purpose == c.want, len(rates.queues[purpose]) == 1, "%s: purpose %d", name, purpose)
			}
			cancel()
			synctest.Wait()
			require.False(t, rates.waits(), name)
		})
	}
}

func countInput() cdc.CountInput {
	return cdc.CountInput{Datastore: rangeOrigin.Datastore, Type: "Patient", Span: rangeSpan}
}

func measureInput(ids ...string) cdc.MeasureInput {
	return cdc.MeasureInput{Origin: rangeOrigin, Type: "Patient", Span: rangeSpan, IDs: ids}
}

func namedTooLarge(ctx context.Context, a *Activities) {
	_, _ = a.MeasureSpan(ctx, measureInput("huge"))
}

func namedTooLargePage(ctx context.Context, a *Activities) {
	_, _ = a.HydratePage(ctx, cdc.HydratePageInput{Origin: rangeOrigin, Type: "Patient", Span: rangeSpan, IDs: []string{"huge"}})
}

// That no token comes in time is no failure of the store: the page is left to the next
// attempt, which the workflow begins at once.
func TestPageWithoutATokenIsIncomplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, store := exhausted(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		got, err := a.HydratePage(ctx, cdc.HydratePageInput{Origin: rangeOrigin, Type: "Patient", Span: rangeSpan, Next: "page 7"})
		require.NoError(t, err)
		require.Equal(t, cdc.HydratePageResult{State: cdc.PageIncomplete, Next: "page 7"}, got)
		require.Equal(t, time.Minute-readReserve, time.Since(began))
		require.Empty(t, store.Calls)

		// One that is cancelled fails, as any activity.
		cancelled, cancelNow := context.WithCancel(t.Context())
		cancelNow()
		_, err = a.HydratePage(cancelled, cdc.HydratePageInput{Origin: rangeOrigin, Type: "Patient", Span: rangeSpan})
		require.ErrorContains(t, err, "Interrupted")
	})
}

// A Hydrate waits for tokens as long as it begins searches. What it did not come to is no
// failure; one for all types that came to none is retried by Temporal.
func TestHydrateWithoutATokenIsIncomplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, store := exhausted(t)
		in := cdc.HydrateInput{
			Origin: rangeOrigin, Window: cdc.WindowAt(rangeOrigin.Datastore, rangeSpan.From), AllTypes: true,
			Requests: []cdc.PageRequest{{Type: "Patient"}, {Type: "Claim"}, {Type: "Group", Next: "page 2"}},
		}
		began := time.Now()
		got, err := a.Hydrate(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, hydrateBudget, time.Since(began))
		for i, page := range got.Pages {
			require.Equal(t, cdc.PageIncomplete, page.State)
			require.Equal(t, in.Requests[i].Next, page.Next)
			require.Empty(t, page.Class)
		}
		require.Empty(t, store.Calls)
		in.FailIfAllUnavailable = true
		_, err = a.Hydrate(t.Context(), in)
		require.ErrorContains(t, err, "Interrupted")

		// No later Hydrate is kept out: nothing is known of the store.
		a.Reader.Limits.SetRate(1000)
		pass(time.Second)
		got, err = a.Hydrate(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, cdc.PageDone, got.Pages[0].State)
	})
}

// A count without a token is tried again later, and says what it waits for.
func TestCountWithoutATokenIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := exhausted(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := a.Count(ctx, countInput())
		require.ErrorContains(t, err, "Throttled: windows and audits use up CDC_SEARCH_RATE")
	})
}
