package activities

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
	"pgregory.net/rapid"
)

// grant is a token that somebody got.
type grant struct {
	purpose Purpose
	at      time.Time
}

// searchers are goroutines of a synctest bubble that take tokens, and what they got.
type searchers struct {
	mu     sync.Mutex
	rate   *searchRate
	grants []grant
	wait   sync.WaitGroup
}

func (s *searchers) record(purpose Purpose) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants = append(s.grants, grant{purpose, time.Now()})
}

// add has one more searcher of the purpose, which takes a token again and again, some
// time after it got one, until ctx ends.
func (s *searchers) add(ctx context.Context, purpose Purpose, pause func() time.Duration) {
	s.wait.Go(func() {
		for s.rate.wait(ctx, purpose) == nil {
			s.record(purpose)
			if wait := pause(); wait > 0 {
				<-time.After(wait)
			}
		}
	})
}

// after is what has been got since a time.
func (s *searchers) after(since time.Time) []grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.grants), func(g grant) bool { return g.at.Before(since) })
}

// counts is how many of the grants each purpose has.
func counts(grants []grant) (n [purposes]int) {
	for _, g := range grants {
		n[g.purpose]++
	}
	return n
}

func always(pause time.Duration) func() time.Duration { return func() time.Duration { return pause } }

// searching runs searchers of one store for some time.
func searching(t *testing.T, limit rate.Limit, during time.Duration, start func(ctx context.Context, s *searchers)) *searchers {
	t.Helper()
	s := &searchers{rate: newSearchRate(limit)}
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	start(ctx, s)
	s.wait.Wait()
	return s
}

// Whoever searches how often, with whatever changes of the rate: no time has more searches
// than the rate allows in it and a second's worth, and while somebody waits none is lost.
func TestSearchRateIsKeptAndUsed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := rate.Limit(rapid.Float64Range(0.2, 200).Draw(rt, "rate"))
		type searcher struct {
			purpose Purpose
			pause   time.Duration
			begins  time.Duration
		}
		all := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) searcher {
			return searcher{
				purpose: Purpose(rapid.IntRange(0, int(purposes)-1).Draw(rt, "purpose")),
				pause:   time.Duration(rapid.IntRange(0, 3_000).Draw(rt, "pause")) * time.Millisecond,
				begins:  time.Duration(rapid.IntRange(0, 10_000).Draw(rt, "begins")) * time.Millisecond,
			}
		}), 0, 12).Draw(rt, "searchers")
		eager := rapid.Bool().Draw(rt, "eager") // one that always waits
		const during = 30 * time.Second
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			s := searching(t, limit, during, func(ctx context.Context, s *searchers) {
				for _, one := range all {
					s.wait.Go(func() {
						<-time.After(one.begins)
						s.add(ctx, one.purpose, always(one.pause))
					})
				}
				if eager {
					s.add(ctx, Ranges, always(0))
				}
			})
			requireRate(t, s.grants, limit)
			if eager {
				most := float64(burst(limit)) + float64(limit)*during.Seconds()
				require.InDelta(t, most, len(s.after(began)), 1.01, "idle capacity is used")
			}
		})
	})
}

// requireRate requires that in no time between two of the grants are more than the rate
// allows, and its burst.
func requireRate(t *testing.T, grants []grant, limit rate.Limit) {
	t.Helper()
	// Tokens that are there never become fewer than none: the bucket, by the definition.
	tokens, last := float64(burst(limit)), time.Time{}
	for i, g := range grants {
		if i > 0 {
			tokens = min(float64(burst(limit)), tokens+float64(limit)*g.at.Sub(last).Seconds())
		}
		last = g.at
		tokens--
		require.GreaterOrEqual(t, tokens, -0.001, "search %d of %d", i, len(grants))
	}
}

// While all wait all the time, each purpose gets its floor, and the first pages the rest.
func TestSearchRateKeepsFloors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := searching(t, 100, 21*time.Second, func(ctx context.Context, s *searchers) {
			for purpose := range purposes {
				for range 16 {
					s.add(ctx, purpose, always(0))
				}
			}
		})
		// The first second has a burst, for which nobody has to wait.
		got := counts(s.after(began.Add(time.Second + time.Nanosecond)))
		require.InDelta(t, 2_000, got[FirstPages]+got[FurtherPages]+got[Audits]+got[Ranges], 2)
		require.InDelta(t, 2_000*65/wholeToken, got[FirstPages], 3)
		for _, purpose := range []Purpose{FurtherPages, Audits, Ranges} {
			require.InDelta(t, 2_000*floors[purpose]/wholeToken, got[purpose], 3, "purpose %d", purpose)
		}
	})
}

