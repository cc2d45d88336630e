package status

import (
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
)

// mostAudits bounds how many of a store's last audits are looked at for the newest
// that its schedule has started: others' datastores may begin alike.
const mostAudits = 50

// audit finds the last scheduled audit of a store that completed, and reads its
// result.
func (c *collection) audit(ctx context.Context, datastore string) (*Audit, error) {
	query := fmt.Sprintf("WorkflowType = '%s' AND WorkflowId STARTS_WITH '%s-' AND ExecutionStatus = 'Completed'",
		cdc.WorkflowAudit, cdc.AuditScheduleID(datastore))
	infos, err := c.list(ctx, query, mostAudits)
	if err != nil {
		return nil, err
	}
	var last *workflowpb.WorkflowExecutionInfo
	for _, info := range infos {
		of, err := cdc.ParseScheduledAuditID(info.GetExecution().GetWorkflowId())
		if err == nil && of == datastore && (last == nil || info.GetCloseTime().AsTime().After(last.GetCloseTime().AsTime())) {
			last = info
		}
	}
	if last == nil {
		return nil, nil //nolint:nilnil // none has completed
	}
	execution := last.GetExecution()
	events := c.Temporal.GetWorkflowHistory(ctx, execution.GetWorkflowId(), execution.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("reading the result of %s: %w", execution.GetWorkflowId(), err)
		}
		completed := event.GetWorkflowExecutionCompletedEventAttributes()
		if completed == nil {
			continue
		}
		var result cdc.AuditResult
		if err := c.Converter.FromPayloads(completed.GetResult(), &result); err != nil {
			return nil, fmt.Errorf("the result of %s cannot be decoded: is its payload key in CDC_PAYLOAD_KEYS?", execution.GetWorkflowId())
		}
		found := auditOf(result)
		found.WorkflowID, found.Closed = execution.GetWorkflowId(), last.GetCloseTime().AsTime()
		return &found, nil
	}
	return nil, nil //nolint:nilnil // its history has just expired
}

// auditOf sums up a scheduled audit's result.
func auditOf(result cdc.AuditResult) Audit {
	found := Audit{Healed: result.Totals.Healed}
	if result.State == nil {
		return found
	}
	found.Unresolved, found.Expired = len(result.State.Unresolved), len(result.State.Expired)
	for _, span := range result.State.Audited {
		if found.Through.IsZero() || span.To.Before(found.Through) {
			found.Through = span.To
		}
	}
	for i, span := range result.State.Unresolved {
		if i == 0 || span.Span.From.Before(found.Oldest) {
			found.Oldest = span.Span.From
		}
		for _, t := range span.Types {
			found.Missing += t.Missing
		}
	}
	return found
}

// waiting tells of spans in which something is missing. Each run tries again.
func (a *Audit) waiting() []Waiting {
	var all []Waiting
	if a != nil && a.Missing > 0 {
		all = append(all, Waiting{WorkflowID: a.WorkflowID, What: fmt.Sprintf(
			"%d versions are missing after healing: its details in the Temporal UI say in which spans and why", a.Missing)})
	}
	return all
}
