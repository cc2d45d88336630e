package activities

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

const testStore = "0123456789abcdef"

// windowAt is the n-th window of a store.
func windowAt(store string, n int) cdc.Window {
	return cdc.Window{Datastore: store, Start: time.Unix(int64(1_700_000_000+n*10), 0).UTC()}
}

// try enters for a window and exits at once with what became of it.
func try(t *testing.T, l *Limits, w cdc.Window, o outcome) {
	t.Helper()
	exit, err := l.enter(w, false)
	require.NoError(t, err)
	exit(o)
}

// requireKeptOut requires that the window may not try now.
func requireKeptOut(t *testing.T, l *Limits, w cdc.Window, class cdc.Class) {
	t.Helper()
	_, err := l.enter(w, false)
	require.Error(t, err)
	require.Equal(t, class, cdc.ClassOf(err))
}

// took is how long n tokens of live first pages take from now on.
func took(t *testing.T, l *Limits, store string, n int) time.Duration {
	t.Helper()
	begin := time.Now()
	for range n {
		require.NoError(t, l.wait(t.Context(), store, FirstPages))
	}
	return time.Since(begin)
}

func TestRateIsPerStoreAndFollowsTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(10)
		require.Zero(t, took(t, l, "a", 10), "a second's worth at once")
		require.Equal(t, time.Second, took(t, l, "a", 10).Round(time.Millisecond))
		require.Zero(t, took(t, l, "b", 10), "each store has its own")

		l.SetRate(2)
		require.Equal(t, 5*time.Second, took(t, l, "a", 10).Round(time.Millisecond))
		pass(time.Minute)
		require.Equal(t, 500*time.Millisecond, took(t, l, "a", 3).Round(time.Millisecond), "a second's worth of the new rate")
		l.SetRate(100)
		require.Equal(t, 100*time.Millisecond, took(t, l, "a", 10).Round(10*time.Millisecond))
		l.SetRate(0.1)
		require.Zero(t, took(t, l, "c", 1), "a store that was never searched")
		require.Equal(t, 10*time.Second, took(t, l, "c", 1).Round(time.Millisecond))
	})
}

// A store that fails for live windows is found failing by bulk ones by
// themselves, and the places of one lane are not the other's.
func TestBulkWindowsHaveTheirOwnPlaces(t *testing.T) {
	l := NewLimits(10)
	for n := range bulkHydrates {
		_, err := l.enter(windowAt(testStore, n), true)
		require.NoError(t, err)
	}
	_, err := l.enter(windowAt(testStore, 98), true)
	require.Equal(t, cdc.ClassThrottled, cdc.ClassOf(err))

	// An old window in bulk that fails keeps no live window out.
	l = NewLimits(10)
	exit, err := l.enter(windowAt(testStore, 1), true)
	require.NoError(t, err)
	exit(storeFailed)
	_, err = l.enter(windowAt(testStore, 2), true)
	require.Equal(t, cdc.ClassUnavailable, cdc.ClassOf(err))
	try(t, l, windowAt(testStore, 3), storeAnswered)
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(1)
		require.NoError(t, l.wait(t.Context(), "a", Ranges))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Equal(t, cdc.ClassInterrupted, cdc.ClassOf(l.wait(ctx, "a", Ranges)))
	})
}

func TestHydratesAreBoundedPerStore(t *testing.T) {
	l := NewLimits(10)
	var leaves []func(outcome)
	for n := range hydratesPerStore {
		exit, err := l.enter(windowAt(testStore, n), false)
		require.NoError(t, err)
		leaves = append(leaves, exit)
	}
	_, err := l.enter(windowAt(testStore, 99), false)
	require.Equal(t, cdc.ClassThrottled, cdc.ClassOf(err))
	require.GreaterOrEqual(t, retryAfter(err), busyDelay/2)
	require.Less(t, retryAfter(err), 2*busyDelay)
	try(t, l, windowAt("another", 0), storeAnswered)

	leaves[0](storeAnswered)
	try(t, l, windowAt(testStore, 99), storeAnswered)
}

func TestFailingStoreIsTriedByItsOldestWindowOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(10)
		old, middle, young := windowAt(testStore, 1), windowAt(testStore, 2), windowAt(testStore, 3)
		try(t, l, middle, storeFailed)
		requireKeptOut(t, l, young, cdc.ClassUnavailable)
		try(t, l, old, storeFailed)
		requireKeptOut(t, l, middle, cdc.ClassUnavailable)
		try(t, l, windowAt("another", 9), storeAnswered)

		try(t, l, old, storeAnswered)
		try(t, l, young, storeAnswered)
		try(t, l, middle, storeAnswered)
	})
}

// pass lets the bubble's clock go on.
func pass(d time.Duration) { <-time.After(d) }

// The oldest window may have gone on in another process: the others must not
// wait for it indefinitely.
func TestFailingStoreIsProbedByAnyWindowAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(10)
		try(t, l, windowAt(testStore, 1), storeFailed)
		for n := 2; n < 14; n++ {
			requireKeptOut(t, l, windowAt(testStore, n), cdc.ClassUnavailable)
			delay := min(firstProbe<<(n-2), cdc.MaxDelay)
			pass(delay - time.Nanosecond)
			requireKeptOut(t, l, windowAt(testStore, n), cdc.ClassUnavailable)
			pass(time.Nanosecond)
			try(t, l, windowAt(testStore, n), storeFailed)
		}
		pass(cdc.MaxDelay)
		try(t, l, windowAt(testStore, 50), storeAnswered)
		try(t, l, windowAt(testStore, 51), storeAnswered)
	})
}

func TestWindowThatNoLongerTriesIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := &laneLimits{waiting: map[time.Time]time.Time{windowAt(testStore, 1).Start: begin}}
		young := windowAt(testStore, 2).Start
		require.False(t, s.oldest(young, begin.Add(waitingAge)))
		require.True(t, s.oldest(young, begin.Add(waitingAge+1)))
		require.Empty(t, s.waiting)
	})
}

// That some types cannot be read says nothing of the store: a type that is
// unavailable for good, tried alone, must not keep newer windows out.
func TestAttemptForSomeTypesTellsNothingOfTheStore(t *testing.T) {
	l := NewLimits(10)
	try(t, l, windowAt(testStore, 1), storeUnknown)
	try(t, l, windowAt(testStore, 2), storeAnswered)

	broken := &cdc.Error{Op: "GET {Type}", Class: cdc.ClassUnavailable, Status: 500}
	answered := []cdc.PageResult{{Type: "Patient", State: cdc.PageDone}}
	unavailable := []cdc.PageResult{{Type: "Patient", State: cdc.PageUnavailable}}
	for _, c := range []struct {
		name      string
		together  bool
		answers   []cdc.PageResult
		retryable error
		want      outcome
	}{
		{"one answered", true, answered, broken, storeAnswered},
		{"all forbidden", true, unavailable, nil, storeAnswered},
		{"none of all types", true, unavailable, broken, storeFailed},
		{"none of some types", false, unavailable, broken, storeUnknown},
		{"stopping", true, unavailable, &cdc.Error{Class: cdc.ClassInterrupted}, storeUnknown},
	} {
		h := hydration{in: cdc.HydrateInput{AllTypes: c.together}, retryable: c.retryable}
		h.result.Pages = c.answers
		require.Equal(t, c.want, h.outcome(), c.name)
	}
}
