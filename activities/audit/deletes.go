package audit

import (
	"context"
	"errors"
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

const (
	// deletesEarly is how long before a delete's own time its execution may have begun:
	// clocks differ.
	deletesEarly = time.Minute
	// deletesLate is how long after a delete its execution is looked for where it has
	// no CdcWindowStart: enough for a fleet that was down for a day. The bound keeps an
	// audit of an old span from reading every delete since.
	deletesLate = 24 * time.Hour
	// deletesMargin is added on both sides to a search by CdcWindowStart: SQL stores
	// keep times less exactly than events have them.
	deletesMargin = time.Second
)

// maxDeletesKept bounds what a process remembers of deletes: spans that lie close
// together count the same ones.
const maxDeletesKept = 50_000

// deleteResults are the results of closed deletes, by workflow ID.
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
	if d.known == nil || len(d.known) >= maxDeletesKept {
		d.known = make(map[string]cdc.PublishDeleteResult)
	}
	d.known[id] = result
}

// deletesQuery finds the deletes of the span that have closed, and perhaps others: by
// the event's time, or, where our search attributes are not registered, by their start.
func deletesQuery(in cdc.AuditSpanInput) temporal.Query {
	at, from, to := cdc.AttrWindowStart.GetName(), in.Span.From.Add(-deletesMargin), in.Span.To.Add(deletesMargin)
	if !in.Attributes {
		at, from, to = temporal.StartTime, in.Span.From.Add(-deletesEarly), in.Span.To.Add(deletesLate)
	}
	// Every listing of ours names the beginning of the IDs last.
	return temporal.OfType(cdc.WorkflowPublishDelete).WithStatus("Completed").Since(at, from).Before(at, to).
		WithPrefix(cdc.DeleteID(in.Datastore, ""))
}

// countDeletes counts by type what became of the deletes of the span. Those that name no
// type are in no statement.
func (s *spanAudit) countDeletes(ctx context.Context) (map[string]cdc.DeleteCounts, error) {
	closed, err := s.closedDeletes(ctx, s.in)
	var invalid *serviceerror.InvalidArgument
	if s.in.Attributes && errors.As(err, &invalid) {
		s.Logger.Warn("Temporal does not list deletes by CdcWindowStart: listing them by the time of their start", "error", err)
		in := s.in
		in.Attributes = false
		closed, err = s.closedDeletes(ctx, in)
	}
	if err != nil {
		return nil, err
	}
	s.heartbeat.record(ctx)
	results := make([]cdc.PublishDeleteResult, len(closed))
	if err := s.heartbeat.sideBySide(ctx, len(closed), func(ctx context.Context, i int) (err error) {
		results[i], err = s.deleteResult(ctx, closed[i].GetWorkflowId(), closed[i].GetRunId())
		return err
	}); err != nil {
		return nil, err
	}
	counts := make(map[string]cdc.DeleteCounts)
	for _, result := range results {
		if result.Skipped || !s.in.Span.Contains(result.EventTime) {
			continue
		}
		of := counts[result.Type]
		switch {
		case result.Contradicted:
			of.Contradicted++
		case result.Exact:
			of.Exact++
		default:
			of.Unresolved++
		}
		counts[result.Type] = of
	}
	return counts, nil
}

// closedDeletes are the deletes that the query finds of the store.
func (a *Activities) closedDeletes(ctx context.Context, in cdc.AuditSpanInput) (closed []*commonpb.WorkflowExecution, err error) {
	found, err := a.Executions.List(ctx, deletesQuery(in), 0)
	for _, info := range found {
		if of, _, err := cdc.ParseDeleteID(info.GetExecution().GetWorkflowId()); err == nil && of == in.Datastore {
			closed = append(closed, info.GetExecution())
		}
	}
	return closed, err
}

// deleteResult is a closed delete's result. One that is gone or cannot be decoded
// counts as none: statements prove nothing of deletes.
func (a *Activities) deleteResult(ctx context.Context, id, runID string) (cdc.PublishDeleteResult, error) {
	if known, ok := a.deletes.get(id); ok {
		return known, nil
	}
	var result cdc.PublishDeleteResult
	if err := a.Executions.Result(ctx, id, runID, &result); err != nil {
		if !temporal.IsNotFound(err) && !errors.Is(err, temporal.ErrUndecodable) {
			return result, err
		}
		a.Logger.Warn("a delete's result cannot be decoded and is not counted", "delete", id)
		result = cdc.PublishDeleteResult{}
	}
	if ctx.Err() == nil {
		a.deletes.put(id, result)
	}
	return result, nil
}
