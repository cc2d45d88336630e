package workflows_test

import (
	"slices"
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
	started, _ := watchSlices(w)
	for i := range 10 {
		w.store.Fill("Patient", 270, start.Add(time.Duration(i)*time.Second), 300)
	}
	w.store.Write("Observation", "o1", start.Add(time.Second), 0, 300)
	result := w.capture("Patient", "Observation")
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Observation")

	parts := slicesOf(*started)
	covered := start
	for _, part := range parts[:5] {
		require.Equal(t, cdc.Span{From: covered, To: covered.Add(2 * time.Second)}, part.Span)
		require.Empty(t, part.Next)
		covered = part.Span.To
	}
	require.Equal(t, w.window.End(), covered)
	require.Len(t, parts, 6, "one more confirms all of them")
	require.Equal(t, w.window.Span(), parts[5].Span)
}

// slicesOf has the slices that read bodies first, in the order of their spans: slices that
// are started together start in any order.
func slicesOf(all []cdc.CaptureSliceInput) []cdc.CaptureSliceInput {
	return slices.SortedStableFunc(slices.Values(all), func(a, b cdc.CaptureSliceInput) int {
		if a.Confirm != b.Confirm {
			if a.Confirm {
				return 1
			}
			return -1
		}
		return a.Span.From.Compare(b.Span.From)
	})
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
