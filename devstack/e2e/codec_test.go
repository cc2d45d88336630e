package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// Everything that a run with retries, failures, heartbeats, queries, slices, a
// replay, a delete and a terminated window leaves in Temporal is encrypted; the
// same look finds what is not when the codec only compresses.
func TestEveryPayloadIsEncrypted(t *testing.T) {
	t.Parallel()
	t.Run("encrypted", everythingEncrypted)
	t.Run("the check fails when payloads are only compressed", compressedIsFound)
}

func everythingEncrypted(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	eventfulRun(t, r)
}

// eventfulRun runs everything that leaves payloads in Temporal, requires that all
// of them are encrypted, and that every version came once.
func eventfulRun(t *testing.T, r *rig) {
	t.Helper()
	e := newEncryption()
	r.worker(t)
	since := time.Now().Add(-time.Minute)

	// A window with a slice, whose first searches fail, and whose Publish fails in
	// the middle.
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.ServerError, Count: -1}))
	r.AWS.SetFaults(awslocal.Faults{Latency: awslocal.Latency(100 * time.Millisecond)})
	window := r.earlyInWindow(t)
	r.writeMany(t, window, "Patient", "sealed", 1_300)
	r.writeMany(t, window, "Observation", "sealed", 800)
	e.look("pending Hydrate", r.pendingActivity(t, "a Hydrate has failed", window.ID(), failing("Hydrate")))
	r.Simulator.ClearFaults()
	r.publishFailsHalfWay(t, e, window)
	e.look("query", r.query(t, window.ID(), cdc.QueryProgress))
	e.look("query of details", r.query(t, window.ID(), "__temporal_workflow_metadata"))
	r.AWS.SetFaults(awslocal.Faults{})
	r.closed(t, window.ID())

	// A window that is terminated and rerun, a replay, a delete, and a workflow
	// that fails.
	r.terminatedAndRerun(t)
	r.operate(t, "replay", "--name", "sealed-"+r.datastore(), "--since", since.Format(time.RFC3339), "--until", "0s", "--wait")
	patient, err := r.writer.Create(t.Context(), "Patient", []byte(`{"resourceType":"Patient"}`))
	require.NoError(t, err)
	require.NoError(t, r.writer.Delete(t.Context(), "Patient", patient.ID))
	r.invalidInputFails(t)
	r.drained(t)
	complete(t, r.captures())

	e.lookAtAll(t, r)
	require.Empty(t, e.leaks)
	for _, seen := range []string{
		"pending Publish", "query", "query of details", "user metadata", "describe",
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED.String(), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED.String(),
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED.String(), enumspb.EVENT_TYPE_TIMER_STARTED.String(),
		enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED.String(), enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED.String(),
		enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED.String(),
		enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED.String(),
	} {
		require.Positive(t, e.payloads[seen], "the run has no payload of %s", seen)
	}
	for _, seen := range []string{
		"pending Hydrate", "pending Publish",
		enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED.String(), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED.String(),
	} {
		require.Positive(t, e.failures[seen], "the run has no failure of %s", seen)
	}
}

// captures compares what was written with what came, replays left out.
func (r *rig) captures() truth.Report {
	captured := slices.DeleteFunc(r.subscriber.Events(), func(e truth.Event) bool { return e.Meta.Replay != "" })
	return truth.Compare(r.Simulator.WriteLog(r.datastore()), r.Deliveries.All(), captured, r.settings)
}

// publishFailsHalfWay makes the bus reject entries after it has accepted some of a batch,
// until a heartbeat has recorded that.
func (r *rig) publishFailsHalfWay(t *testing.T, e *encryption, window cdc.Window) {
	t.Helper()
	r.received(t, 15)
	r.AWS.SetFaults(awslocal.Faults{FailEntries: 1 << 30, FailEntryCode: "AccessDeniedException"})
	described := r.pendingActivity(t, "a Publish has failed half-way", window.ID(), func(a *workflowpb.PendingActivityInfo) bool {
		return failing("Publish")(a) && a.GetHeartbeatDetails() != nil
	})
	e.look("pending Publish", described)
}

// terminatedAndRerun terminates an open window and reruns it: its ledger is read from
// history.
func (r *rig) terminatedAndRerun(t *testing.T) {
	t.Helper()
	window := r.earlyInWindow(t)
	r.writeMany(t, window, "Observation", "terminated", 3)
	r.opened(t, window.ID())
	require.NoError(t, r.temporal.TerminateWorkflow(t.Context(), window.ID(), "", "to be rerun", "a detail that a person gave"))
	again := r.capture(t, window.Start, "--wait")
	require.Equal(t, window.RerunID(1), again.WorkflowID)
}

// invalidInputFails starts a window with an invalid input, which no retry can fix.
func (r *rig) invalidInputFails(t *testing.T) {
	t.Helper()
	options := client.StartWorkflowOptions{ID: "window/none", TaskQueue: cdc.DefaultTaskQueue, Memo: map[string]any{"note": "sealed as well"}}
	run, err := r.temporal.ExecuteWorkflow(t.Context(), options, cdc.WorkflowCaptureWindow, cdc.CaptureWindowInput{})
	require.NoError(t, err)
	require.ErrorContains(t, run.Get(t.Context(), nil), string(cdc.ClassInvalidInput))
}

func compressedIsFound(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Plaintext: true}, fewTypes)
	r.worker(t)
	_, err := r.writer.Create(t.Context(), "Patient", []byte(`{"resourceType":"Patient"}`))
	require.NoError(t, err)
	complete(t, r.drained(t))
	r.invalidInputFails(t)

	e := newEncryption()
	e.lookAtAll(t, r)
	seen := 0
	for _, n := range e.payloads {
		seen += n
	}
	require.Positive(t, seen)
	require.Positive(t, e.failures[enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED.String()])
	require.Len(t, e.leaks, seen, "every payload is a leak; the failures are encoded, and so are found by their payloads")
}
