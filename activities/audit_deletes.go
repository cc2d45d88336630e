package activities

import (
	"context"
	"fmt"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/cdc"
)

// deletesEarly is how long before a delete's own time its execution may have begun:
// clocks differ.
const deletesEarly = time.Minute

// mostDeletesKept bounds what a process remembers of deletes: spans that lie close
// together count the same ones.
const mostDeletesKept = 50_000

// deleteResults remembers what closed deletes have left, by workflow ID.
type deleteResults struct {
	mu    sync.Mutex
	known map[string]cdc.PublishDeleteResult
}

func (d *deleteResults) get(id string) (cdc.PublishDeleteResult, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	result, ok := d.known[id]
	return result, ok
}

func (d *deleteResults) put(id string, result cdc.PublishDeleteResult) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= mostDeletesKept {
		d.known = make(map[string]cdc.PublishDeleteResult)
	}
	d.known[id] = result
}

// countDeletes counts by type the deletes of the span that were published. What a
// record told of a type that it did not name is nobody's.
func (a *Activities) countDeletes(ctx context.Context, datastore string, span cdc.Span, beat func()) (map[string]cdc.DeleteCounts, error) {
	query := fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Completed' AND StartTime >= '%s' AND WorkflowId STARTS_WITH '%s'",
		cdc.WorkflowPublishDelete, span.From.Add(-deletesEarly).UTC().Format(time.RFC3339), cdc.DeleteID(datastore, ""))
	type execution struct{ id, runID string }
	var closed []execution
	err := a.eachExecution(ctx, query, func(info *workflowpb.WorkflowExecutionInfo) {
		id := info.GetExecution().GetWorkflowId()
		if of, _, err := cdc.ParseDeleteID(id); err == nil && of == datastore {
			closed = append(closed, execution{id, info.GetExecution().GetRunId()})
		}
	})
	if err != nil {
		return nil, err
	}
	beat()
	results := make([]cdc.PublishDeleteResult, len(closed))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for i, run := range closed {
		group.Go(func() (err error) {
			results[i], err = a.deleteResult(groupCtx, run.id, run.runID)
			beat()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	counts := make(map[string]cdc.DeleteCounts)
	for _, result := range results {
		if result.Skipped || !span.Contains(result.EventTime) {
			continue
		}
		of := counts[result.Type]
		if result.Exact {
			of.Exact++
		} else {
			of.Unresolved++
		}
		counts[result.Type] = of
	}
	return counts, nil
}

// deleteResult is what a closed delete has left: its result, or, of an execution of
// before there was one, what its input says. One that is gone or cannot be decoded
// counts as none: statements prove nothing of deletes.
func (a *Activities) deleteResult(ctx context.Context, id, runID string) (cdc.PublishDeleteResult, error) {
	if known, ok := a.deletes.get(id); ok {
		return known, nil
	}
	var result cdc.PublishDeleteResult
	if err := a.Runs.GetWorkflow(ctx, id, runID).Get(ctx, &result); err != nil {
		if classOfFailure(a.unreadResult(ctx, id, err)) != cdc.ClassLedger {
			return result, fmt.Errorf("reading result of delete: %w", err)
		}
		a.Logger.Warn("a delete's result cannot be decoded and is not counted", "delete", id)
		result = cdc.PublishDeleteResult{}
	} else if result.EventTime.IsZero() {
		result = a.deleteInput(ctx, id, runID)
	}
	if ctx.Err() == nil {
		a.deletes.put(id, result)
	}
	return result, nil
}

// deleteInput is what the input of a delete says of it.
func (a *Activities) deleteInput(ctx context.Context, id, runID string) cdc.PublishDeleteResult {
	events := a.Runs.GetWorkflowHistory(ctx, id, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return cdc.PublishDeleteResult{}
	}
	var in cdc.PublishDeleteInput
	event, err := events.Next()
	if err == nil {
		err = a.Converter.FromPayloads(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in)
	}
	if err != nil {
		a.Logger.Warn("a delete's input cannot be decoded and is not counted", "delete", id)
		return cdc.PublishDeleteResult{}
	}
	return cdc.PublishDeleteResult{Type: in.Delete.Type, EventTime: in.Delete.EventTime, Exact: in.Delete.ResourceID != ""}
}
