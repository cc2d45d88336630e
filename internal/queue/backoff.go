package queue

import (
	"math/rand/v2"
	"time"

	"healthlake-cdc/internal/cdc"
)

// maxBackoff is the longest wait after failures in a row.
const maxBackoff = time.Minute

// backoff is how long to wait after the n-th failure in a row, n from 1.
func backoff(n int) time.Duration { return jitter(cdc.Backoff(n, time.Second, maxBackoff)) }

// jitter is between half and all of d, so that workers of a fleet come apart.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1) //nolint:gosec // no secret: it only spreads retries
}
