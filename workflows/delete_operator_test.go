package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// rejectedDelete starts a delete that the bus rejects until accepted, and marks its
// state.
func rejectedDelete(w *world, accepted time.Time) cdc.PublishDeleteInput {
	w.bus.reject = func(string) bool { return accepted.IsZero() || w.now().Before(accepted) }
	return cdc.PublishDeleteInput{
		Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{SourceTime: start, CapturedBy: cdc.ByCloudTrail}, CorrelationID: "delete/" + datastore + "/e1"},
		Delete: cdc.Delete{EventID: "e1", Type: "Patient", EventTime: start}, Attributes: true,
	}
}

func TestSkippedDeleteIsNotPublished(t *testing.T) {
	w := newWorld(t)
	in := rejectedDelete(w, time.Time{})
	states := w.states()
	w.when(start.Add(20*time.Minute), func() {
		require.Equal(t, []cdc.Wait{{Type: "Patient", Versions: 1}}, w.progress().Failing)
		w.env.SignalWorkflow(cdc.SignalSkip, cdc.Skip{Versions: []string{"Observation"}, Types: []string{"Patient"}})
	})
	skipped := start.Add(21 * time.Minute)
	w.when(skipped, func() {
		require.False(t, w.env.IsWorkflowCompleted(), "another type's versions are not this delete")
		w.env.SignalWorkflow(cdc.SignalSkip, cdc.Skip{Versions: []string{"Patient"}})
	})
	w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, in)
	require.NoError(t, w.env.GetWorkflowError())
	var result cdc.PublishDeleteResult
	require.NoError(t, w.env.GetWorkflowResult(&result))
	require.Equal(t, cdc.PublishDeleteResult{Type: "Patient", EventTime: start, Skipped: true}, result)
	require.Equal(t, skipped, w.now(), "at once")
	require.Empty(t, w.bus.accepted)
	require.Equal(t, []string{cdc.StateWaiting, cdc.StateClosed}, *states)
}

func TestRetriedDeleteIsPublishedAtOnce(t *testing.T) {
	w := newWorld(t)
	in := rejectedDelete(w, start.Add(20*time.Minute))
	states := w.states()
	// Its tries are 10 m 35 s and 20 m 35 s after its first, 3 s into the window.
	retried := start.Add(20*time.Minute + 10*time.Second)
	w.when(retried, func() { w.env.SignalWorkflow(cdc.SignalRetry, nil) })
	w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, in)
	require.NoError(t, w.env.GetWorkflowError())
	var result cdc.PublishDeleteResult
	require.NoError(t, w.env.GetWorkflowResult(&result))
	require.False(t, result.Skipped)
	require.Len(t, w.bus.accepted, 1)
	require.Equal(t, retried, w.bus.accepted[0].at)
	require.Equal(t, []string{cdc.StateWaiting, cdc.StateClosed}, *states)
}

func TestDeleteThatIsAcceptedUpsertsNothing(t *testing.T) {
	w := newWorld(t)
	in := rejectedDelete(w, start)
	states := w.states()
	w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, in)
	require.NoError(t, w.env.GetWorkflowError())
	require.Empty(t, *states)
}
