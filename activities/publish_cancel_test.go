package activities

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"healthlake-cdc/internal/cdc"
)

// Only its workflow's cancellation lets a Publish end with a part of the batch as its
// result. The SDK ends an activity's context for other reasons too, and tells by the
// cause; the workflow goes on then, and would take the rest for published.
func TestPublishEndsWithAPartOnlyWhenItsWorkflowCancelsIt(t *testing.T) {
	in := batch("Patient", "a", "b")
	for name, c := range map[string]struct {
		cause error
		fails bool
	}{
		"cancelled by its workflow": {temporal.NewCanceledError(), false},
		"paused by an operator":     {activity.ErrActivityPaused, true},
		"heartbeats were not taken": {context.DeadlineExceeded, true},
		"the process stops":         {context.Canceled, true},
	} {
		t.Run(name, func(t *testing.T) {
			bus := func([]cdc.Event, []string, func([]string)) (cdc.PublishResult, error) {
				return cdc.PublishResult{EventIDs: []string{"event", ""}}, &cdc.Error{Op: "PutEvents", Class: cdc.ClassInterrupted}
			}
			env, a, _, _ := publishEnv(t, bus)
			env.RegisterActivityWithOptions(func(ctx context.Context) (cdc.PublishResult, error) {
				ctx, cancel := context.WithCancelCause(ctx)
				cancel(c.cause)
				return a.Publish(ctx, in)
			}, activity.RegisterOptions{Name: "ended"})
			value, err := env.ExecuteActivity("ended")
			requireEnded(t, value, err, c.fails)
		})
	}
}

// Its workflow's cancellation reaches a Publish by the answer to a heartbeat, and so
// does an operator's pause.
func TestPublishEndsByTheResponseToItsHeartbeat(t *testing.T) {
	in := batch("Patient", "a", "b")
	for name, c := range map[string]struct {
		answer error
		fails  bool
	}{
		"cancelled by its workflow": {temporal.NewCanceledError(), false},
		"paused by an operator":     {activity.ErrActivityPaused, true},
		"given to another worker":   {serviceerror.NewNotFound("no such task"), true},
		"cannot be reached":         {serviceerror.NewUnavailable("no connection"), true},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Bool
			env, a, _, _ := publishEnv(t, func(_ []cdc.Event, _ []string, progress func([]string)) (cdc.PublishResult, error) {
				require.Eventually(t, func() bool {
					progress([]string{"event", ""})
					return asked.Load()
				}, 10*heartbeatEvery, heartbeatEvery/10, "a heartbeat is due")
				return cdc.PublishResult{EventIDs: []string{"event", ""}}, &cdc.Error{Op: "PutEvents", Class: cdc.ClassInterrupted}
			})
			a.Heartbeats = heartbeatFunc(func(client.RecordActivityHeartbeatOptions) error {
				asked.Store(true)
				return c.answer
			})
			value, err := env.ExecuteActivity(a.Publish, in)
			requireEnded(t, value, err, c.fails)
		})
	}
}

// requireEnded requires that a Publish of two, of which one was accepted, ended as
// interrupted, or with that one as its result.
func requireEnded(t *testing.T, value converter.EncodedValue, err error, fails bool) {
	t.Helper()
	if fails {
		var failure *temporal.ApplicationError
		require.ErrorAs(t, err, &failure)
		require.Equal(t, string(cdc.ClassInterrupted), failure.Type())
		return
	}
	require.NoError(t, err)
	var result cdc.PublishResult
	require.NoError(t, value.Get(&result))
	require.Equal(t, []string{"event", ""}, result.EventIDs)
}
