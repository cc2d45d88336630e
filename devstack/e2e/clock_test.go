package e2e

import (
	"sync"
	"time"

	"healthlake-cdc/internal/cdc"
)

// clock is a data store's clock. A test that pins it decides in which window its writes
// are, however slow the machine is.
type clock struct {
	mu     sync.Mutex
	pinned time.Time
	ahead  time.Duration
}

// Now is the real time, moved ahead, unless the clock is pinned.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.pinned.IsZero() {
		return c.pinned
	}
	return time.Now().Add(c.ahead)
}

// pin stops the clock at t.
func (c *clock) pin(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pinned = t
}

// release starts the clock again, ahead of the real time by d.
func (c *clock) release(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pinned, c.ahead = time.Time{}, d
}

// alone is a moment at which a trigger touches one window only: CDC_LOOKBACK is
// 5 s, and a record's time is in whole seconds.
const alone = 7 * time.Second

// windowIn is the window of a moment from now, so that there is time to write
// and to trigger before its first pass is due.
func windowIn(datastore string, d time.Duration) cdc.Window {
	return cdc.WindowAt(datastore, time.Now().Add(d))
}

// windowAgo is the window of a moment before now.
func windowAgo(datastore string, d time.Duration) cdc.Window { return windowIn(datastore, -d) }
