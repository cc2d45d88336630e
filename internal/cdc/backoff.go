package cdc

import "time"

// Backoff is the delay after the n-th failure in a row, n from 1: first, doubled after
// each further one, and at most longest. Processes that must not come back together add
// a random part of their own.
func Backoff(n int, first, longest time.Duration) time.Duration {
	delay := first
	for ; n > 1 && delay < longest; n-- {
		delay *= 2
	}
	return min(delay, longest)
}
