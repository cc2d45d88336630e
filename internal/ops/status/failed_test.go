package status

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

const store = "0123456789abcdef0123456789abcdef"

// namespace is Temporal with the executions that it is given, of each ID the latest
// run last. The real server is asked by the end-to-end tests.
type namespace struct {
	Temporal
	temporal.Client
	runs []*workflowpb.WorkflowExecutionInfo
}

func (n *namespace) has(id, run string, status enumspb.WorkflowExecutionStatus, closed time.Time) {
	n.runs = append(n.runs, &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: run}, Status: status, CloseTime: timestamppb.New(closed),
	})
}

func (n *namespace) ended() (found []*workflowpb.WorkflowExecutionInfo) {
	for _, info := range n.runs {
		switch info.GetStatus() {
		case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
			found = append(found, info)
		}
	}
	return found
}

func (n *namespace) ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	return &workflowservice.ListWorkflowExecutionsResponse{Executions: n.ended()}, nil
}

func (n *namespace) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	var latest *workflowpb.WorkflowExecutionInfo
	for _, info := range n.runs {
		if info.GetExecution().GetWorkflowId() == id {
			latest = info
		}
	}
	if latest == nil {
		return nil, serviceerror.NewNotFound("none")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: latest}, nil
}

// What ended before it was done is listed until a later run has taken over, each with
// what to do about it; what is another execution's matter is not.
func TestFailed(t *testing.T) {
	const (
		failed     = enumspb.WORKFLOW_EXECUTION_STATUS_FAILED
		terminated = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
		timedOut   = enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT
		completed  = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
		running    = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	)
	n := &namespace{}
	window := func(minutes int) cdc.Window { return cdc.WindowAt(store, noon.Add(time.Duration(minutes)*time.Minute)) }
	bad, repaired, again, reset, others := window(0), window(1), window(2), window(3), cdc.WindowAt(strings.Repeat("f", 32), noon)
	n.has(cdc.ReplayID("x"), "1", terminated, noon)
	n.has(bad.ID(), "1", failed, noon.Add(time.Hour))
	n.has(repaired.ID(), "1", failed, noon)
	n.has(repaired.RerunID(1), "1", completed, noon)
	n.has(again.ID(), "1", failed, noon)
	n.has(again.RerunID(1), "1", timedOut, noon.Add(2*time.Hour))
	n.has(reset.ID(), "1", terminated, noon)
	n.has(reset.ID(), "2", completed, noon)
	n.has(others.ID(), "1", failed, noon)
	n.has(cdc.BackfillID("y"), "1", failed, noon.Add(time.Minute))
	n.has(cdc.DryRunID(cdc.ReplayID("z")), "1", failed, noon)
	n.has(cdc.DeleteID(store, "8f14e45f-ceea-467f-a1d7-1f8a1f3f8d5c"), "1", failed, noon.Add(2*time.Minute))
	scheduled := func(at time.Time) string { return cdc.AuditScheduleID(store) + "-" + at.UTC().Format(time.RFC3339) }
	n.has(scheduled(noon), "1", failed, noon.Add(-time.Minute)) // the last one that completed came after it
	n.has(scheduled(noon.Add(time.Hour)), "1", failed, noon.Add(3*time.Minute))
	n.has(cdc.AuditID(store, window(0).Span()), "1", timedOut, noon.Add(4*time.Minute))
	n.has(cdc.AuditID(store, window(1).Span()), "1", terminated, noon)
	n.has(cdc.AuditID(store, window(1).Span()), "2", running, noon)
	n.has(cdc.RangeAuditID(cdc.BackfillID("y"), store), "1", terminated, noon)
	n.has(cdc.SliceID(bad.ID(), "Patient", bad.Start, 1), "1", terminated, noon)
	open := window(9)
	n.has(open.ID(), "1", running, noon)
	n.has(cdc.SliceID(open.ID(), "Patient", open.Start, 1), "1", terminated, noon)
	n.has(cdc.SliceID(open.ID(), "Patient", open.Start, 2), "1", failed, noon)

	c := (&Collector{Temporal: n, Executions: temporal.Executions{Client: n}, Datastores: []string{store}, Now: time.Now}).begin()
	c.report.Stores = []Store{{Datastore: store, Audit: &Audit{Closed: noon}}}
	require.NoError(t, c.failed(t.Context()))
	var ids, statuses []string
	for _, f := range c.report.Failed {
		ids, statuses = append(ids, f.WorkflowID), append(statuses, f.Status)
		require.NotEmpty(t, f.What, f.WorkflowID)
		require.NotEmpty(t, f.Do, f.WorkflowID)
	}
	require.Equal(t, []string{
		bad.ID(), again.RerunID(1), cdc.ReplayID("x"), cdc.BackfillID("y"),
		cdc.DeleteID(store, "8f14e45f-ceea-467f-a1d7-1f8a1f3f8d5c"), scheduled(noon.Add(time.Hour)), cdc.AuditID(store, window(0).Span()),
	}, ids, "windows first, the oldest before the others")
	require.Equal(t, []string{"failed", "timed out", "terminated", "failed", "failed", "failed", "timed out"}, statuses)
	require.Equal(t, 7, c.report.FailedTotal)
	require.Contains(t, c.report.Failed[0].Do, "starter capture --at 2026-11-23T12:00:00Z --datastore "+store)
	require.Equal(t, []Waiting{{
		WorkflowID: open.ID(), What: "2 of its slices failed or were terminated: it starts others by itself; the Temporal UI says why they ended",
	}}, c.report.Waiting)
}

// A night of failed windows is one audit's work.
func TestManyFailedWindows(t *testing.T) {
	n := &namespace{}
	for i := range 60 {
		n.has(cdc.WindowAt(store, noon.Add(time.Duration(i)*cdc.WindowWidth)).ID(), "1", enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, noon)
	}
	c := (&Collector{Temporal: n, Executions: temporal.Executions{Client: n}, Datastores: []string{store}, Now: time.Now}).begin()
	require.NoError(t, c.failed(t.Context()))
	require.Len(t, c.report.Failed, maxFailed)
	require.Equal(t, 60, c.report.FailedTotal)
	require.Len(t, c.report.Notes, 1)
	require.Contains(t, c.report.Notes[0], "60 windows ended before they were done: `starter audit --since 2026-11-23T12:00:00Z --until 2026-11-23T12:10:00Z --wait`")
}
