package stack

import (
	"context"
	"fmt"
	"strings"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// Quiet reports whether nothing is in progress: no record is pending, no message is in the
// named queues or the trigger queue, no execution is open. Visibility is eventually
// consistent, so callers check several times.
func (s *Stack) Quiet(ctx context.Context, temporal client.Client, queues ...string) (bool, error) {
	if s.Simulator.Stats().Trail.Pending > 0 {
		return false, nil
	}
	for _, name := range append(queues, queueName(s.Outputs["QueueUrl"])) {
		depth, ok := s.AWS.Messages(name)
		if !ok {
			return false, fmt.Errorf("no queue %s", name)
		}
		if depth.Visible+depth.InFlight+depth.Delayed > 0 {
			return false, nil
		}
	}
	open, err := Count(ctx, temporal, "ExecutionStatus='Running'")
	return open == 0, err
}

// Count counts the executions that a visibility query finds.
func Count(ctx context.Context, temporal client.Client, query string) (int64, error) {
	counted, err := temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: client.DefaultNamespace, Query: query,
	})
	if err != nil {
		return 0, fmt.Errorf("counting executions: %w", err)
	}
	return counted.GetCount(), nil
}

// queueName is the last part of a queue's URL.
func queueName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }
