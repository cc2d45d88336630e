package cdc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWaitsAreWhatOnlyAnOperatorEnds(t *testing.T) {
	require.Empty(t, Progress{}.Waits())
	p := Progress{
		Refused: map[string]Class{
			"Patient": ClassForbidden, "Claim": ClassThrottled, "Device": ClassPageToken, "Account": ClassRejected, "Goal": ClassUnavailable,
		},
		Kept:   map[string]int{"Patient": 2, "": 1},
		Ledger: ClassLedger,
	}
	waits := p.Waits()
	require.Equal(t, []Wait{
		{Type: "Account", Class: ClassRejected}, {Type: "Patient", Class: ClassForbidden},
		{Versions: 1}, {Type: "Patient", Versions: 2}, {Class: ClassLedger, Ledger: true},
	}, waits)
	require.Equal(t, Skip{Versions: []string{"", "Patient"}, Types: []string{"Account", "Patient"}, Ledger: true}, SkipOf(waits))
	require.Equal(t, Skip{Types: []string{"Account"}}, SkipOf(waits[:1]))
	require.Equal(t, "2 of Patient, which EventBridge refuses", waits[3].Text())
	require.Equal(t, "1 of an unnamed type, which EventBridge refuses", waits[2].Text())
	require.Equal(t, "the type Account, which cannot be read (Rejected)", waits[0].Text())
	require.Contains(t, waits[4].Text(), "ledger of the run before")
}
