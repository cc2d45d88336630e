package bench

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"healthlake-cdc/devstack/internal/awslocal"
)

// busLog is what EventBridge accepted: how often each version, and when.
type busLog struct {
	mu       sync.Mutex
	versions map[string]int // deliveries by idempotency key
	lags     []time.Duration
	events   int
	bytes    int64
	first    time.Time
	last     time.Time
	lastNew  time.Time // when a version came that was not there before
}

func newBusLog() *busLog { return &busLog{versions: make(map[string]int)} }

// What stands before the idempotency key and the time of a version in a detail, whose meta
// comes first.
const (
	keyName     = `"idempotencyKey":"`
	updatedName = `"lastUpdated":"`
)

// after is the text that follows a name, up to the next quote.
func after(detail, name string) string {
	_, rest, _ := strings.Cut(detail, name)
	text, _, _ := strings.Cut(rest, `"`)
	return text
}

func (b *busLog) accept(e awslocal.Accepted) {
	key := after(e.Detail, keyName)
	if key == "" {
		return // an audit's statement
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.events == 0 {
		b.first = e.At
	}
	if b.versions[key]++; b.versions[key] == 1 {
		b.lastNew = e.At
		if updated, err := time.Parse(time.RFC3339Nano, after(e.Detail, updatedName)); err == nil {
			b.lags = append(b.lags, e.At.Sub(updated))
		}
	}
	b.events++
	b.bytes += int64(len(e.Detail))
	b.last = e.At
}

// clear forgets everything.
func (b *busLog) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.versions, b.lags, b.events, b.bytes = make(map[string]int), nil, 0, 0
	b.first, b.last, b.lastNew = time.Time{}, time.Time{}, time.Time{}
}

// busTotals are a bus log's figures.
type busTotals struct {
	versions, events int
	bytes            int64
	first, lastNew   time.Time
}

func (b *busLog) totals() busTotals {
	b.mu.Lock()
	defer b.mu.Unlock()
	return busTotals{len(b.versions), b.events, b.bytes, b.first, b.lastNew}
}

const (
	// pollEvery is how often a measurement looks at the bus.
	pollEvery = 20 * time.Millisecond
	// stalled is how long a measurement waits for the next version.
	stalled = 2 * time.Minute
)

// await waits until n versions were accepted.
func (b *busLog) await(ctx context.Context, n int) (busTotals, error) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	last, moved := 0, time.Now()
	for {
		t := b.totals()
		if t.versions > last {
			last, moved = t.versions, time.Now()
		}
		switch {
		case t.versions >= n:
			return t, nil
		case time.Since(moved) > stalled:
			return t, fmt.Errorf("%d of %d versions are on the bus, and no more came in %s", t.versions, n, stalled)
		}
		select {
		case <-ctx.Done():
			return t, ctx.Err()
		case <-ticker.C:
		}
	}
}
