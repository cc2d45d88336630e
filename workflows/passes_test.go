package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

func TestPassesRunOnTime(t *testing.T) {
	w := newWorld(t)
	first := w.store.Write("Patient", "p1", start.Add(time.Second), 5*time.Second, 500)
	result := w.capture("Patient", "Observation")

	require.Equal(t, []time.Time{end(10 * time.Second), end(60 * time.Second)}, w.store.FirstPages("Patient"))
	require.Equal(t, []time.Time{end(10 * time.Second), end(60 * time.Second)}, w.store.FirstPages("Observation"))
	require.Equal(t, []time.Time{end(10 * time.Second)}, w.bus.acceptedAt(first.Version))
	require.Equal(t, end(60*time.Second), w.now(), "nothing new in the last pass: the window closes")
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Observation")
	require.Equal(t, cdc.Counts{Searches: 4, Published: 1, Passes: 4}, result.Counts)
}

func TestLagLongerThanTheFirstPass(t *testing.T) {
	w := newWorld(t)
	slow := w.store.Write("Patient", "slow", start.Add(time.Second), 40*time.Second, 500)
	w.capture("Patient")
	require.Equal(t, []time.Time{end(60 * time.Second)}, w.bus.acceptedAt(slow.Version))
	require.Equal(t, []time.Time{end(10 * time.Second), end(60 * time.Second), end(180 * time.Second)}, w.store.FirstPages("Patient"))
	w.requireExactlyOnce(all)
}

func TestLateTriggerIsServedAtOnceByOneSweep(t *testing.T) {
	opened := end(10 * time.Minute)
	w := newWorldAt(t, opened)
	v := w.store.Write("Patient", "p1", start.Add(time.Second), 5*time.Second, 500)
	w.capture("Patient", "Observation")

	require.Equal(t, []time.Time{opened}, w.bus.acceptedAt(v.Version))
	require.Equal(t, []time.Time{opened, opened.Add(2 * time.Minute)}, w.store.FirstPages("Patient"),
		"one sweep for both passes, and one more for it found something")
	require.Equal(t, []time.Time{opened}, w.store.FirstPages("Observation"))
}

func TestClockSkewMakesAPassNotCount(t *testing.T) {
	w := newWorld(t)
	// The store's clock is 15 s behind: at end+10 s it says end-5 s.
	w.store.Clock = -15 * time.Second
	early := w.store.Write("Patient", "early", start.Add(time.Second), 0, 500)
	late := w.store.Write("Patient", "late", start.Add(9*time.Second), 14*time.Second, 500)
	result := w.capture("Patient", "Observation")

	want := []time.Time{end(10 * time.Second), end(16 * time.Second), end(60 * time.Second)}
	require.Equal(t, want, w.store.FirstPages("Patient"), "again when the store's clock has passed the end")
	require.Equal(t, want, w.store.FirstPages("Observation"))
	require.Equal(t, []time.Time{end(10 * time.Second)}, w.bus.acceptedAt(early.Version), "what came is published all the same")
	require.Equal(t, []time.Time{end(16 * time.Second)}, w.bus.acceptedAt(late.Version))
	require.Equal(t, 4, result.Counts.Passes)
	w.requireExactlyOnce(all)
}

func TestClockSkewRestartsFurtherPages(t *testing.T) {
	w := newWorld(t)
	w.store.Clock = -15 * time.Second
	w.store.Fill("Patient", 1_500, start.Add(time.Second), 300)
	result := w.capture("Patient")
	require.Equal(t, end(16*time.Second), w.store.FirstPages("Patient")[1])
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient")
}

func TestReplacedVersionIsHiddenAndNewestPublished(t *testing.T) {
	w := newWorld(t)
	// Version 2 is written before the first pass and searchable after it: the
	// first pass sees neither.
	w.store.Write("Patient", "p1", start.Add(time.Second), time.Second, 500)
	second := w.store.Write("Patient", "p1", start.Add(4*time.Second), 30*time.Second, 500)
	w.capture("Patient")
	require.Equal(t, []time.Time{end(60 * time.Second)}, w.bus.acceptedAt(second.Version))
	w.requireExactlyOnce(func(v healthlaketest.Stored) bool { return v.VersionID == "2" })
}

func TestVersionsOutsideTheMarginAreLeftOut(t *testing.T) {
	w := newWorld(t)
	for i, at := range []time.Duration{-time.Millisecond, 0, 9999 * time.Millisecond, 10 * time.Second} {
		w.store.Write("Patient", string(rune('a'+i)), start.Add(at), 0, 500)
	}
	w.capture("Patient")
	require.Len(t, w.bus.keys(), 2, "the store gave four, two lie in [start, end)")
	w.requireExactlyOnce(all)
}

func TestInvalidInputFailsAtOnce(t *testing.T) {
	for name, spoil := range map[string]func(*cdc.CaptureWindowInput){
		"not aligned": func(in *cdc.CaptureWindowInput) { in.Window.Start = start.Add(time.Second) },
		"no types":    func(in *cdc.CaptureWindowInput) { in.Types = nil },
		"no passes":   func(in *cdc.CaptureWindowInput) { in.Passes = nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			in := w.input("Patient")
			spoil(&in)
			w.env.ExecuteWorkflow(cdc.WorkflowCaptureWindow, in)
			require.ErrorContains(t, w.env.GetWorkflowError(), string(cdc.ClassInvalidInput))
		})
	}
}
