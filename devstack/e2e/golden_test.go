package e2e

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

var record = flag.Bool("record", false, "let TestRecordHistories record the histories that workflows/replay_test.go replays")

// TestRecordHistories runs each course that a workflow can take and records its
// history. Run it when a change of the workflows is meant to break replay:
//
//	go test ./devstack/e2e -run TestRecordHistories -record
func TestRecordHistories(t *testing.T) {
	if !*record {
		t.Skip("histories are recorded with -record only")
	}
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	r.silenced(t)
	r.worker(t)
	c := newRecorder(t, r)
	recordWindows(t, r, c)
	recordSlices(t, r, c)
	recordDelete(t, r, c)
	r.drained(t)
}

// recordWindows records windows without slices.
func recordWindows(t *testing.T, r *rig, c *recorder) {
	plain := r.earlyInWindow(t)
	r.writeMany(t, plain, "Patient", "plain", 30)
	r.capture(t, plain.Start)
	r.closed(t, plain.ID())
	c.record(t, "window-plain", plain.ID())

	rerun := r.capture(t, plain.Start, "--wait")
	require.Equal(t, plain.RerunID(1), rerun.WorkflowID)
	c.record(t, "window-rerun", rerun.WorkflowID)

	late := r.earlyInWindow(t)
	r.writeMany(t, late, "Observation", "late", 30)
	until(t, "every pass of the window is due", func(context.Context) bool {
		return time.Since(late.End()) >= 7*time.Second
	})
	r.capture(t, late.Start, "--wait")
	c.record(t, "window-late-passes-collapsed", late.ID())

	// Written in the window's first 3 s and found 3 to 6 s after its end: by the
	// last of the configured passes only.
	r.Simulator.SetSearchLag(simulator.FixedLag(12600 * time.Millisecond))
	extra := r.earlyInWindow(t)
	r.writeMany(t, extra, "Condition", "extra", 5)
	r.Simulator.SetSearchLag(nil)
	r.capture(t, extra.Start, "--wait")
	require.Greater(t, r.result(t, extra.ID()).Counts.Passes, 6, "three types, two passes, and one more")
	c.record(t, "window-extra-pass", extra.ID())

	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.Forbid, Type: "Observation", Count: 2}))
	refused := r.earlyInWindow(t)
	r.writeMany(t, refused, "Observation", "refused", 5)
	r.writeMany(t, refused, "Patient", "beside-refused", 5)
	r.capture(t, refused.Start, "--wait")
	require.Empty(t, r.Simulator.Faults())
	c.record(t, "window-type-unavailable", refused.ID())
}

// recordSlices records a window that overflows into slices: the first reads
// whole pages, that of the later pass lists ids.
func recordSlices(t *testing.T, r *rig, c *recorder) {
	window := r.earlyInWindow(t)
	r.writeMany(t, window, "Patient", "slice", 1_400)
	r.capture(t, window.Start)
	r.closed(t, window.ID())
	require.Equal(t, 1_400, r.result(t, window.ID()).Ledger.Published())
	c.record(t, "window-with-slices", window.ID())
	c.record(t, "slice-pages", cdc.SliceID(window.ID(), "Patient", window.Start, 1))
	c.record(t, "slice-confirm", cdc.SliceID(window.ID(), "Patient", window.Start, 2))

	// One that an operator terminates in the middle, and its rerun, which reads
	// the ledger of window and slice from their histories.
	broken := r.earlyInWindow(t)
	r.writeMany(t, broken, "Observation", "broken", 1_400)
	slice := cdc.SliceID(broken.ID(), "Observation", broken.Start, 1)
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.ServerError, Type: "Patient", Count: -1}))
	r.capture(t, broken.Start)
	r.closed(t, slice)
	require.NoError(t, r.temporal.TerminateWorkflow(t.Context(), broken.ID(), "", "to record a rerun"))
	r.Simulator.ClearFaults()
	r.reaches(t, broken.ID(), enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED)
	c.record(t, "window-terminated", broken.ID())
	rerun := r.capture(t, broken.Start, "--wait")
	require.Zero(t, *rerun.Published, "the ledger was read from history")
	c.record(t, "window-rerun-with-slices", rerun.WorkflowID)
}

// recordDelete records the publishing of a delete that its record reports.
func recordDelete(t *testing.T, r *rig, c *recorder) {
	patient, err := r.writer.Create(t.Context(), "Patient", []byte(`{"resourceType":"Patient"}`))
	require.NoError(t, err)
	require.NoError(t, r.Simulator.SetTrail(simulator.Trail{Sink: r.Sink()}))
	require.NoError(t, r.writer.Delete(t.Context(), "Patient", patient.ID))
	var id string
	eventually(t, "the delete is published", func(ctx context.Context) error {
		found, err := r.executions(ctx, "WorkflowType = 'PublishDelete' AND ExecutionStatus = 'Completed'")
		if err != nil || len(found) != 1 {
			return errNotYet
		}
		id = found[0].GetExecution().GetWorkflowId()
		return nil
	})
	c.record(t, "publish-delete", id)
}
