package faults

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/devstack/internal/proc"
)

const byFaults = "devstack faults"

// onWindow does something to an open window, if there is one soon.
func onWindow(do func(*harness, context.Context, *commonpb.WorkflowExecution, uint64) error) begin {
	return func(ctx context.Context, h *harness, f Fault) (func(context.Context) error, error) {
		soon, cancel := context.WithTimeout(ctx, seconds(f.For))
		defer cancel()
		return nil, proc.Poll(soon, func(ctx context.Context) error {
			open, err := h.executions(ctx, "WorkflowType='CaptureWindow' AND ExecutionStatus='Running'")
			if err != nil {
				return err
			}
			if len(open) == 0 {
				return errNothing
			}
			return do(h, ctx, open[f.Pick%uint64(len(open))].GetExecution(), f.Pick)
		})
	}
}

func (h *harness) terminate(ctx context.Context, e *commonpb.WorkflowExecution, _ uint64) error {
	return h.temporal.TerminateWorkflow(ctx, e.GetWorkflowId(), e.GetRunId(), byFaults)
}

func (h *harness) cancel(ctx context.Context, e *commonpb.WorkflowExecution, _ uint64) error {
	return h.temporal.CancelWorkflow(ctx, e.GetWorkflowId(), e.GetRunId())
}

// reset resets a window to one of its completed workflow tasks.
func (h *harness) reset(ctx context.Context, e *commonpb.WorkflowExecution, pick uint64) error {
	var points []int64
	for history := h.temporal.GetWorkflowHistory(ctx, e.GetWorkflowId(), e.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); history.HasNext(); {
		event, err := history.Next()
		if err != nil {
			return err
		}
		if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			points = append(points, event.GetEventId())
		}
	}
	if len(points) == 0 {
		return errNothing
	}
	point := points[pick%uint64(len(points))]
	_, err := h.temporal.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: client.DefaultNamespace, WorkflowExecution: e, Reason: byFaults, WorkflowTaskFinishEventId: point,
		RequestId: uuid.NewString(),
	})
	if err == nil {
		h.round().note(func(r *round) { r.resets[e.GetRunId()] = point })
	}
	return err
}

// executions are all that a visibility query finds.
func (h *harness) executions(ctx context.Context, query string) (all []*workflowpb.WorkflowExecutionInfo, err error) {
	for next := []byte(nil); ; {
		page, err := h.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: client.DefaultNamespace, Query: query, NextPageToken: next,
		})
		if err != nil {
			return nil, fmt.Errorf("listing executions: %w", err)
		}
		all = append(all, page.GetExecutions()...)
		if next = page.GetNextPageToken(); len(next) == 0 {
			return all, nil
		}
	}
}
