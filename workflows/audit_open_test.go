package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// While one window is healed another publishes and closes: its types are compared
// again, too, and nothing is stated that was true before.
func TestAuditLooksAgainAtTypesOfOpenWindows(t *testing.T) {
	for name, requested := range map[string]bool{"scheduled": false, "requested": true} {
		t.Run(name, func(t *testing.T) {
			a := newAuditor(t)
			open, gap := start.Add(time.Minute), start.Add(2*time.Minute)
			a.put(open, "Device", 7, 0)
			a.put(gap, "Patient", 3, 0)
			a.window(open).open = true
			a.onCompare = func(cdc.AuditSpanInput) {
				if len(a.compared) == 1 {
					a.put(open, "Device", 7, 7)
					a.window(open).open = false
				}
			}
			in := a.scheduled("Claim", "Device", "Patient")
			if requested {
				in.Span = &cdc.Span{From: start, To: start.Add(15 * time.Minute)}
			}
			result := a.run(start.Add(35*time.Minute), in, nil)
			require.Equal(t, []string{"Claim", "Device", "Patient"}, a.compared[1].Types, "the open window may have published any of them")
			require.Len(t, a.compared, 2)
			device := a.latest("Device")[0]
			require.Equal(t, []int{7, 0, 0, 0}, []int{device.Published, device.Missing, device.Open, device.Healed})
			require.Equal(t, 3, a.latest("Patient")[0].Healed)
			require.Empty(t, result.Unresolved)
			if !requested {
				require.Empty(t, result.Unresolved)
			}
		})
	}
}

// A window that waits for an operator may do so for days: what it has published is
// counted, what it has not is open, and a requested audit does not wait for it.
func TestRequestedAuditDoesNotWaitForAnOperator(t *testing.T) {
	a := newAuditor(t)
	a.put(start, "Patient", 5, 5)
	a.put(start, "Claim", 2, 0)
	a.put(start.Add(time.Minute), "Patient", 4, 0)
	a.window(start).open, a.window(start).waiting = true, true
	a.window(start.Add(time.Minute)).staysOpen, a.window(start.Add(time.Minute)).waiting = true, true
	in := a.scheduled("Claim", "Device", "Patient")
	in.Span = &cdc.Span{From: start, To: start.Add(5 * time.Minute)}
	result := a.run(start.Add(10*time.Minute), in, nil)
	require.Len(t, a.compared, 2)
	require.Zero(t, a.env.Now().Sub(start.Add(10*time.Minute)).Truncate(time.Second), "it slept")
	require.Equal(t, []int{11, 5, 6, 0, 0}, []int{
		result.Totals.InStore, result.Totals.Published, result.Totals.Open, result.Totals.Missing, result.Totals.Healed,
	})
	require.Equal(t, []cdc.UnresolvedType{
		{Type: "Claim", Reason: cdc.UnresolvedOpen, Open: 2}, {Type: "Patient", Reason: cdc.UnresolvedOpen, Open: 4},
	}, result.Unresolved[0].Types)
}

// A type that an open run does not sweep is not about to be published: it is missing,
// and healed when the run has closed.
func TestAuditHealsWhatAnOpenRunDoesNotSweep(t *testing.T) {
	a := newAuditor(t)
	a.put(start, "Claim", 2, 0)
	a.window(start).open, a.window(start).unswept = true, "Claim"
	first := a.run(start.Add(35*time.Minute), a.scheduled("Claim"), nil)
	require.Empty(t, a.heals)
	require.Equal(t, []cdc.UnresolvedType{{Type: "Claim", Reason: cdc.UnresolvedMissing, Missing: 2}}, first.Unresolved[0].Types)
	a.window(start).open = false
	second := a.run(start.Add(50*time.Minute), a.scheduled("Claim"), &first)
	require.Empty(t, second.Unresolved)
	require.Equal(t, 2, a.latest("Claim")[0].Healed)
}

