package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What several runs could not heal is healed by ever fewer of them, and stated by
// each; what is missing beside it is healed at once.
func TestAuditLeavesWhatCannotBeHealedToAnOperator(t *testing.T) {
	a := newAuditor(t)
	stubborn := start.Add(time.Minute)
	a.put(stubborn, "Patient", 5, 1)
	a.window(stubborn).stubborn = true
	result := a.run(start.Add(35*time.Minute), a.scheduled("Claim", "Patient"), nil)
	again := func(run int) int {
		before := len(a.heals)
		next := a.run(start.Add(time.Duration(20+15*run)*time.Minute), a.scheduled("Claim", "Patient"), &result)
		result = next
		require.Len(t, result.Unresolved, 1)
		return len(a.heals) - before
	}
	heals := []int{len(a.heals)}
	for run := 2; run <= 9; run++ {
		heals = append(heals, again(run))
	}
	require.Equal(t, []int{3, 3, 3, 1, 0, 0, 0, 1, 0}, heals)
	require.Equal(t, 4, a.latest("Patient")[0].Missing)

	a.put(start.Add(2*time.Minute), "Patient", 7, 0)
	require.Positive(t, again(10), "something else is missing")
	require.Equal(t, 7, a.latest("Patient")[0].Healed)

	a.window(stubborn).stubborn = false
	for run := 11; len(result.Unresolved) > 0; run++ {
		require.Less(t, run, 20)
		result = a.run(start.Add(time.Duration(20+15*run)*time.Minute), a.scheduled("Claim", "Patient"), &result)
	}
	require.Zero(t, a.latest("Patient")[0].Missing)
}
