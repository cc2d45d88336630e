package audit

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// What an open window has published counts as published: the window may be open for
// the last pass only, or because it waits for an operator.
func TestAuditSpanOfAnOpenWindowThatHasPublished(t *testing.T) {
	store, e := newStore(t), newEngine()
	window := cdc.WindowAt(testStore, auditStart)
	var batch cdc.PublishInput
	for i := range 50 {
		batch.Changes = append(batch.Changes, cdc.Change{Version: store.write("Patient", fmt.Sprint("p", i), auditStart)})
	}
	store.write("Patient", "late", auditStart)
	store.write("Claim", "not swept", auditStart)
	h := temporaltest.Started(cdc.CaptureWindowInput{Window: window, Salt: salt, Types: []string{"Patient", "Device"}}).
		Activity("Publish", batch, allAccepted(batch))
	e.Executions[window.ID()] = temporaltest.Execution{Status: temporaltest.Running, Events: h.Events, Waits: true}
	in := cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Claim", "Device", "Patient"}}
	result := audited(t, auditor(t, store, e), in)
	figures := func(n int) []int {
		a := result.Types[n]
		return []int{a.InStore, a.Published, a.Missing, a.Open, a.OpenWindows}
	}
	require.Equal(t, []int{1, 0, 1, 0, 0}, figures(0), "of a type that the run does not sweep, nothing is about to be published")
	require.Equal(t, []int{0, 0, 0, 0, 1}, figures(1))
	require.Equal(t, []int{51, 50, 0, 1, 1}, figures(2))
	require.Equal(t, []cdc.WindowGap{{Start: auditStart, Open: true, Waiting: true, Missing: 1, Types: []string{"Claim"}}}, result.Windows)

	// It closes without having swept Patient to the end: what it lacks is missing, and
	// the type is one to run the window for.
	e.closedWith(auditStart, 0, publishedLedger())
	result = audited(t, auditor(t, store, e), in)
	require.Equal(t, []int{51, 0, 51, 0, 0}, figures(2))
	require.Equal(t, []cdc.WindowGap{{Start: auditStart, Missing: 52, Types: []string{"Claim", "Patient"}}}, result.Windows)
}

// A version that search hides is published by an open run only that was given it.
func TestAuditSpanOfAHiddenVersionInAnOpenWindow(t *testing.T) {
	for _, given := range []bool{false, true} {
		store, e := newStore(t), newEngine()
		window := cdc.WindowAt(testStore, auditStart)
		hidden := store.write("Patient", "p", auditStart)
		store.write("Patient", "p", auditStart.Add(cdc.WindowWidth))
		opened := cdc.CaptureWindowInput{Window: window, Salt: salt, Types: []string{"Patient"}}
		if given {
			opened.Wanted = []cdc.Version{hidden}
		}
		e.Executions[window.ID()] = temporaltest.Execution{Status: temporaltest.Running, Events: temporaltest.Started(opened).Events}
		result := audited(t, auditor(t, store, e), cdc.AuditSpanInput{Span: spanOf(2), Types: []string{"Patient"}, Versions: cdc.VersionsAll})
		if given {
			require.Equal(t, []int{1, 1}, []int{result.Types[0].Missing, result.Types[0].Open})
		} else {
			require.Equal(t, []int{2, 0}, []int{result.Types[0].Missing, result.Types[0].Open})
			require.Equal(t, []cdc.Version{hidden}, result.Windows[0].Wanted)
		}
	}
}

// A window publishes while its types are audited one after the other: the figures of
// a type are of one moment, and those of types that are done stay as they were.
func TestAuditSpanOfAWindowThatPublishesMeanwhile(t *testing.T) {
	store, e := newStore(t), newEngine()
	window := cdc.WindowAt(testStore, auditStart)
	first := store.write("Device", "d", auditStart)
	second := store.write("Patient", "p", auditStart)
	in := cdc.PublishInput{Changes: []cdc.Change{{Version: first}, {Version: second}}}
	open := temporaltest.Started(cdc.CaptureWindowInput{Window: window, Salt: salt, Types: []string{"Device", "Patient"}})
	e.Executions[window.ID()] = temporaltest.Execution{Status: temporaltest.Running, Events: open.Events}
	store.Before = func(c healthlaketest.Call) {
		if c.Type == "Patient" {
			e.Executions[window.ID()] = temporaltest.Execution{Status: temporaltest.Running, Events: open.Activity("Publish", in, allAccepted(in)).Events}
		}
	}
	result := audited(t, auditor(t, store, e), cdc.AuditSpanInput{Span: spanOf(1), Types: []string{"Device", "Patient"}})
	device, patient := result.Types[0], result.Types[1]
	require.Equal(t, []int{1, 0, 1, 0}, []int{device.InStore, device.Published, device.Open, device.Superseded})
	require.LessOrEqual(t, patient.Open+patient.Published, 1)
	require.Zero(t, patient.Missing+patient.Superseded)
}

// Versions of before the span that history shows are told only where their window's
// ledger is within the horizon.
func TestAuditSpanLooksBeforeTheSpanWithinTheHorizonOnly(t *testing.T) {
	store, e := newStore(t), newEngine()
	old := store.write("Patient", "p", auditStart)
	recent := store.write("Patient", "p", auditStart.Add(2*cdc.WindowWidth))
	store.write("Patient", "p", auditStart.Add(4*cdc.WindowWidth))
	span := cdc.Span{From: auditStart.Add(4 * cdc.WindowWidth), To: auditStart.Add(5 * cdc.WindowWidth)}
	in := cdc.AuditSpanInput{Span: span, Types: []string{"Patient"}, Versions: cdc.VersionsAll}
	in.Since = map[string]time.Time{"Patient": auditStart}
	require.Equal(t, []cdc.Version{old, recent}, audited(t, auditor(t, store, e), in).Earlier)
	in.Horizon = time.Since(auditStart) - cdc.WindowWidth - cdc.ExpiryGrace
	require.Equal(t, []cdc.Version{recent}, audited(t, auditor(t, store, e), in).Earlier)
}
