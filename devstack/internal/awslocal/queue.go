package awslocal

import (
	"container/heap"
	"container/list"
	"sync"
	"sync/atomic"
	"time"
)

// maxInFlight is the quota of a standard queue ("Amazon SQS message quotas").
const maxInFlight = 120_000

// A queue is a standard SQS queue. One mutex guards it; every operation costs
// at most the logarithm of the number of messages that are not visible.
type queue struct {
	name, arn string
	instance  string        // distinguishes its receipt handles from those of an earlier queue of the same name
	stored    *atomic.Int64 // bytes held by all queues of the server

	mu       sync.Mutex
	attrs    queueAttributes
	created  time.Time
	modified time.Time
	purged   time.Time
	nextSeq  uint64
	bySeq    map[uint64]*message
	visible  list.List // of *message, oldest first
	later    laterHeap
	delayed  int       // messages in later because of a delay
	waiters  list.List // of *waiter, longest waiting first
	timer    *time.Timer
}

func newQueue(name, arn string, attrs queueAttributes, stored *atomic.Int64) *queue {
	now := time.Now()
	return &queue{
		name: name, arn: arn, instance: newUUID(), stored: stored, attrs: attrs,
		created: now, modified: now, bySeq: make(map[uint64]*message),
	}
}

// push adds a message that becomes visible after delay (0 or less: at once).
func (q *queue) push(m *message, delay time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.nextSeq++
	m.seq = q.nextSeq
	q.bySeq[m.seq] = m
	q.stored.Add(m.size())
	if delay <= 0 {
		q.show(m)
		return
	}
	m.delayed = true
	q.delayed++
	q.hide(m, time.Now().Add(delay))
}

// show puts a message at the end of the visible ones and wakes a long poll.
func (q *queue) show(m *message) {
	m.visible = q.visible.PushBack(m)
	q.wakeOne()
}

func (q *queue) hide(m *message, until time.Time) {
	m.visibleAt = until
	heap.Push(&q.later, m)
	q.arm()
}

// unhide removes a message from the heap without making it visible.
func (q *queue) unhide(m *message) {
	heap.Remove(&q.later, m.heapIndex)
	if m.delayed {
		m.delayed = false
		q.delayed--
	}
}

// forget removes a message for good, wherever it is.
func (q *queue) forget(m *message) {
	if m.visible != nil {
		q.visible.Remove(m.visible)
		m.visible = nil
	} else {
		q.unhide(m)
	}
	q.drop(m)
}

// drop removes a message that is neither visible nor hidden any more.
func (q *queue) drop(m *message) {
	delete(q.bySeq, m.seq)
	q.stored.Add(-m.size())
}

// promote makes visible what is due.
func (q *queue) promote(now time.Time) {
	for len(q.later) > 0 && !q.later[0].visibleAt.After(now) {
		m := q.later[0]
		q.unhide(m)
		q.show(m)
	}
}

// receiveNow returns up to n visible messages and hides them for the time visibility.
// dead are the messages that reached their receive count; they are removed.
func (q *queue) receiveNow(now time.Time, n int, visibility time.Duration, redrive bool) (got []received, dead []*message) {
	q.promote(now)
	for len(got) < n && q.visible.Len() > 0 {
		m := q.visible.Remove(q.visible.Front()).(*message)
		m.visible = nil
		switch {
		case now.Sub(m.sent) > q.attrs.retention:
			q.drop(m)
		case redrive && m.receives >= q.attrs.redrive.MaxReceiveCount:
			q.drop(m)
			dead = append(dead, m)
		default:
			m.receives++
			if m.firstReceived.IsZero() {
				m.firstReceived = now
			}
			got = append(got, q.hand(m))
			q.hide(m, now.Add(visibility))
		}
	}
	if q.visible.Len() > 0 {
		q.wakeOne()
	}
	return got, dead
}

// Depth counts a queue's messages.
type Depth struct {
	Visible  int // ready to be received
	InFlight int // received, and neither deleted nor visible again
	Delayed  int // not visible yet
}

func (q *queue) depth() Depth {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.promote(time.Now())
	return Depth{Visible: q.visible.Len(), InFlight: len(q.later) - q.delayed, Delayed: q.delayed}
}

// purge removes every message. It does nothing and returns false if the last purge was
// less than purgeInterval ago.
func (q *queue) purge() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if !q.purged.IsZero() && now.Sub(q.purged) < purgeInterval {
		return false
	}
	q.purged = now
	q.empty()
	return true
}

func (q *queue) empty() {
	for _, m := range q.bySeq {
		q.stored.Add(-m.size())
	}
	clear(q.bySeq)
	q.visible.Init()
	q.later = nil
	q.delayed = 0
	q.arm()
}

// close empties a queue that is deleted and ends its long polls.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.empty()
	for q.waiters.Len() > 0 {
		q.wakeOne()
	}
}

// drainVisible removes up to n visible messages, oldest first, for a move task.
func (q *queue) drainVisible(n int) []*message {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.promote(time.Now())
	var out []*message
	for len(out) < n && q.visible.Len() > 0 {
		m := q.visible.Front().Value.(*message)
		q.forget(m)
		out = append(out, m)
	}
	return out
}