// Who waits all the time gets its floor, whatever more urgent searches come.
func TestSearchRateStarvesNobody(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		waiting := Purpose(rapid.IntRange(1, int(purposes)-1).Draw(rt, "waiting"))
		others := rapid.SliceOfN(rapid.IntRange(0, int(waiting)-1), 100, 500).Draw(rt, "others")
		s := newSearchRate(1)
		enqueue := func(purpose Purpose) *tokenWaiter {
			w := &tokenWaiter{granted: make(chan struct{})}
			s.queues[purpose] = append(s.queues[purpose], w)
			return w
		}
		ours := enqueue(waiting)
		granted, waited := 0, 0
		for _, other := range others {
			enqueue(Purpose(other))
			waited++
			if s.next() == ours {
				ours = enqueue(waiting)
				granted, waited = granted+1, 0
			}
			require.LessOrEqual(t, waited, wholeToken/floors[waiting]+int(purposes), "tokens of others")
		}
		require.InDelta(t, len(others)*floors[waiting]/wholeToken, granted, 1.01, "its floor, and no more")
	})
}

// Live first pages go first, then further pages, then audits, then ranges; of one purpose
// whoever came first.
func TestSearchRateGoesByUrgency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSearchRate(1)
		require.NoError(t, s.wait(t.Context(), Ranges)) // the burst
		var got []string
		var mu sync.Mutex
		var wait sync.WaitGroup
		for n := range 2 {
			for purpose := purposes - 1; purpose >= 0; purpose-- {
				wait.Go(func() {
					require.NoError(t, s.wait(t.Context(), purpose))
					mu.Lock()
					defer mu.Unlock()
					got = append(got, fmt.Sprintf("%d.%d", purpose, n))
				})
				synctest.Wait()
			}
		}
		wait.Wait()
		require.Equal(t, []string{"0.0", "0.1", "1.0", "1.1", "2.0", "2.1", "3.0", "3.1"}, got)
	})
}

// A backfill alone has the whole rate until live pages come, which go first at once.
func TestSearchRateIsAnybodysWhileNobodyElseWantsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		live := began.Add(10 * time.Second)
		s := searching(t, 50, 20*time.Second, func(ctx context.Context, s *searchers) {
			for range 8 {
				s.add(ctx, Ranges, always(80*time.Millisecond))
			}
			s.wait.Go(func() {
				<-time.After(live.Sub(began))
				for range 64 {
					s.add(ctx, FirstPages, always(0))
				}
			})
		})
		alone := counts(slices.DeleteFunc(s.after(began.Add(time.Second)), func(g grant) bool { return !g.at.Before(live) }))
		require.InDelta(t, 9*50, alone[Ranges], 2)
		beside := counts(s.after(live.Add(time.Second)))
		require.InDelta(t, 9*50*floors[Ranges]/wholeToken, beside[Ranges], 2)
		require.InDelta(t, 9*50*(wholeToken-floors[Ranges])/wholeToken, beside[FirstPages], 2)
	})
}

// Whoever gives up while it waits spends no token, also at the moment when it is granted.
func TestSearchRateLosesNoTokenOfWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each = 100 * time.Millisecond
		s := newSearchRate(10)
		for range burst(10) {
			require.NoError(t, s.wait(t.Context(), Ranges))
		}
		began := time.Now()
		all := &searchers{rate: s}
		for n := range 50 {
			// Some give up in between two tokens, some just when there is one.
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*each/2)
			defer cancel()
			all.wait.Go(func() {
				if s.wait(ctx, Purpose(n%3)) == nil {
					all.record(Purpose(n % 3))
				}
			})
		}
		for range 30 {
			all.wait.Go(func() {
				require.NoError(t, s.wait(t.Context(), Ranges))
				all.record(Ranges)
			})
		}
		all.wait.Wait()
		last := all.grants[len(all.grants)-1].at
		require.Equal(t, 30, counts(all.grants)[Ranges])
		require.Greater(t, len(all.grants), 30, "some of the others did not give up")
		require.Less(t, len(all.grants), 60)
		require.Len(t, all.grants, int(last.Sub(began).Round(time.Millisecond)/each), "every token was somebody's")
		require.False(t, s.waits())
	})
}

// A token that is granted at the moment when its search gives up goes to the next.
func TestSearchRatePassesOnATokenThatIsNotWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSearchRate(1)
		began := time.Now()
		granted, waiting := &tokenWaiter{granted: make(chan struct{})}, &tokenWaiter{granted: make(chan struct{})}
		require.True(t, s.bucket.Allow())
		s.queues[Audits] = []*tokenWaiter{granted, waiting}
		require.Same(t, granted, s.next())
		close(granted.granted)

		s.withdraw(Audits, granted)
		<-waiting.granted
		require.Zero(t, time.Since(began), "it did not wait for another token")
		s.withdraw(Audits, granted) // nobody waits: nothing happens
		require.False(t, s.waits())
	})
}

// Who waits at a low rate goes on at the new one at once.
func TestSearchRateThatRisesIsKeptByWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSearchRate(0.001)
		require.NoError(t, s.wait(t.Context(), FirstPages))
		began := time.Now()
		var wait sync.WaitGroup
		wait.Go(func() { require.NoError(t, s.wait(t.Context(), FirstPages)) })
		synctest.Wait()
		s.set(10)
		wait.Wait()
		require.Equal(t, 100*time.Millisecond, time.Since(began).Round(time.Millisecond))
	})
}
