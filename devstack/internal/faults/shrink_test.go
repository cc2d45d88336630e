package faults

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever faults a failure needs, they are found, and no others.
func TestShrinkFindsWhatIsNeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := make([]Fault, rapid.IntRange(1, 40).Draw(t, "faults"))
		for i := range plan {
			plan[i].N = i
		}
		needed := rapid.SliceOfNDistinct(rapid.IntRange(0, len(plan)-1), 1, min(3, len(plan)), rapid.ID).Draw(t, "needed")
		fails := func(part []Fault) bool {
			for _, n := range needed {
				if !slices.ContainsFunc(part, func(f Fault) bool { return f.N == n }) {
					return false
				}
			}
			return true
		}
		var left []int
		for _, f := range shrink(plan, 10_000, fails) {
			left = append(left, f.N)
		}
		require.ElementsMatch(t, needed, left)
	})
}

func TestShrinkHasABound(t *testing.T) {
	plan := make([]Fault, 64)
	runs := 0
	left := shrink(plan, 5, func(part []Fault) bool {
		runs++
		return len(part) == len(plan)
	})
	require.Equal(t, 5, runs)
	require.Len(t, left, 64, "nothing smaller failed")
	require.Len(t, shrink(plan, 3, func([]Fault) bool { return true }), 8, "each run halves it")
}
