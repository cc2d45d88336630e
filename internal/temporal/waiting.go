package temporal

import (
	"context"
	"log/slog"
	"time"

	"go.temporal.io/api/workflowservice/v1"
)

// several stands for the datastore of replays and backfills, which may be of several.
const several = "several"

// countEvery is how often what waits is counted. Counting is no billed action.
const countEvery = time.Minute

// CountWaiting counts, for a metric, once a minute until ctx ends how many executions of
// each datastore wait for an operator. A count that fails leaves the figure as it was.
// Without our search attributes nothing is known, and the metric is absent.
func (c *Connection) CountWaiting(ctx context.Context, datastores []string, observe func(datastore string, n int64), logger *slog.Logger) error {
	if !c.Attributes {
		return nil
	}
	count := func(datastore string, query Query) {
		counted, err := c.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: string(query)})
		if err == nil {
			observe(datastore, counted.GetCount())
		} else if ctx.Err() == nil {
			logger.Warn("cannot count what waits for an operator", "datastore", datastore, "error", err)
		}
	}
	ticker := time.NewTicker(countEvery)
	defer ticker.Stop()
	for {
		for _, datastore := range datastores {
			count(datastore, Waiting().Of(datastore))
		}
		count(several, Waiting().Of(""))
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
