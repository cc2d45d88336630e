package cdc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSkipNamesWhatWaits(t *testing.T) {
	waits := []Wait{
		{Type: "Account", Class: ClassInvalidRequest}, {Type: "Patient", Class: ClassMalformed},
		{Versions: 1}, {Type: "Patient", Versions: 2}, {Class: ClassLedgerUnreadable, Ledger: true},
		{Type: "Claim", Class: ClassLedgerUnreadable, Ledger: true}, {Class: ClassBusMissing, Bus: true},
	}
	require.Equal(t, Skip{Versions: []string{"", "Patient"}, Types: []string{"Account", "Patient"}, Ledger: true}, SkipOf(waits))
	require.Equal(t, Skip{Types: []string{"Account"}}, SkipOf(waits[:1]))
	require.Zero(t, SkipOf(waits[6:]), "nothing is skipped because the bus is away")
	require.Equal(t, "the type Account, which cannot be read (InvalidRequest)", waits[0].Text())
	require.Equal(t, "1 of an unnamed type, which EventBridge rejects", waits[2].Text())
	require.Equal(t, "2 of Patient, which EventBridge rejects", waits[3].Text())
	require.Contains(t, waits[4].Text(), "ledger of the run before")
	require.Contains(t, waits[5].Text(), "ledger of a slice of Claim")
	require.Contains(t, waits[6].Text(), "the event bus, which does not accept what is put on it (BusMissing)")
}
