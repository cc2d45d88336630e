package temporal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// queryTimeout bounds a query, which without a worker gets no response.
const queryTimeout = 10 * time.Second

// ErrUnanswered is of a query that no worker answered in time.
var ErrUnanswered = errors.New("no worker answered in time: does one run?")

// Queries is what [Progress] calls of the SDK's client.
type Queries interface {
	QueryWorkflow(ctx context.Context, workflowID, runID, queryType string, args ...any) (converter.EncodedValue, error)
}

// Progress queries the latest run of a workflow. A query is billed as an action. The
// error is ErrUnanswered, or ErrUndecodable when our keys do not decrypt the result.
func Progress(ctx context.Context, queries Queries, workflowID string) (progress cdc.Progress, err error) {
	limited, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	value, err := queries.QueryWorkflow(limited, workflowID, "", cdc.QueryProgress)
	switch {
	case err != nil && errors.Is(limited.Err(), context.DeadlineExceeded):
		return progress, fmt.Errorf("querying %s: %w", workflowID, ErrUnanswered)
	case err != nil:
		return progress, fmt.Errorf("querying %s: %w", workflowID, err)
	}
	if err := value.Get(&progress); err != nil {
		return progress, undecodable("the progress of "+workflowID, err)
	}
	return progress, nil
}