// A type that was unavailable for long is in no window's ledger: when it can be
// listed again, the windows are run for it.
func TestAuditHealsATypeThatWindowsClosedUnswept(t *testing.T) {
	a := newAuditor(t)
	a.put(start, "Claim", 2, 0)
	a.put(start, "Patient", 2, 2)
	a.unavailable["Claim"] = cdc.ClassForbidden
	first := a.run(start.Add(35*time.Minute), a.scheduled("Claim", "Patient"), nil)
	require.Empty(t, a.heals)
	delete(a.unavailable, "Claim")
	second := a.run(start.Add(50*time.Minute), a.scheduled("Claim", "Patient"), &first)
	require.Empty(t, second.Unresolved)
	require.Equal(t, []cdc.WindowGap{{Start: start, Missing: 2, Types: []string{"Claim"}}}, a.heals[0].Windows)
	require.Equal(t, 2, a.latest("Claim")[0].Healed)
}

// A type that is unavailable after healing has no figures: those of before are not
// true any more.
func TestAuditStatesNothingOfBeforeHealing(t *testing.T) {
	a := newAuditor(t)
	a.put(start, "Patient", 5, 1)
	a.onCompare = func(cdc.AuditSpanInput) {
		if len(a.compared) == 1 {
			a.unavailable["Patient"] = cdc.ClassThrottled
		}
	}
	first := a.run(start.Add(35*time.Minute), a.scheduled("Patient"), nil)
	require.Empty(t, a.latest("Patient"))
	require.Equal(t, cdc.UnresolvedUnavailable, first.Unresolved[0].Types[0].Reason)
	a.onCompare = nil
	delete(a.unavailable, "Patient")
	a.run(start.Add(50*time.Minute), a.scheduled("Patient"), &first)
	require.Equal(t, []int{5, 0}, []int{a.latest("Patient")[0].Published, a.latest("Patient")[0].Missing})
}

// A store that counts more versions than it lists keeps its span unresolved, however
// equal everything else is; entries that cannot be read are stated, and do not.
func TestAuditOfAStoreThatCountsMoreThanItLists(t *testing.T) {
	a := newAuditor(t)
	a.put(start, "Patient", 5, 5)
	a.incomplete["Patient"] = true
	a.invalid["Device"] = 3
	first := a.run(start.Add(35*time.Minute), a.scheduled("Device", "Patient"), nil)
	require.Equal(t, []cdc.UnresolvedType{{Type: "Patient", Reason: cdc.UnresolvedIncomplete}}, first.Unresolved[0].Types)
	require.Equal(t, 5, a.latest("Patient")[0].Published)
	require.Equal(t, 3, a.latest("Device")[0].Unreadable)
	require.Equal(t, 3, first.Totals.Unreadable)
	delete(a.incomplete, "Patient")
	second := a.run(start.Add(50*time.Minute), a.scheduled("Device", "Patient"), &first)
	require.Empty(t, second.Unresolved)
}

// What no readable ledger is of is not stated, and not healed: it may have been
// published. The other types of the span, and the other windows, are.
func TestAuditOfWindowsWhoseLedgersAreGone(t *testing.T) {
	a := newAuditor(t)
	gone := start
	a.put(gone, "Patient", 6, 0)
	a.put(start.Add(time.Minute), "Patient", 4, 1)
	a.put(start.Add(time.Minute), "Device", 2, 0)
	a.window(gone).unreadable = true
	in := a.scheduled("Device", "Patient")
	in.Span = &cdc.Span{From: start, To: start.Add(5 * time.Minute)}
	result := a.run(start.Add(time.Hour), in, nil)
	require.Equal(t, []cdc.UnresolvedType{{Type: "Patient", Reason: cdc.UnresolvedUnknown, Unknown: 6}}, result.Unresolved[0].Types)
	require.Empty(t, a.latest("Patient"))
	require.Equal(t, 2, a.latest("Device")[0].Healed)
	require.Equal(t, []int{6, 0, 5}, []int{result.Totals.Unknown, result.Totals.Missing, result.Totals.Healed})
	for _, heal := range a.heals {
		for _, gap := range heal.Windows {
			require.NotEqual(t, gone, gap.Start)
		}
	}
}
