package queue

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	backoffFirst = time.Second
	backoffMost  = time.Minute
)

// backoff is how long to wait after the n-th failure in a row, n from 1: between
// half and all of 1, 2, 4 … 60 s, so that members of a fleet come apart.
func backoff(n int) time.Duration {
	d := backoffMost
	if n < 7 {
		d = min(backoffMost, backoffFirst<<max(n-1, 0))
	}
	return jitter(d)
}

// jitter is between half and all of d.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1) //nolint:gosec // no secret: it only spreads retries
}

// sleep waits for d, or until ctx is done; it tells whether d went by.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
