package faults

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestASeedDrawsOnePlan(t *testing.T) {
	plan := draw(7, kinds, 200*time.Second, time.Second)
	require.Equal(t, plan, draw(7, kinds, 200*time.Second, time.Second))
	require.NotEqual(t, plan, draw(8, kinds, 200*time.Second, time.Second))
}

// A long plan has every kind, and each fault is within the ranges of its kind; two of a
// kind never overlap.
func TestPlansAreWithinTheirRanges(t *testing.T) {
	for seed := range uint64(50) {
		plan := draw(seed, kinds, 200*time.Second, 1500*time.Millisecond)
		until, seen, last := make(map[string]float64), make(map[string]int), 0.0
		for _, f := range plan {
			k := kindOf(f.Kind)
			require.GreaterOrEqual(t, f.At, last)
			require.Less(t, f.At, 200.0)
			require.GreaterOrEqual(t, f.N, k.n[0])
			require.LessOrEqual(t, f.N, k.n[1])
			require.GreaterOrEqual(t, f.At, until[f.Kind], f.Kind)
			if !k.whole {
				require.GreaterOrEqual(t, f.For, k.seconds[0])
				require.LessOrEqual(t, f.For, k.seconds[1])
			}
			last, until[f.Kind] = f.At-0.001, f.At+f.For
			seen[f.Kind]++
		}
		require.Len(t, seen, len(kinds))
		require.Equal(t, 1, seen["clock"])
	}
}

func TestKindsAreChosenByNameAndGroup(t *testing.T) {
	all, err := choose(nil)
	require.NoError(t, err)
	require.Len(t, all, len(kinds))
	some, err := choose([]string{"sqs", "kill"})
	require.NoError(t, err)
	require.Len(t, some, 4)
	_, err = choose([]string{"flood"})
	require.ErrorContains(t, err, "bus-throttle")
}
