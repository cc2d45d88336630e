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

	for n := range rounds {
		r.manyAtOnce(t, window, 2+n)
	}
	report := r.drained(t)
	complete(t, report)
	require.Equal(t, 20, report.Total.Published)
}

// operators is how many rerun a window at once, rounds how often: enough that in one
// of them some have seen no open run before the first has started one.
const operators, rounds = 8, 3

// manyAtOnce reruns a closed window several times at once: one wins, with rerun n. The store
// fails meanwhile, so that the winner's run stays open.
func (r *rig) manyAtOnce(t *testing.T, window cdc.Window, n int) {
	t.Helper()
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.ServerError, Count: -1}))
	printed := make([]printed, operators)
	var group sync.WaitGroup
	for i := range printed {
		group.Go(func() {
			printed[i] = runProgram(t, t.Context(), "starter", r.environment(), nil,
				"capture", "--json", "--at", window.Start.Format(time.RFC3339))
		})
	}
	group.Wait()
	started := 0
	for _, p := range printed {
		run := onlyOne[captured](t, p.stdout)
		require.Equal(t, window.RerunID(n), run.WorkflowID)
		if run.Started {
			started++
		}
	}
	r.Simulator.ClearFaults()
	require.Equal(t, 1, started, "one of them opened it")
	r.closed(t, window.RerunID(n))
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED, r.status(t.Context(), window.RerunID(n+1)))
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
	before := r.terminateWithSlice(t, window, slice)
	require.Less(t, before, versions)

	// A rerun that is terminated before a worker has seen it has no ledger: the next one
	// continues with that of the first run.
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

// publishesNothing waits until an execution has no Publish in progress.
func (r *rig) publishesNothing(t *testing.T, id string) {
	t.Helper()
	eventually(t, "no Publish is under way", func(ctx context.Context) error {
		described, err := r.described(ctx, id)
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
