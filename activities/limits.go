package activities

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"healthlake-cdc/internal/cdc"
)

const (
	// hydratesPerStore is how many Hydrates of one store run side by side in a
	// process, so that a store that hangs cannot take every activity slot.
	hydratesPerStore = 16
	// busyDelay is about how long a Hydrate waits that found no place.
	busyDelay = 3 * time.Second
	// firstProbe and longestProbe are how long after a failed attempt, doubled for
	// each further one, any window may try a failing store: the oldest may have
	// gone on in another process, and would never come back to free the others.
	firstProbe   = 5 * time.Second
	longestProbe = 15 * time.Minute
	// waitingAge is after how long a window that no longer tries is forgotten:
	// a little more than the longest delay between attempts (15 minutes).
	waitingAge = 20 * time.Minute
)

// Limits bounds what one process asks of each store. The zero value is not
// ready; use NewLimits.
type Limits struct {
	mu     sync.Mutex
	rate   float64
	stores map[string]*storeLimits
}

type storeLimits struct {
	limiter *rate.Limiter
	running int
	// failures is how many attempts in a row found the store failing, probeAt
	// when any window may try again.
	failures int
	probeAt  time.Time
	// waiting holds the starts of the windows whose last attempt failed, with
	// when that was.
	waiting map[time.Time]time.Time
}

// NewLimits returns limits of perSecond searches for each store.
func NewLimits(perSecond float64) *Limits {
	return &Limits{rate: perSecond, stores: make(map[string]*storeLimits)}
}

// SetRate changes this process's searches a second for each store, as the fleet
// grows and shrinks.
func (l *Limits) SetRate(perSecond float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if perSecond == l.rate {
		return
	}
	l.rate = perSecond
	for _, store := range l.stores {
		store.limiter.SetLimit(rate.Limit(perSecond))
		store.limiter.SetBurst(burst(perSecond))
	}
}

// burst is a second's worth of searches, at least one.
func burst(perSecond float64) int { return max(1, int(perSecond)) }

func (l *Limits) store(datastore string) *storeLimits {
	store := l.stores[datastore]
	if store == nil {
		store = &storeLimits{
			limiter: rate.NewLimiter(rate.Limit(l.rate), burst(l.rate)),
			waiting: make(map[time.Time]time.Time),
		}
		l.stores[datastore] = store
	}
	return store
}

// wait takes a token for one search.
func (l *Limits) wait(ctx context.Context, datastore string) error {
	l.mu.Lock()
	limiter := l.store(datastore).limiter
	l.mu.Unlock()
	if err := limiter.Wait(ctx); err != nil {
		return &cdc.Error{Op: "waiting for a search token", Class: cdc.ClassInterrupted}
	}
	return nil
}

// outcome is what an attempt tells of its store.
type outcome int

const (
	storeUnknown outcome = iota
	storeAnswered
	storeFailed
)

// enter takes a place for a Hydrate of the window; leave gives it back and says
// what became of it. While a store keeps failing, only the oldest window that
// waits for it may try, and another when that has not been here for a while:
// the others fail at once and come again by their retry policy, so that a long
// outage costs few searches.
func (l *Limits) enter(window cdc.Window) (leave func(outcome), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	store := l.store(window.Datastore)
	now := time.Now()
	if store.failures > 0 && now.Before(store.probeAt) && !store.oldest(window.Start, now) {
		store.waiting[window.Start] = now
		return nil, &cdc.Error{
			Op: "Hydrate", Class: cdc.ClassUnavailable,
			Advice: fmt.Sprintf("datastore %s keeps failing; its oldest window tries first", window.Datastore),
		}
	}
	if store.running >= hydratesPerStore {
		return nil, &cdc.Error{
			Op: "Hydrate", Class: cdc.ClassThrottled, RetryAfter: busyDelay/2 + rand.N(busyDelay), //nolint:gosec // jitter
			Advice: fmt.Sprintf("this worker already sweeps %d windows of datastore %s", hydratesPerStore, window.Datastore),
		}
	}
	store.running++
	return func(o outcome) {
		l.mu.Lock()
		defer l.mu.Unlock()
		store.running--
		switch o {
		case storeAnswered:
			store.failures = 0
			clear(store.waiting)
		case storeFailed:
			store.failed(window.Start, time.Now())
		}
	}, nil
}

// failed notes that the store answered the window for no type at all.
func (s *storeLimits) failed(start, now time.Time) {
	s.failures++
	s.waiting[start] = now
	delay := firstProbe
	for i := 1; i < s.failures && delay < longestProbe; i++ {
		delay *= 2
	}
	s.probeAt = now.Add(min(delay, longestProbe))
}

// oldest tells whether no older window waits for the store.
func (s *storeLimits) oldest(start, now time.Time) bool {
	for other, last := range s.waiting {
		if now.Sub(last) > waitingAge {
			delete(s.waiting, other)
		} else if other.Before(start) {
			return false
		}
	}
	return true
}
