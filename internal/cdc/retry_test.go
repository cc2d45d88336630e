package cdc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRetryDelaysGrowAndAreBounded(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var r Retry
	require.False(t, r.Failing())
	require.Zero(t, r.FailingFor(now))
	begun := now
	for _, want := range []int{5, 10, 20, 40, 80, 160, 320, 640, 900, 900} {
		r.Failed(now, ClassUnavailable, 0)
		require.Equal(t, now.Add(time.Duration(want)*time.Second), r.Due)
		now = r.Due
	}
	require.Equal(t, begun, r.Since)
	require.Equal(t, now.Sub(begun), r.FailingFor(now))

	r = Retry{}
	r.Failed(now, ClassThrottled, time.Hour)
	require.Equal(t, now.Add(time.Hour), r.Due, "what the store asks for, where it is longer")
}

// Whatever lasts is an operator's matter in the end; what only an operator ends is at
// once.
func TestRetryWaitsForAnOperator(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, class := range []Class{ClassThrottled, ClassUnavailable, ClassMalformed, ClassPageTokenRejected, ClassInterrupted, ClassStillOpen} {
		var r Retry
		r.Failed(now, class, 0)
		require.False(t, r.Waits(now.Add(operatorAfter-1)), class)
		require.True(t, r.Waits(now.Add(operatorAfter)), class)
	}
	for _, class := range []Class{ClassForbidden, ClassInvalidRequest, ClassBusMissing, ClassLedgerUnreadable, ClassEventRejected} {
		var r Retry
		r.Failed(now, class, 0)
		require.True(t, r.Waits(now), class)
	}
	require.False(t, Retry{}.Waits(now))
}
