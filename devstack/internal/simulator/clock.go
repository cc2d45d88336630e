package simulator

import (
	"sync"
	"time"
)

// Clock is a store's clock that can be set: Config.Now takes its method Now. The zero
// value shows the real time.
type Clock struct {
	mu   sync.Mutex
	next time.Time
	step time.Duration
}

// Now is the real time, unless the clock was set.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next.IsZero() {
		return time.Now()
	}
	now := c.next
	c.next = now.Add(c.step)
	return now
}

// Set makes the clock show t, and a step more each time it is read.
func (c *Clock) Set(t time.Time, step time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next, c.step = t, step
}

// Release makes the clock show the real time again.
func (c *Clock) Release() { c.Set(time.Time{}, 0) }
