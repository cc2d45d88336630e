package temporal

import (
	"context"
	"fmt"
	"strings"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"healthlake-cdc/internal/cdc"
)

// StartTime is Temporal's own search attribute.
const StartTime = "StartTime"

// Query finds executions by Temporal's visibility: those that meet all its conditions.
type Query string

// OfType finds the executions of these workflow types.
func OfType(workflowTypes ...string) Query { return Query(oneOf("WorkflowType", workflowTypes)) }

// Windows finds the windows of a datastore, reruns included: by the beginning of their
// IDs, which says the same as CdcDatastore and holds for namespaces without our search
// attributes too.
func Windows(datastore string) Query {
	return OfType(cdc.WorkflowCaptureWindow).WithPrefix(cdc.WindowPrefix(datastore))
}

// WindowsOfHour finds the windows of the hour in which t lies.
func WindowsOfHour(datastore string, t time.Time) Query {
	return OfType(cdc.WorkflowCaptureWindow).WithPrefix(cdc.WindowPrefix(datastore) + t.UTC().Format("2006-01-02T15:"))
}

// Waiting finds what waits for an operator: by CdcState, which a namespace without our
// search attributes does not know.
func Waiting() Query {
	return Query(fmt.Sprintf("%s = '%s'", cdc.AttrState.GetName(), cdc.StateWaiting)).Running()
}

// Running leaves what has not closed.
func (q Query) Running() Query { return q.WithStatus("Running") }

// WithStatus leaves what has one of these statuses.
func (q Query) WithStatus(statuses ...string) Query { return q.and(oneOf("ExecutionStatus", statuses)) }

// Of leaves what is of a datastore by CdcDatastore; with "" what is of none.
func (q Query) Of(datastore string) Query {
	if datastore == "" {
		return q.and(cdc.AttrDatastore.GetName() + " IS NULL")
	}
	return q.and(fmt.Sprintf("%s = '%s'", cdc.AttrDatastore.GetName(), datastore))
}

// WithPrefix leaves the workflow IDs that begin so.
func (q Query) WithPrefix(prefix string) Query {
	return q.and(fmt.Sprintf("WorkflowId STARTS_WITH '%s'", prefix))
}

// Since leaves what has a time of t or later in the search attribute.
func (q Query) Since(attribute string, t time.Time) Query {
	return q.and(fmt.Sprintf("%s >= '%s'", attribute, t.UTC().Format(time.RFC3339Nano)))
}

// Before leaves what has an earlier time than t in the search attribute.
func (q Query) Before(attribute string, t time.Time) Query {
	return q.and(fmt.Sprintf("%s < '%s'", attribute, t.UTC().Format(time.RFC3339Nano)))
}

func (q Query) and(condition string) Query { return q + " AND " + Query(condition) }

func oneOf(attribute string, values []string) string {
	if len(values) == 1 {
		return fmt.Sprintf("%s = '%s'", attribute, values[0])
	}
	return fmt.Sprintf("%s IN ('%s')", attribute, strings.Join(values, "', '"))
}

// maxPage is the largest page of a listing: the server's default limit.
const maxPage = 1000

// List lists up to limit executions, the newest first; 0 lists all.
func (e Executions) List(ctx context.Context, query Query, limit int) ([]*workflowpb.WorkflowExecutionInfo, error) {
	var all []*workflowpb.WorkflowExecutionInfo
	var next []byte
	for {
		size := maxPage
		if limit > 0 {
			size = min(size, limit-len(all))
		}
		page, err := e.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: string(query), PageSize: int32(size), NextPageToken: next,
		})
		if err != nil {
			return nil, fmt.Errorf("listing executions: %w", err)
		}
		all = append(all, page.GetExecutions()...)
		if next = page.GetNextPageToken(); len(next) == 0 || limit > 0 && len(all) >= limit {
			return all, nil
		}
	}
}
