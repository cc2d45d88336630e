package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// rerun prepares run n of the window, an hour later.
func (w *world) rerun(n int, types ...string) cdc.CaptureWindowInput {
	w.renew(end(time.Hour))
	w.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: w.window.RerunID(n), TaskQueue: cdc.DefaultTaskQueue})
	in := w.input(types...)
	in.Rerun = n
	return in
}

func TestRerunReadsTheLedgerAndMakesOnePass(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 120, start.Add(time.Second), 300)
	missed := w.store.Write("Patient", "missed", start.Add(time.Second), 30*time.Minute, 300)
	w.store.Write("Observation", "also", start.Add(time.Second), 30*time.Minute, 300)
	first := w.capture("Patient", "Observation")
	require.Equal(t, 120, first.Ledger.Published())
	w.runs.Executions[w.window.ID()] = temporaltest.Execution{Status: temporaltest.Completed, Result: first}
	asked := len(w.store.FirstPages("Patient"))

	second := w.run(w.rerun(1, "Patient", "Observation"))
	require.Equal(t, []string{w.window.ID()}, w.runs.described)
	require.Equal(t, []time.Time{end(time.Hour)}, w.store.FirstPages("Patient")[asked:], "one pass, at once")
	require.Equal(t, end(time.Hour), w.now())
	require.Equal(t, []time.Time{end(time.Hour)}, w.bus.acceptedAt(missed.Version))
	require.Len(t, w.store.Made("read", "Patient"), 1, "only the missing body is read")
	require.Equal(t, 2, second.Counts.Published)
	require.Equal(t, 122, second.Ledger.Published(), "the ledger of the runs before is in it")
	for _, p := range w.bus.accepted[120:] {
		require.Equal(t, w.window.RerunID(1), p.Meta.Correlation)
	}
	w.requireExactlyOnce(all)

	w.runs.Executions[w.window.RerunID(1)] = temporaltest.Execution{Status: temporaltest.Completed, Result: second}
	third := w.run(w.rerun(2, "Patient", "Observation"))
	require.Zero(t, third.Counts.Published)
	require.Equal(t, 122, third.Ledger.Published())
	w.requireExactlyOnce(all)
}

func TestRerunOfAnUnreadableLedgerPublishesNothing(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 5, start.Add(time.Second), 300)
	in := w.rerun(1, "Patient")
	tries := backoffs(w.now(), 100)
	w.when(tries[99].Add(time.Second), func() {
		require.Equal(t, []cdc.Wait{{Class: cdc.ClassLedgerUnreadable, Ledger: true}}, w.progress().Failing)
		w.env.CancelWorkflow()
	})
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureWindow, in)
	require.Error(t, w.env.GetWorkflowError())
	require.Len(t, w.runs.described, len(tries), "it is tried every 15 minutes")
	require.Empty(t, w.bus.keys())
	require.Empty(t, w.store.Calls)
}

func TestRerunWaitsForTheRunBeforeToClose(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 5, start.Add(time.Second), 300)
	first := w.capture("Patient")
	w.runs.Executions[w.window.ID()] = temporaltest.Execution{Status: temporaltest.Running}
	in := w.rerun(1, "Patient")
	w.when(w.now().Add(time.Minute), func() {
		w.runs.Executions[w.window.ID()] = temporaltest.Execution{Status: temporaltest.Completed, Result: first}
	})
	result := w.run(in)
	require.Zero(t, result.Counts.Published)
	require.GreaterOrEqual(t, w.now(), end(time.Hour+time.Minute))
	w.requireExactlyOnce(all)
}
