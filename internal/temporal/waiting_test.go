package temporal

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
)

// counted answers each query once with a number, and ends the counting.
type counted struct {
	answers map[string]int64
	queries []string
	end     context.CancelFunc
}

func (c *counted) CountWorkflow(_ context.Context, request *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	c.queries = append(c.queries, request.GetQuery())
	if len(c.queries) == len(c.answers)+1 {
		c.end()
	}
	n, ok := c.answers[request.GetQuery()]
	if !ok || request.GetNamespace() != "ns" {
		return nil, errors.New("unavailable")
	}
	return &workflowservice.CountWorkflowExecutionsResponse{Count: n}, nil
}

func TestWhatWaitsIsCountedByDatastore(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	temporal := &counted{end: end, answers: map[string]int64{
		"CdcState = 'waiting' AND ExecutionStatus = 'Running' AND CdcDatastore = 'a'":   2,
		"CdcState = 'waiting' AND ExecutionStatus = 'Running' AND CdcDatastore = 'b'":   0,
		"CdcState = 'waiting' AND ExecutionStatus = 'Running' AND CdcDatastore IS NULL": 3,
	}}
	seen := make(map[string]int64)
	err := WaitingCounter{
		Temporal: temporal, Namespace: "ns", Datastores: []string{"a", "failing", "b"},
		Observe: func(datastore string, n int64) { seen[datastore] = n }, Logger: slog.New(slog.DiscardHandler),
	}.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"a": 2, "b": 0, Several: 3}, seen, "a count that fails tells of nothing")
}
