package status

import (
	"context"
	"fmt"

	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// maxAudits: the IDs of other datastores may begin the same.
const maxAudits = 50

// audit finds the last scheduled audit of a store that completed, and reads its result.
func (c *collection) audit(ctx context.Context, datastore string) (*Audit, error) {
	infos, err := c.Executions.List(ctx,
		temporal.OfType(cdc.WorkflowAudit).WithPrefix(cdc.AuditScheduleID(datastore)+"-").WithStatus("Completed"), maxAudits)
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
	id := last.GetExecution().GetWorkflowId()
	var result cdc.AuditState
	err = c.Executions.Result(ctx, id, last.GetExecution().GetRunId(), &result)
	if temporal.IsNotFound(err) {
		return nil, nil //nolint:nilnil // it has just expired
	}
	if err != nil {
		return nil, err
	}
	found := auditOf(result)
	found.WorkflowID, found.Closed = id, last.GetCloseTime().AsTime()
	return &found, nil
}

func auditOf(result cdc.AuditState) Audit {
	found := Audit{Healed: result.Totals.Healed, Unresolved: len(result.Unresolved), Expired: len(result.Expired)}
	for _, span := range result.Audited {
		if found.Through.IsZero() || span.To.Before(found.Through) {
			found.Through = span.To
		}
	}
	for i, span := range result.Unresolved {
		if i == 0 || span.Span.From.Before(found.Oldest) {
			found.Oldest = span.Span.From
		}
		for _, t := range span.Types {
			found.Missing += t.Missing
		}
	}
	return found
}

// waiting is what audits could not heal. Each run tries again.
func (a *Audit) waiting() []Waiting {
	if a == nil || a.Missing == 0 {
		return nil
	}
	return []Waiting{{WorkflowID: a.WorkflowID, What: fmt.Sprintf(
		"%d versions are missing after healing: its details in the Temporal UI say in which time ranges and why", a.Missing)}}
}
