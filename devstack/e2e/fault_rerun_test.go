package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

const (
	// slicedPatients are more than a window reads by itself.
	slicedPatients = 2_300
	// publishBatch is what one Publish of a slice holds at most: ten pages.
	publishBatch = 1_000
	// nobody is a task queue without workers.
	nobody = "nobody"
)

// A window that is terminated while a Publish of its slice is half-way, and two
// reruns that are started at once: one wins, nothing is lost, and what the
// histories say was published is not repeated. Only what that one Publish held
// may come again.
func TestTerminatedInTheMiddleOfPublish(t *testing.T) {
	t.Parallel()
	r, window := newSlicedRig(t)
	slice := cdc.SliceID(window.ID(), "Patient", window.Start, 1)
	// Half of a page's batch later the bus is gone.
	used := r.onEvents(t, "sliced", map[int]awslocal.Faults{350: {EventBridgeDown: true}})
	r.worker(t)
	r.trigger(window)
	until(t, "the bus is gone", func(context.Context) bool {
		return used.Load() != 0
	})
	r.pendingActivity(t, "a Publish of the slice has begun to fail", slice, isPublish)
	require.NoError(t, r.temporal.TerminateWorkflow(t.Context(), window.ID(), "", "a test"))
	r.reaches(t, slice, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED)

	// The bus is gone still, so that the winner stays open for both to see.
	both := make([]captured, 2)
	var group errgroup.Group
	for i := range both {
		group.Go(func() error {
			both[i] = r.capture(t, window.Start)
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, window.RerunID(1), both[0].WorkflowID)
	require.Equal(t, window.RerunID(1), both[1].WorkflowID)
	require.NotEqual(t, both[0].Started, both[1].Started, "one of the two opened it")

	told := r.publishedKeys(t, window.ID())
	for key := range r.publishedKeys(t, slice) {
		told[key] = true
	}
	require.GreaterOrEqual(t, len(told), 100, "the histories have what was published")
	r.AWS.SetFaults(awslocal.Faults{})
	r.closed(t, window.RerunID(1))
	report := r.drained(t)
	require.Zero(t, report.Total.Missing)
	require.Empty(t, report.Wrong)
	require.Equal(t, slicedPatients, report.Total.Published)
	require.LessOrEqual(t, report.Total.Duplicated, publishBatch, "one Publish was under way")
	keys := r.subscriber.Keys()
	for key := range told {
		require.Equal(t, 1, keys[key], "what the history says was published is not repeated")
	}
	require.Equal(t, slicedPatients, r.result(t, window.RerunID(1)).Ledger.Published())
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED, r.status(t.Context(), window.RerunID(2)))
}

// A rerun waits while a slice of the terminated run is open, and adds what the slice has
// published to its ledger when it closes. Here the slice's next run, as after a
// continue-as-new, is on a task queue that no worker polls.
func TestRerunWaitsForOpenSlice(t *testing.T) {
	t.Parallel()
	r, window := newSlicedRig(t)
	slice := cdc.SliceID(window.ID(), "Patient", window.Start, 1)
	used := r.onEvents(t, "sliced", map[int]awslocal.Faults{350: {}})
	r.AWS.SetFaults(awslocal.Faults{Latency: awslocal.Latency(20 * time.Millisecond)})
	r.Simulator.SetLatency(simulator.Latency{Search: 200 * time.Millisecond}) // ten pages take a while
	r.worker(t)
	r.trigger(window)
	until(t, "some pages of the slice are published", func(context.Context) bool {
		return used.Load() != 0
	})
	before := r.terminateWithSlice(t, window, slice)
	require.Less(t, before, slicedPatients)
	r.Simulator.ClearFaults()
	r.continued(t, slice)

	rerun := r.capture(t, window.Start)
	require.Equal(t, captured{WorkflowID: window.RerunID(1), Started: true}, rerun)
	r.pendingActivity(t, "the rerun waits for the slice", rerun.WorkflowID, func(a *workflowpb.PendingActivityInfo) bool {
		return failing("Ledger")(a) && a.GetAttempt() > 2 &&
			a.GetLastFailure().GetApplicationFailureInfo().GetType() == string(cdc.ClassStillOpen)
	})
	now, _ := r.subscriber.Len()
	require.Equal(t, before, now, "it has published nothing")
	require.Empty(t, r.hydrates(t, rerun.WorkflowID), "and read nothing")

	require.NoError(t, r.temporal.TerminateWorkflow(t.Context(), slice, "", "a test"))
	r.closed(t, rerun.WorkflowID)
	report := r.drained(t)
	complete(t, report)
	require.Equal(t, slicedPatients, report.Total.Published)
	require.Equal(t, slicedPatients-before, r.result(t, rerun.WorkflowID).Counts.Published)
}

// newSlicedRig starts the parts with a window of the past that overflows into a
// slice and that only a trigger by the test opens.
func newSlicedRig(t *testing.T) (*rig, cdc.Window) {
	t.Helper()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}},
		fewTypes, shortPasses, "CDC_SEARCH_RATE=20")
	r.silenced(t)
	window := windowAgo(r.datastore(), 3*time.Minute)
	r.writeAt(t, c, window, "Patient", "sliced", slicedPatients)
	return r, window
}

// continued starts a further run of a slice that was terminated, which starts with what the
// slice had published and never ends.
func (r *rig) continued(t *testing.T, slice string) {
	t.Helper()
	var in cdc.CaptureSliceInput
	started := r.events(t, slice)[0].GetWorkflowExecutionStartedEventAttributes()
	require.NoError(t, r.data.FromPayloads(started.GetInput(), &in))
	in.Resume = &cdc.SliceState{}
	for _, change := range r.publishedChanges(t, slice) {
		in.Resume.Published.Add(in.Salt.Hash(change.Version))
	}
	require.Positive(t, in.Resume.Published.Len())
	_, err := r.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: slice, TaskQueue: nobody, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	}, cdc.WorkflowCaptureSlice, in)
	require.NoError(t, err)
}

// publishedKeys are the idempotency keys of what the history of an execution's
// first run says was published.
func (r *rig) publishedKeys(t *testing.T, id string) map[string]bool {
	t.Helper()
	keys := make(map[string]bool)
	for _, change := range r.publishedChanges(t, id) {
		keys[r.datastore()+"/"+change.Type+"/"+change.ID+"/_history/"+change.VersionID] = true
	}
	return keys
}

func (r *rig) publishedChanges(t *testing.T, id string) []cdc.Change {
	t.Helper()
	var published []cdc.Change
	for _, publish := range r.completions(t, id, "Publish") {
		var in cdc.PublishInput
		var result cdc.PublishResult
		require.NoError(t, r.data.FromPayloads(publish.input, &in))
		require.NoError(t, r.data.FromPayloads(publish.result, &result))
		for i, change := range in.Changes {
			if result.EventIDs[i] != "" {
				published = append(published, change)
			}
		}
	}
	return published
}

func isPublish(a *workflowpb.PendingActivityInfo) bool {
	return a.GetActivityType().GetName() == "Publish"
}
