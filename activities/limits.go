package activities

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"healthlake-cdc/internal/cdc"
)

const (
	// hydratesPerStore is how many Hydrates of one store run side by side in a
	// process, so that a store that hangs cannot take every activity slot.
	hydratesPerStore = 16
	// bulkHydrates is the same for windows in bulk: less than the activity slots of a
	// store's bulk task queue (8), which audits and ranges share.
	bulkHydrates = 4
	// busyDelay is about how long a Hydrate waits that found no place.
	busyDelay = 3 * time.Second
	// firstProbe is how long after a failed attempt, doubled for each further one up
	// to cdc.MaxDelay, any window may try a failing store: the oldest may go on in
	// another process.
	firstProbe = 5 * time.Second
	// waitingAge is after how long a window that no longer tries is forgotten:
	// a little more than the longest delay between attempts.
	waitingAge = cdc.MaxDelay + 5*time.Minute
)

// Limits bounds what one process asks of each store: how often it searches, for all its
// work together, and how many Hydrates run, apart for live windows and for bulk work, so
// that neither waits for the other's places.
type Limits struct {
	mu    sync.Mutex
	rate  rate.Limit // searches a second for each store
	rates map[string]*searchRate
	lanes map[lane]*laneLimits
}

// lane is a store's live or bulk work.
type lane struct {
	datastore string
	bulk      bool
}

type laneLimits struct {
	// maxHydrates is how many Hydrates may run at once, running how many do.
	maxHydrates, running int
	// failures is how many attempts in a row found the store failing, probeAt
	// when any window may try again.
	failures int
	probeAt  time.Time
	waiting  map[time.Time]time.Time // when a window, by its start, failed last
}

// NewLimits returns limits of searches a second for each store.
func NewLimits(searches float64) *Limits {
	return &Limits{rate: rate.Limit(searches), rates: make(map[string]*searchRate), lanes: make(map[lane]*laneLimits)}
}

// SetRate changes the searches a second, as the fleet grows and shrinks.
func (l *Limits) SetRate(searches float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate = rate.Limit(searches)
	for _, store := range l.rates {
		store.set(l.rate)
	}
}

// wait takes a search token of the store.
func (l *Limits) wait(ctx context.Context, datastore string, purpose Purpose) error {
	l.mu.Lock()
	store := l.rates[datastore]
	if store == nil {
		store = newSearchRate(l.rate)
		l.rates[datastore] = store
	}
	l.mu.Unlock()
	if store.wait(ctx, purpose) != nil {
		return &cdc.Error{Op: "waiting for a search token", Class: cdc.ClassInterrupted}
	}
	return nil
}

// lane is the limits of a store's lane, made when it is first used. The caller holds mu.
func (l *Limits) lane(datastore string, bulk bool) *laneLimits {
	name := lane{datastore, bulk}
	limits := l.lanes[name]
	if limits == nil {
		limits = &laneLimits{maxHydrates: hydratesPerStore, waiting: make(map[time.Time]time.Time)}
		if bulk {
			limits.maxHydrates = bulkHydrates
		}
		l.lanes[name] = limits
	}
	return limits
}

// outcome is what an attempt shows of its store.
type outcome int

const (
	storeUnknown outcome = iota
	storeAnswered
	storeFailed
)

// enter makes room for a Hydrate of the window, which calls exit with what became of it.
// While a store keeps failing, only the oldest window of the lane that waits for it may
// try, and any once probeAt is past: the others fail at once and come again by their
// retry policy, so that a long outage costs few searches.
func (l *Limits) enter(window cdc.Window, bulk bool) (exit func(outcome), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	store := l.lane(window.Datastore, bulk)
	now := time.Now()
	if store.failures > 0 && now.Before(store.probeAt) && !store.oldest(window.Start, now) {
		store.waiting[window.Start] = now
		return nil, &cdc.Error{
			Op: "Hydrate", Class: cdc.ClassUnavailable,
			Advice: fmt.Sprintf("datastore %s keeps failing; its oldest window tries first", window.Datastore),
		}
	}
	if store.running >= store.maxHydrates {
		return nil, &cdc.Error{
			Op: "Hydrate", Class: cdc.ClassThrottled, RetryAfter: jitter(busyDelay),
			Advice: fmt.Sprintf("this worker already searches for %d windows of datastore %s", store.maxHydrates, window.Datastore),
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
			now := time.Now()
			store.failures++
			store.waiting[window.Start] = now
			store.probeAt = now.Add(cdc.Backoff(store.failures, firstProbe, cdc.MaxDelay))
		}
	}, nil
}

// oldest reports whether no older window waits for the store.
func (s *laneLimits) oldest(start, now time.Time) bool {
	for other, last := range s.waiting {
		if now.Sub(last) > waitingAge {
			delete(s.waiting, other)
		} else if other.Before(start) {
			return false
		}
	}
	return true
}
