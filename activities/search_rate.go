package activities

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Purpose is what a search is for. Of the searches that wait for the rate of their store,
// those of a lower purpose go first.
type Purpose int

const (
	// FirstPages are the first pages of live windows: every change waits for one.
	FirstPages Purpose = iota
	// FurtherPages are the other pages of live windows.
	FurtherPages
	// Audits are listings of audits, and pages of windows in bulk.
	Audits
	// Ranges are what replays and backfills read, measure and count, and slices of windows
	// in bulk.
	Ranges
	// purposes is how many there are.
	purposes
)

// wholeToken is a token in the unit of floors: percent.
const wholeToken = 100

// floors are how much of a store's rate each purpose gets at least while it has searches
// that wait, in percent. What nobody waits for is anybody's.
//
// First pages have no floor, because they go first: at least 65 % is theirs, more than
// `worker --check` lets windows need (config.LiveShare). Without a floor the thousands of
// first pages after an outage would hold up the oldest windows, whose heavy types are not
// complete without their further pages. At the default rate of 50 the tenth of audits
// lists 36 types in about 7 s, and the twentieth of ranges reads 250 versions a second;
// it also gives all slots of a store's bulk task queue a token within a few seconds, so
// that attempts do not end without one.
var floors = [purposes]int{FurtherPages: 20, Audits: 10, Ranges: 5}

// searchRate hands out the search tokens of one store: as many a second as its rate, and
// after a pause a second's worth at once.
type searchRate struct {
	mu     sync.Mutex
	bucket *rate.Limiter
	// queues hold who waits, in the order in which they came.
	queues [purposes][]*tokenWaiter
	// credit is what each purpose has of its floor: every token that is handed out adds
	// the floor, and one that the purpose gets takes a whole token away.
	credit [purposes]int
	// timer is set while somebody waits: to when the next token is due.
	timer *time.Timer
}

// tokenWaiter is a search that waits; granted is closed when the token is its own.
type tokenWaiter struct{ granted chan struct{} }

func newSearchRate(limit rate.Limit) *searchRate {
	return &searchRate{bucket: rate.NewLimiter(limit, burst(limit))}
}

// burst is a second's worth of searches, at least one.
func burst(limit rate.Limit) int { return max(1, int(limit)) }

// set changes the rate. Who waits goes on waiting, at the new one.
func (s *searchRate) set(limit rate.Limit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit == s.bucket.Limit() {
		return
	}
	s.bucket.SetLimit(limit)
	s.bucket.SetBurst(burst(limit))
	s.dispatch()
}

// wait takes a token. The error is that of ctx, and no token is spent then.
func (s *searchRate) wait(ctx context.Context, purpose Purpose) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &tokenWaiter{granted: make(chan struct{})}
	s.mu.Lock()
	s.queues[purpose] = append(s.queues[purpose], w)
	s.dispatch()
	s.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		s.withdraw(purpose, w)
		return ctx.Err()
	}
}

// withdraw takes back a wait. A token that was granted at the same moment goes to the
// next one who waits.
func (s *searchRate) withdraw(purpose Purpose, w *tokenWaiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.queues[purpose], w)
	switch {
	case i >= 0:
		s.queues[purpose] = slices.Delete(s.queues[purpose], i, i+1)
	case s.waits():
		close(s.next().granted)
	}
	s.dispatch()
}

// waits reports whether anybody waits. The caller holds mu, as of what follows.
func (s *searchRate) waits() bool {
	return slices.ContainsFunc(s.queues[:], func(queue []*tokenWaiter) bool { return len(queue) > 0 })
}

// dispatch hands out the tokens that are there, and sets the timer for the next one.
func (s *searchRate) dispatch() {
	for s.waits() && s.bucket.Allow() {
		close(s.next().granted)
	}
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if s.waits() {
		s.timer = time.AfterFunc(s.untilToken(), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.dispatch()
		})
	}
}

// untilToken is how long it takes until the bucket has a token, but a minute at most:
// then the timer is set again.
func (s *searchRate) untilToken() time.Duration {
	seconds := (1 - s.bucket.Tokens()) / float64(s.bucket.Limit())
	return time.Duration(min(seconds, 60)*float64(time.Second)) + 1 // rounded up
}

// next takes the one who gets the next token off its queue: of the most urgent purpose
// that is owed a whole token of its floor, else of the most urgent one. Somebody waits.
func (s *searchRate) next() *tokenWaiter {
	for purpose, floor := range floors {
		// A purpose for which nobody waited gets two tokens ahead of the others, no more.
		s.credit[purpose] = min(s.credit[purpose]+floor, 2*wholeToken)
	}
	chosen, owed := s.mostUrgent(wholeToken)
	if !owed {
		chosen, _ = s.mostUrgent(0)
	}
	s.credit[chosen] = max(0, s.credit[chosen]-wholeToken)
	w := s.queues[chosen][0]
	s.queues[chosen] = slices.Delete(s.queues[chosen], 0, 1)
	return w
}

// mostUrgent is the most urgent purpose that waits and has at least this credit.
func (s *searchRate) mostUrgent(credit int) (_ Purpose, found bool) {
	for purpose := range purposes {
		if len(s.queues[purpose]) > 0 && s.credit[purpose] >= credit {
			return purpose, true
		}
	}
	return 0, false
}
