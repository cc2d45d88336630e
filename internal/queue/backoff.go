package queue

import (
	"context"
	"math/rand/v2"
	"time"

	"healthlake-cdc/internal/cdc"
)

// maxBackoff is the longest wait after failures in a row.
const maxBackoff = time.Minute

// backoff is how long to wait after the n-th failure in a row, n from 1, with jitter so
// that workers of a fleet come apart.
func backoff(n int) time.Duration { return jitter(cdc.Backoff(n, time.Second, maxBackoff)) }

// jitter is between half and all of d.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1) //nolint:gosec // no secret: it only spreads retries
}

// sleep waits for d, or until ctx is done; it reports whether d went by.
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
