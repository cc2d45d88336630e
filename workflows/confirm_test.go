package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

func TestLaterPassesAskForIDsAndReadOnlyWhatTheLedgerLacks(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 250, start.Add(time.Second), 300)
	for _, id := range []string{"new-1", "new-2"} {
		w.store.Write("Patient", id, start.Add(2*time.Second), 40*time.Second, 300)
	}
	var bodies []int
	watchResults(w, &bodies)
	result := w.capture("Patient", "Observation")

	for _, c := range w.store.Made("search", "Patient") {
		require.Equal(t, !c.At.Equal(end(10*time.Second)), c.IDsOnly, "every page of a later pass asks for ids only")
	}
	for _, c := range w.store.Made("search", "Observation") {
		require.False(t, c.IDsOnly, "nothing is known of the type: its bodies come with the page")
	}
	var read []string
	for _, c := range w.store.Made("read", "Patient") {
		require.Equal(t, end(60*time.Second), c.At)
		read = append(read, c.ID)
	}
	require.ElementsMatch(t, []string{"new-1", "new-2"}, read)
	require.Equal(t, []int{250 * 300, 600, 0}, bodies, "known bodies are never carried again")
	require.Equal(t, 2, result.Counts.Reads)
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Observation")
}

func TestVersionReplacedBetweenListAndRead(t *testing.T) {
	for name, history := range map[string]bool{"read from history": true, "left out": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.store.Fail = func(c healthlaketest.Call) error {
				if c.Op == "vread" && !history {
					return &cdc.Error{Op: "GET {Type}/{id}/_history/{version}", Class: cdc.ClassNotFound, Status: 404}
				}
				return nil
			}
			w.store.Write("Patient", "known", start.Add(time.Second), 0, 300)
			listed := w.store.Write("Patient", "p1", start.Add(2*time.Second), 40*time.Second, 300)
			replaced := false
			w.store.Before = func(c healthlaketest.Call) {
				if c.Op == "read" && c.ID == "p1" && !replaced {
					replaced = true
					w.store.Write("Patient", "p1", w.now(), time.Second, 300)
				}
			}
			result := w.capture("Patient")
			require.True(t, replaced)
			require.Len(t, w.store.Made("vread", "Patient"), 1)
			want := 0
			if history {
				want = 1
			}
			require.Len(t, w.bus.acceptedAt(listed.Version), want)
			w.requireExactlyOnce(func(v healthlaketest.Stored) bool { return history || v.ID == "known" })
			w.requireLedger(result.Ledger, "Patient")
		})
	}
}

func TestReadThatFailsIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.store.Write("Patient", "known", start.Add(time.Second), 0, 300)
	for _, id := range []string{"a", "b", "c"} {
		w.store.Write("Patient", id, start.Add(2*time.Second), 40*time.Second, 300)
	}
	failures := map[string]int{"a": 1, "b": 2}
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Op == "read" && failures[c.ID] > 0 {
			failures[c.ID]--
			return lasting(cdc.ClassUnavailable, 500)
		}
		return nil
	}
	w.capture("Patient", "Observation")
	require.Equal(t, map[string]int{"a": 0, "b": 0}, failures)
	require.Len(t, w.store.FirstPages("Observation"), 2)
	w.requireExactlyOnce(all)
}

func TestEmptyTypeIsNamedInTheLedger(t *testing.T) {
	w := newWorld(t)
	result := w.capture("Patient", "Observation")
	require.True(t, result.Ledger.Swept("Patient"))
	require.True(t, result.Ledger.Swept("Observation"))
	require.False(t, result.Ledger.Swept("Claim"))
	require.Zero(t, result.Ledger.Published())
}
