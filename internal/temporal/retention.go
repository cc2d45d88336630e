package temporal

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/workflowservice/v1"
)

// Retention is how long the namespace keeps closed executions.
func (c *Connection) Retention(ctx context.Context) (time.Duration, error) {
	described, err := c.Client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: c.Namespace})
	if err != nil {
		return 0, fmt.Errorf("namespace %s cannot be described: %w", c.Namespace, err)
	}
	return described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration(), nil
}

// RetentionCommands are what raises a namespace's retention to at least d, in whole
// days: Temporal's own command, and Temporal Cloud's.
func RetentionCommands(namespace string, d time.Duration) (own, cloud string) {
	const day = 24 * time.Hour
	days := (d + day - 1) / day
	return fmt.Sprintf("temporal operator namespace update --namespace %s --retention %dd", quote(namespace), days),
		fmt.Sprintf("tcld namespace retention set --namespace %s --retention-days %d", quote(namespace), days)
}
