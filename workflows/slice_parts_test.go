package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

// A type with thousands of versions in one window is read in parts of it, side by side:
// together they are the window, and what lies on an edge is published once.
func TestHeavyTypeIsReadInParts(t *testing.T) {
	w := newWorld(t)
	slices, _ := watchSlices(w)
	for i := range 10 {
		w.store.Fill("Patient", 270, start.Add(time.Duration(i)*time.Second), 300)
	}
	w.store.Write("Observation", "o1", start.Add(time.Second), 0, 300)
	result := w.capture("Patient", "Observation")
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Observation")

	covered := start
	for _, part := range (*slices)[:5] {
		require.Equal(t, cdc.Span{From: covered, To: covered.Add(2 * time.Second)}, part.Span)
		require.Empty(t, part.Next)
		covered = part.Span.To
	}
	require.Equal(t, w.window.End(), covered)
	require.Len(t, *slices, 6, "one more confirms all of them")
	require.Equal(t, w.window.Span(), (*slices)[5].Span)
}

// One part that cannot be read for long keeps its type's next pass waiting, and nothing
// else.
func TestPartThatCannotBeReadIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		w.store.Fill("Patient", 270, start.Add(time.Duration(i)*time.Second), 300)
	}
	w.store.Write("Observation", "o1", start.Add(time.Second), 30*time.Second, 300)
	over, part := end(5*time.Minute), start.Add(4*time.Second)
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.At.Before(over) && c.Span.From.Equal(part) {
			return lasting(cdc.ClassUnavailable, 503)
		}
		return nil
	}
	result := w.capture("Patient", "Observation")
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Observation")
	require.Equal(t, end(60*time.Second), w.store.FirstPages("Observation")[1])
}
