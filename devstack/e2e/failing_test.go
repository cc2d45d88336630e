package e2e

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/internal/cdc"
)

// fail makes an execution fail, which no workflow of the product does: in place of a worker
// (none may run), it polls the execution's next workflow task and completes it as failed.
func (r *rig) fail(t *testing.T, id string) {
	t.Helper()
	require.NoError(t, r.temporal.SignalWorkflow(t.Context(), id, "", cdc.SignalRetry, nil), "which makes a task")
	service := r.temporal.WorkflowService()
	eventually(t, "its task is handed out", func(ctx context.Context) error {
		task, err := service.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
			Namespace: client.DefaultNamespace, Identity: "a test",
			TaskQueue: &taskqueuepb.TaskQueue{Name: cdc.DefaultTaskQueue, Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
		})
		if err != nil {
			return err
		}
		if task.GetWorkflowExecution().GetWorkflowId() != id {
			return errNotYet
		}
		_, err = service.RespondWorkflowTaskCompleted(ctx, &workflowservice.RespondWorkflowTaskCompletedRequest{
			Namespace: client.DefaultNamespace, Identity: "a test", TaskToken: task.GetTaskToken(),
			Commands: []*commandpb.Command{{
				CommandType: enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
				Attributes: &commandpb.Command_FailWorkflowExecutionCommandAttributes{
					FailWorkflowExecutionCommandAttributes: &commandpb.FailWorkflowExecutionCommandAttributes{
						Failure: &failurepb.Failure{Message: "a test", FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
							ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: "ATest", NonRetryable: true},
						}},
					},
				},
			}},
		})
		return err
	})
	r.reaches(t, id, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED)
}
