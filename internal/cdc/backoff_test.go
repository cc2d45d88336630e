package cdc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBackoff(t *testing.T) {
	for n, want := range map[int]time.Duration{
		-1: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second, 7: time.Minute, 1 << 40: time.Minute,
	} {
		require.Equal(t, want, Backoff(n, time.Second, time.Minute), n)
	}
	require.Equal(t, time.Second, Backoff(1, time.Hour, time.Second))
}
