// Package waiting finds what waits for an operator, by the CdcState attribute
// that windows, slices and deletes keep.
package temporal

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"healthlake-cdc/internal/cdc"
)

// WaitingQuery finds, by Temporal's visibility, every execution that waits for an
// operator. Namespaces without our search attributes refuse it.
func WaitingQuery() string {
	return fmt.Sprintf("%s = '%s' AND ExecutionStatus = 'Running'", cdc.AttrState.GetName(), cdc.StateWaiting)
}

// queryOf finds those of one datastore.
func queryOf(datastore string) string {
	return fmt.Sprintf("%s AND %s = '%s'", WaitingQuery(), cdc.AttrDatastore.GetName(), datastore)
}

// Several is the datastore of ranges, which may be of several.
const Several = "several"

// ofSeveral finds those that were given no datastore.
func ofSeveral() string {
	return fmt.Sprintf("%s AND %s IS NULL", WaitingQuery(), cdc.AttrDatastore.GetName())
}

// every is how often what waits is counted. Counting is no billed action.
const every = time.Minute

// Temporal is what is asked of Temporal.
type Temporal interface {
	CountWorkflow(ctx context.Context, request *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error)
}

// WaitingCounter counts what waits, for a metric.
type WaitingCounter struct {
	Temporal   Temporal
	Namespace  string
	Datastores []string
	// Observe is told how many executions of a datastore wait.
	Observe func(datastore string, n int64)
	Logger  *slog.Logger
}

// Run counts once a minute until ctx ends. A count that fails leaves the figure
// as it was.
func (c WaitingCounter) Run(ctx context.Context) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		for _, datastore := range c.Datastores {
			c.count(ctx, datastore, queryOf(datastore))
		}
		c.count(ctx, Several, ofSeveral())
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (c WaitingCounter) count(ctx context.Context, datastore, query string) {
	answer, err := c.Temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: c.Namespace, Query: query,
	})
	if err == nil {
		c.Observe(datastore, answer.GetCount())
	} else if ctx.Err() == nil {
		c.Logger.Warn("cannot count what waits for an operator", "datastore", datastore, "error", err)
	}
}
