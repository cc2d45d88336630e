package simulator

import (
	"container/heap"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// Trail configures the delivery of CloudTrail records.
type Trail struct {
	// Sink gets each record when it is due, one at a time; nil records nothing.
	Sink func(Record)
	// Delay is the time from a call until its record is delivered; nil is 0. Different
	// delays also bring records out of order.
	Delay Delay
	// Loss is the fraction of records that never come, Repeat the fraction of
	// the others that come twice, with the same eventID.
	Loss, Repeat float64
	// ShowIDs puts the resource's id into the record; the service hides it.
	ShowIDs bool
	// Reads records read-only calls too.
	Reads bool
}

func (t Trail) check() error {
	if t.Loss < 0 || t.Loss > 1 || t.Repeat < 0 || t.Repeat > 1 {
		return errors.New("loss and repetition of records are fractions: use 0 to 1")
	}
	return nil
}

// TrailStats counts records since the start.
type TrailStats struct {
	Recorded  int64 `json:"recorded"` // calls with a record
	Lost      int64 `json:"lost"`
	Repeated  int64 `json:"repeated"` // records that come twice
	Delivered int64 `json:"delivered"`
	Pending   int64 `json:"pending"` // not yet delivered, and notices and events of jobs
}

// trail delivers records, notices and events of jobs in the order of their due times.
type trail struct {
	now  func() time.Time
	rand *chance // decides each record's fate
	ids  *chance // of deliveries

	mu     sync.Mutex
	cfg    Trail
	queue  dueQueue
	stats  TrailStats
	seq    int
	done   chan struct{} // nil until the first record
	closed bool

	wake, stop chan struct{}
}

func newTrail(cfg Trail, seed uint64, now func() time.Time) *trail {
	return &trail{cfg: cfg, rand: newChance(seed, streamTrail), ids: newChance(seed, streamDeliveries), now: now, wake: make(chan struct{}, 1), stop: make(chan struct{})}
}

// SetTrail changes the delivery of the records of later calls; pending records keep
// theirs.
func (s *Server) SetTrail(cfg Trail) error {
	if err := cfg.check(); err != nil {
		return err
	}
	s.trail.mu.Lock()
	defer s.trail.mu.Unlock()
	s.trail.cfg = cfg
	return nil
}

// DeliverDue checks the clock again: call it after advancing an injected clock. The real
// clock needs no call.
func (s *Server) DeliverDue() { s.trail.poke() }

func (t *trail) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// record decides whether and when the record of a finished call is delivered.
func (t *trail) record(r Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sink := t.cfg.Sink
	if sink == nil || t.closed || (r.Detail.ReadOnly && !t.cfg.Reads) {
		return
	}
	if !t.cfg.ShowIDs && r.Detail.RequestParameters.ResourceID != "" {
		r.Detail.RequestParameters.ResourceID = HiddenID
	}
	t.stats.Recorded++
	t.rand.do(func(rnd *rand.Rand) {
		lost, again := rnd.Float64() < t.cfg.Loss, rnd.Float64() < t.cfg.Repeat
		copies := 1
		switch {
		case lost:
			t.stats.Lost++
			copies = 0
		case again:
			t.stats.Repeated++
			copies = 2
		}
		for range copies {
			var delay time.Duration
			if t.cfg.Delay != nil {
				delay = t.cfg.Delay(rnd)
			}
			one := r
			one.ID = t.ids.uuid()
			t.push(delay, func(at time.Time) {
				one.Time = at.Truncate(time.Second)
				sink(one)
				t.mu.Lock()
				defer t.mu.Unlock()
				t.stats.Delivered++
			})
		}
	})
}

// push sends something after a delay. The caller holds the lock.
func (t *trail) push(delay time.Duration, send func(at time.Time)) {
	t.seq++
	heap.Push(&t.queue, dueSending{due: t.now().Add(delay), seq: t.seq, send: send})
	t.stats.Pending++
	if t.done == nil {
		t.done = make(chan struct{})
		go t.run()
	}
	t.poke()
}

func (t *trail) run() {
	defer close(t.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next, wait := t.pop()
		if next != nil {
			next.send(t.now())
			t.mu.Lock()
			t.stats.Pending--
			t.mu.Unlock()
			continue
		}
		timer.Reset(wait)
		select {
		case <-t.stop:
			return
		case <-t.wake:
		case <-timer.C:
		}
	}
}

// pop returns what is due next, or how long to wait for it.
func (t *trail) pop() (*dueSending, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.queue) == 0 {
		return nil, time.Hour
	}
	// An injected clock may stand still: then the timer only checks again.
	if wait := t.queue[0].due.Sub(t.now()); wait > 0 {
		return nil, max(wait, time.Millisecond)
	}
	next := heap.Pop(&t.queue).(dueSending)
	return &next, 0
}

func (t *trail) close() {
	t.mu.Lock()
	if !t.closed {
		t.closed = true
		close(t.stop)
	}
	done := t.done
	t.mu.Unlock()
	if done != nil {
		<-done
	}
}

func (t *trail) snapshot() TrailStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stats
}

type dueSending struct {
	due  time.Time
	seq  int
	send func(at time.Time)
}

// dueQueue is a heap by due time, then by order of arrival.
type dueQueue []dueSending

func (q dueQueue) Len() int { return len(q) }
func (q dueQueue) Less(i, j int) bool {
	if c := q[i].due.Compare(q[j].due); c != 0 {
		return c < 0
	}
	return q[i].seq < q[j].seq
}
func (q dueQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *dueQueue) Push(x any)   { *q = append(*q, x.(dueSending)) }
func (q *dueQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = dueSending{}
	*q = old[:len(old)-1]
	return last
}
