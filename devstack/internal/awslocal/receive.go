package awslocal

import (
	"container/list"
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// A received message is a copy of what a consumer gets: the message itself
// goes on changing.
type received struct {
	id, body, bodyMD5 string
	attributes        map[string]messageAttribute
	handle            string
	receives          int
	sent, first       time.Time
	deadLetterOf      string
}

func (q *queue) hand(m *message) received {
	return received{
		id: m.id, body: m.body, bodyMD5: m.bodyMD5, attributes: m.attributes,
		handle: q.handle(m), receives: m.receives, sent: m.sent, first: m.firstReceived,
		deadLetterOf: m.deadLetterOf,
	}
}

// handle is the receipt handle of a message's latest receive.
func (q *queue) handle(m *message) string {
	raw := q.instance + ":" + strconv.FormatUint(m.seq, 36) + ":" + strconv.Itoa(m.receives)
	return base64.StdEncoding.EncodeToString([]byte(raw))
}

// parseHandle returns what handle wrote, and an error unless it was this queue.
func (q *queue) parseHandle(handle string) (seq uint64, receives int, err error) {
	invalid := apiErrorf("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
	raw, err := base64.StdEncoding.DecodeString(handle)
	if err != nil {
		return 0, 0, invalid
	}
	parts := strings.Split(string(raw), ":")
	if len(parts) != 3 || parts[0] != q.instance {
		return 0, 0, invalid
	}
	seq, errSeq := strconv.ParseUint(parts[1], 36, 64)
	receives, errReceives := strconv.Atoi(parts[2])
	if errSeq != nil || errReceives != nil {
		return 0, 0, invalid
	}
	return seq, receives, nil
}

// delete removes the message of a receipt handle. As in SQS, deleting twice
// succeeds, and so does a handle that a later receive has replaced, but then
// the message stays.
func (q *queue) delete(handle string) error {
	seq, receives, err := q.parseHandle(handle)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if m := q.bySeq[seq]; m != nil && m.receives == receives {
		q.forget(m)
	}
	return nil
}

// changeVisibility makes a message in flight visible after timeout from now.
func (q *queue) changeVisibility(handle string, timeout time.Duration) error {
	seq, receives, err := q.parseHandle(handle)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.promote(now)
	m := q.bySeq[seq]
	if m == nil {
		return apiErrorf("InvalidParameterValue", "Value for parameter ReceiptHandle is invalid. Reason: "+
			"Message does not exist or is not available for visibility timeout change.")
	}
	if m.visible != nil || m.receives != receives {
		return apiErrorf("MessageNotInflight", "The specified message isn't in flight.")
	}
	q.unhide(m)
	if timeout <= 0 {
		q.show(m)
	} else {
		q.hide(m, now.Add(timeout))
	}
	return nil
}

// A waiter is a long poll. Waking removes it from the queue's list.
type waiter struct {
	wake chan struct{}
	elem *list.Element
}

// receive returns up to n messages, and waits up to wait for the first. If ctx ends, the
// client has disconnected, and receives nothing. bury gets the messages that were received
// too often, outside the lock; nil keeps them.
func (q *queue) receive(ctx context.Context, n int, visibility, wait time.Duration, bury func([]*message)) ([]received, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for over := wait <= 0; ; {
		q.mu.Lock()
		if len(q.later)-q.delayed >= maxInFlight {
			q.mu.Unlock()
			return nil, apiErrorf("OverLimit", "Too many messages are in flight: delete some before receiving more.")
		}
		got, dead := q.receiveNow(time.Now(), n, visibility, bury != nil)
		var w *waiter
		if len(got) == 0 && !over {
			w = q.wait()
		}
		q.mu.Unlock()
		if len(dead) > 0 {
			bury(dead)
		}
		if w == nil {
			return got, nil
		}
		select {
		case <-w.wake:
		case <-timeout.C:
			over = true
		case <-ctx.Done():
		}
		q.leave(w)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

func (q *queue) wait() *waiter {
	w := &waiter{wake: make(chan struct{})}
	w.elem = q.waiters.PushBack(w)
	q.arm()
	return w
}

// leave ends a wait. A wake-up that came too late to be used is passed on, so
// that no other long poll sleeps beside a visible message.
func (q *queue) leave(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.elem != nil {
		q.waiters.Remove(w.elem)
		w.elem = nil
	} else if q.visible.Len() > 0 {
		q.wakeOne()
	}
	q.arm()
}

func (q *queue) wakeOne() {
	front := q.waiters.Front()
	if front == nil {
		return
	}
	w := q.waiters.Remove(front).(*waiter)
	w.elem = nil
	close(w.wake)
}

// arm sets the timer that shows messages to waiting polls when they are due.
// Without a waiter nothing needs it: every call promotes first.
func (q *queue) arm() {
	if q.waiters.Len() == 0 || len(q.later) == 0 {
		if q.timer != nil {
			q.timer.Stop()
		}
		return
	}
	d := time.Until(q.later[0].visibleAt)
	if q.timer == nil {
		q.timer = time.AfterFunc(d, q.due)
		return
	}
	q.timer.Reset(d)
}

func (q *queue) due() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.promote(time.Now())
	q.arm()
}
