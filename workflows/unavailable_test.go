package workflows_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

// backoffs are the moments of n tries, the first at from: 5 s, doubled up to 15
// minutes.
func backoffs(from time.Time, n int) []time.Time {
	at := []time.Time{from}
	for delay := 5 * time.Second; len(at) < n; delay = min(2*delay, 15*time.Minute) {
		at = append(at, at[len(at)-1].Add(delay))
	}
	return at
}

func TestUnavailableTypeHoldsUpNoOther(t *testing.T) {
	for name, failure := range map[string]error{
		"forbidden":   &cdc.Error{Op: "GET {Type}", Class: cdc.ClassForbidden, Status: 403},
		"rejected":    &cdc.Error{Op: "GET {Type}", Class: cdc.ClassInvalidRequest, Status: 400},
		"unavailable": lasting(cdc.ClassUnavailable, 500),
		"throttled":   lasting(cdc.ClassThrottled, 429),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tries := backoffs(end(10*time.Second), 12)
			healed := tries[len(tries)-1]
			w.store.Fail = func(c healthlaketest.Call) error {
				if c.Type == "Claim" && c.At.Before(healed) {
					return failure
				}
				return nil
			}
			claim := w.store.Write("Claim", "c1", start.Add(time.Second), 0, 500)
			patient := w.store.Write("Patient", "p1", start.Add(time.Second), 0, 500)
			slow := w.store.Write("Patient", "p2", start.Add(time.Second), 30*time.Second, 500)
			result := w.capture("Claim", "Patient", "Observation")

			onTime := []time.Time{end(10 * time.Second), end(60 * time.Second)}
			require.Equal(t, onTime, w.store.FirstPages("Observation"))
			require.Equal(t, append(slices.Clone(onTime), end(180*time.Second)), w.store.FirstPages("Patient"))
			require.Equal(t, []time.Time{end(10 * time.Second)}, w.bus.acceptedAt(patient.Version))
			require.Equal(t, []time.Time{end(60 * time.Second)}, w.bus.acceptedAt(slow.Version))
			require.Equal(t, tries, w.store.FirstPages("Claim")[:len(tries)])
			require.Equal(t, []time.Time{healed}, w.bus.acceptedAt(claim.Version))
			require.Equal(t, []time.Time{healed, healed.Add(2 * time.Minute)}, w.store.FirstPages("Claim")[len(tries)-1:],
				"the sweep that succeeds serves both passes, and one follows for it found something")
			w.requireExactlyOnce(all)
			w.requireLedger(result.Ledger, "Claim", "Patient", "Observation")
		})
	}
}

func TestTypeUnavailableForLongKeepsTheWindowOpen(t *testing.T) {
	w := newWorld(t)
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Type == "Claim" {
			return &cdc.Error{Op: "GET {Type}", Class: cdc.ClassForbidden, Status: 403}
		}
		return nil
	}
	w.when(end(24*time.Hour), func() {
		require.False(t, w.env.IsWorkflowCompleted())
		value, err := w.env.QueryWorkflow(cdc.QueryProgress)
		require.NoError(t, err)
		var progress cdc.Progress
		require.NoError(t, value.Get(&progress))
		require.Equal(t, []cdc.Wait{{Type: "Claim", Class: cdc.ClassForbidden}}, progress.Failing)
		w.env.CancelWorkflow()
	})
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureWindow, w.input("Claim", "Patient"))
	require.Error(t, w.env.GetWorkflowError())
	require.Len(t, w.store.FirstPages("Patient"), 2)
	tries := w.store.FirstPages("Claim")
	require.Equal(t, backoffs(end(10*time.Second), len(tries)), tries)
	require.Greater(t, len(tries), 90, "a try every 15 minutes")
}

func TestRetryAfterIsHonoured(t *testing.T) {
	w := newWorld(t)
	healed := false
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Type == "Claim" && !healed {
			healed = true
			return &cdc.Error{Op: "GET {Type}", Class: cdc.ClassThrottled, Status: 429, RetryAfter: 40 * time.Second}
		}
		return nil
	}
	w.capture("Claim", "Patient")
	require.Equal(t, []time.Time{end(10 * time.Second), end(50 * time.Second), end(60 * time.Second)}, w.store.FirstPages("Claim"))
}

// When no type can be read the activity fails, and Temporal's retries do the
// waiting: no timer of the workflow's, no history that grows with the outage.
func TestStoreThatIsDownIsTheActivitysToRetry(t *testing.T) {
	w := newWorld(t)
	up := end(5 * time.Minute) // the environment gives up after ten attempts
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.At.Before(up) {
			return lasting(cdc.ClassUnavailable, 503)
		}
		return nil
	}
	timers := 0
	w.env.SetOnTimerScheduledListener(func(string, time.Duration) { timers++ })
	w.store.Write("Patient", "p1", start.Add(time.Second), 0, 500)
	result := w.capture("Patient", "Observation")

	require.LessOrEqual(t, timers, 2, "the wait after a first pass, and the extra pass")
	tries := w.store.FirstPages("Observation")
	require.GreaterOrEqual(t, len(tries), 10)
	for i := 1; i < 10; i++ {
		want := max(time.Second<<(i-1), 3*time.Second)
		require.Equal(t, want, tries[i].Sub(tries[i-1]), "retries double from 1 s; what the store asks for counts while it is longer")
	}
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Observation")
}

func TestRejectedPageTokenStartsThePagesAgain(t *testing.T) {
	for _, totals := range []bool{true, false} {
		t.Run(fmt.Sprintf("totals %v", totals), func(t *testing.T) {
			w := newWorld(t)
			w.store.Totals = totals
			w.store.Fill("Patient", 450, start.Add(time.Second), 300)
			failures := 3
			w.store.Fail = func(c healthlaketest.Call) error {
				if c.Further && failures > 0 && len(w.store.Calls)%3 == 0 {
					failures--
					return &cdc.Error{Op: "GET {Type}?page", Class: cdc.ClassPageTokenRejected, Status: 400}
				}
				return nil
			}
			result := w.capture("Patient")
			require.Zero(t, failures)
			w.requireExactlyOnce(all)
			w.requireLedger(result.Ledger, "Patient")
		})
	}
}

func TestPageTokenThatIsAlwaysRejectedBacksOff(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 150, start.Add(time.Second), 300)
	healed := end(30 * time.Minute)
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Further && c.At.Before(healed) {
			return &cdc.Error{Op: "GET {Type}?page", Class: cdc.ClassPageTokenRejected, Status: 400}
		}
		return nil
	}
	w.capture("Patient")
	require.Less(t, len(w.store.Made("search", "Patient")), 40, "the pages do not start again in a tight loop")
	w.requireExactlyOnce(all)
}

func TestUnavailableFurtherPageGoesOnThere(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 350, start.Add(time.Second), 300)
	failures := 2
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Further && failures > 0 {
			failures--
			return lasting(cdc.ClassUnavailable, 500)
		}
		return nil
	}
	w.capture("Patient", "Observation")
	first := w.store.FirstPages("Patient")
	require.Equal(t, []time.Time{end(10 * time.Second), end(60 * time.Second)}, first[:2], "the first page is not read again")
	w.requireExactlyOnce(all)
}
