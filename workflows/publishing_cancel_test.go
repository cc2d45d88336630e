package workflows

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
)

// The test environment has no Publish that is cancelled and ends with a result, as
// Temporal has: what it came to must not pass for the whole.
func TestPublishCancelledHalfwayIsNotDone(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetDataConverter(payload.NewPlainConverter())
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx, cancel := workflow.WithCancel(ctx)
		future, settable := workflow.NewFuture(ctx)
		cancel()
		p := &publishing{in: cdc.PublishInput{Changes: make([]cdc.Change, 3)}, policy: ctx, future: future}
		settable.Set(cdc.PublishResult{EventIDs: []string{"a", "", ""}, Rejected: []cdc.Rejection{{Index: 2}}}, nil)
		result, err := p.await(ctx, &operator{})
		require.ErrorIs(t, err, workflow.ErrCanceled)
		require.Equal(t, []string{"a", "", ""}, result.EventIDs)

		future, settable = workflow.NewFuture(ctx)
		p.future = future
		settable.Set(cdc.PublishResult{EventIDs: []string{"a", "b", ""}, Rejected: []cdc.Rejection{{Index: 2}}}, nil)
		_, err = p.await(ctx, &operator{})
		require.NoError(t, err, "it was complete when the cancellation came")
		return nil
	})
	require.NoError(t, env.GetWorkflowError())
}
