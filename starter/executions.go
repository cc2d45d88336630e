package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
)

const (
	// queryTimeout bounds a query, which without a worker gets no response.
	queryTimeout = 10 * time.Second
	// signalTimeout is how long an execution may take to act on a signal, queryEvery how
	// often it is queried meanwhile; each query is billed.
	signalTimeout = time.Minute
	queryEvery    = time.Second
)

// describe returns what Temporal has of an execution, nil when there is none.
func (c *connection) describe(ctx context.Context, id string) (*workflowpb.WorkflowExecutionInfo, error) {
	described, err := c.client.DescribeWorkflow(ctx, id, "")
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return nil, nil //nolint:nilnil // none
	}
	if err != nil {
		return nil, fmt.Errorf("describing %s: %w", id, err)
	}
	return described.RawResponse.GetWorkflowExecutionInfo(), nil
}

// progress queries an execution.
func (c *connection) progress(ctx context.Context, id string) (progress cdc.Progress, err error) {
	limited, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	value, err := c.client.QueryWorkflow(limited, id, "", cdc.QueryProgress)
	if err != nil {
		return progress, fmt.Errorf("querying %s (does a worker run?): %w", id, err)
	}
	if value.Get(&progress) != nil { // its error may quote what it read
		return progress, fmt.Errorf("the progress of %s cannot be decoded: is the payload key in CDC_PAYLOAD_KEYS?", id)
	}
	return progress, nil
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
