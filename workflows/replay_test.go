package workflows_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/temporal/temporaltest"
	"healthlake-cdc/workflows"
)

// histories lie in testdata/histories; README.md there says what they are and
// how they are recorded.
const histories = "testdata/histories"

// recordedHistories reads every recorded history, by name.
func recordedHistories(t *testing.T) map[string]*historypb.History {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(histories, "*.json.gz"))
	require.NoError(t, err)
	all := make(map[string]*historypb.History, len(paths))
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json.gz")
		all[name] = temporaltest.Recorded(t, histories, name)
	}
	return all
}

func newReplayer(t *testing.T, register func(worker.WorkflowReplayer)) worker.WorkflowReplayer {
	t.Helper()
	data := temporaltest.RecordedData(t, histories)
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
		DataConverter: data, FailureConverter: payload.NewFailureConverter(data),
	})
	require.NoError(t, err)
	register(replayer)
	return replayer
}

// replay replays a history under the ID that it was recorded under: IDs of
// slices are made of it.
func replay(replayer worker.WorkflowReplayer, history *historypb.History) error {
	started := history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes()
	return replayer.ReplayWorkflowHistoryWithOptions(nil, history, worker.ReplayWorkflowHistoryOptions{
		OriginalExecution: workflow.Execution{ID: started.GetWorkflowId(), RunID: started.GetOriginalExecutionRunId()},
	})
}

func startedType(history *historypb.History) string {
	return history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowType().GetName()
}

// Open executions of a release go on under the next one only if its workflows
// take the same course from the same history.
func TestRecordedHistoriesReplay(t *testing.T) {
	all := recordedHistories(t)
	types := make(map[string]int)
	for name, history := range all {
		types[startedType(history)]++
		t.Run(name, func(t *testing.T) {
			replayer := newReplayer(t, func(r worker.WorkflowReplayer) { workflows.Register(r) })
			require.NoError(t, replay(replayer, history))
			requireSameResult(t, replayer, history)
		})
	}
	for _, name := range []string{
		cdc.WorkflowCaptureWindow, cdc.WorkflowCaptureSlice, cdc.WorkflowCaptureRange, cdc.WorkflowPublishDelete,
		cdc.WorkflowAudit,
	} {
		require.Positive(t, types[name], "no history of %s is recorded: see %s/README.md", name, histories)
	}
}

// requireSameResult compares what the replay returns with what was recorded.
func requireSameResult(t *testing.T, replayer worker.WorkflowReplayer, history *historypb.History) {
	t.Helper()
	events := history.GetEvents()
	last := events[len(events)-1]
	if last.GetEventType() != enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED || startedType(history) == cdc.WorkflowPublishDelete {
		return // terminated, or without a result
	}
	id := events[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowId()
	var want, got any
	data := temporaltest.RecordedData(t, histories)
	require.NoError(t, data.FromPayloads(last.GetWorkflowExecutionCompletedEventAttributes().GetResult(), &want))
	results, ok := replayer.(interface{ GetWorkflowResult(string, any) error }) // the SDK's interface leaves it out
	require.True(t, ok)
	require.NoError(t, results.GetWorkflowResult(id, &got))
	require.Equal(t, want, got)
}

// A step more at the beginning is a change that open executions would not
// survive: the replay must say so of every history. (A timer more might pass for
// the one with which a window begins: replay does not compare durations.)
func TestReplayNoticesAnotherCourse(t *testing.T) {
	for name, history := range recordedHistories(t) {
		t.Run(name, func(t *testing.T) {
			replayer := newReplayer(t, registerChanged)
			require.ErrorContains(t, replay(replayer, history), "TMPRL1100")
		})
	}
}

// registerChanged registers the workflows with a step more before each.
func registerChanged(r worker.WorkflowReplayer) {
	more := func(ctx workflow.Context) {
		workflow.SideEffect(ctx, func(workflow.Context) any { return 1 })
	}
	register := func(name string, w any) {
		r.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{Name: name})
	}
	register(cdc.WorkflowCaptureWindow, func(ctx workflow.Context, in cdc.CaptureWindowInput) (cdc.CaptureWindowResult, error) {
		more(ctx)
		return workflows.CaptureWindow(ctx, in)
	})
	register(cdc.WorkflowCaptureSlice, func(ctx workflow.Context, in cdc.CaptureSliceInput) (cdc.CaptureSliceResult, error) {
		more(ctx)
		return workflows.CaptureSlice(ctx, in)
	})
	register(cdc.WorkflowCaptureRange, func(ctx workflow.Context, in cdc.CaptureRangeInput) (cdc.CaptureRangeResult, error) {
		more(ctx)
		return workflows.CaptureRange(ctx, in)
	})
	register(cdc.WorkflowAudit, func(ctx workflow.Context, in cdc.AuditInput) (cdc.AuditState, error) {
		more(ctx)
		return workflows.Audit(ctx, in)
	})
	register(cdc.WorkflowPublishDelete, func(ctx workflow.Context, in cdc.PublishDeleteInput) (cdc.PublishDeleteResult, error) {
		more(ctx)
		return workflows.PublishDelete(ctx, in)
	})
}
