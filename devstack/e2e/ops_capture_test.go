package e2e

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// starter capture opens a window, joins an open one, and reruns a closed one,
// which publishes nothing twice.
func TestCaptureByHand(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	r.silenced(t)
	window := r.earlyInWindow(t)
	r.writeMany(t, window, "Patient", "by-hand", 20)

	// Without a worker the window stays open, whatever the machine's speed.
	require.Equal(t, captured{WorkflowID: window.ID(), Started: true}, r.capture(t, window.Start))
	require.Equal(t, captured{WorkflowID: window.ID()}, r.capture(t, window.Start.Add(time.Millisecond)), "the same window, open")
	r.worker(t)
	r.closed(t, window.ID())
	complete(t, r.drained(t))

	rerun := r.capture(t, window.Start, "--wait")
	require.Equal(t, window.RerunID(1), rerun.WorkflowID)
	require.True(t, rerun.Started)
	require.Zero(t, *rerun.Published, "nothing was missing")
	require.Equal(t, 20, r.result(t, rerun.WorkflowID).Ledger.Published(), "its ledger holds that of the run before")

	r.twoAtOnce(t, window)
	report := r.drained(t)
	complete(t, report)
	require.Equal(t, 20, report.Total.Published)
}

// twoAtOnce lets two operators rerun a closed window at once: one wins. The store
// fails meanwhile, so that the winner's run stays open for both to see.
func (r *rig) twoAtOnce(t *testing.T, window cdc.Window) {
	t.Helper()
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.ServerError, Count: -1}))
	printed := make([]printed, 2)
	var group sync.WaitGroup
	for i := range printed {
		group.Go(func() {
			printed[i] = runProgram(t, t.Context(), "starter", r.environment(), nil,
				"capture", "--json", "--at", window.Start.Format(time.RFC3339))
		})
	}
	group.Wait()
	both := [2]captured{onlyOne[captured](t, printed[0].stdout), onlyOne[captured](t, printed[1].stdout)}
	r.Simulator.ClearFaults()
	require.Equal(t, window.RerunID(2), both[0].WorkflowID)
	require.Equal(t, window.RerunID(2), both[1].WorkflowID)
	require.NotEqual(t, both[0].Started, both[1].Started, "one of the two opened it")
	r.closed(t, window.RerunID(2))
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED, r.status(t.Context(), window.RerunID(3)))
}

// A window that an operator terminates in the middle of a slice: the rerun
// rebuilds its ledger from history, publishes what is missing, and repeats
// nothing of what the history says was published.
func TestTerminatedWindowIsRerun(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, "CDC_SEARCH_RATE=20")
	r.silenced(t)
	worker := r.worker(t)
	const versions = 3_000
	window := r.earlyInWindow(t)
	r.writeMany(t, window, "Patient", "terminated", versions)
	r.capture(t, window.Start)

	slice := cdc.SliceID(window.ID(), "Patient", window.Start, 1)
	r.received(t, 300)
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.ServerError, Count: -1}))
	r.pendingActivity(t, "the slice's next page fails", slice, failing("HydratePage"))
	r.publishesNothing(t, slice)
	require.NoError(t, r.temporal.TerminateWorkflow(t.Context(), window.ID(), "", "a test"))
	r.reaches(t, slice, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED)
	before, _ := r.subscriber.Len()
	require.Less(t, before, versions)

	// A rerun that is terminated before a worker has seen it leaves no ledger of
	// its own: the next one goes on with that of the first run.
	_, err := worker.Stop(t.Context())
	require.NoError(t, err)
	require.Equal(t, window.RerunID(1), r.capture(t, window.Start).WorkflowID)
	require.NoError(t, r.temporal.TerminateWorkflow(t.Context(), window.RerunID(1), "", "a test"))
	r.Simulator.ClearFaults()
	r.worker(t)
	rerun := r.capture(t, window.Start, "--wait")
	require.Equal(t, window.RerunID(2), rerun.WorkflowID)

	report := r.drained(t)
	complete(t, report)
	require.Equal(t, versions, report.Total.Published)
	require.Equal(t, versions-before, *rerun.Published)
	require.Equal(t, versions, r.result(t, rerun.WorkflowID).Ledger.Published())
}

// publishesNothing waits until an execution has no Publish under way.
func (r *rig) publishesNothing(t *testing.T, id string) {
	t.Helper()
	eventually(t, "no Publish is under way", func(ctx context.Context) error {
		described, err := r.temporal.DescribeWorkflowExecution(ctx, id, "")
		if err != nil {
			return err
		}
		if named(described.GetPendingActivities(), "Publish") {
			return errNotYet
		}
		return nil
	})
	r.subscribed(t)
}

func named(activities []*workflowpb.PendingActivityInfo, name string) bool {
	for _, a := range activities {
		if a.GetActivityType().GetName() == name {
			return true
		}
	}
	return false
}
