package status

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// mostWaiting bounds how many executions that wait for an operator are listed.
const mostWaiting = 200

// operator lists what waits for an operator: by CdcState where our search
// attributes are registered. Elsewhere the open slices are asked here, and the
// open windows store by store.
func (c *collection) operator(ctx context.Context) error {
	query := temporal.WaitingQuery()
	if !c.Attributes {
		query = fmt.Sprintf("WorkflowType = '%s' AND %s", cdc.WorkflowCaptureSlice, running)
	}
	found, err := c.list(ctx, query, mostWaiting)
	if err != nil {
		return err
	}
	if len(found) == mostWaiting {
		c.report.Notes = append(c.report.Notes, fmt.Sprintf("of what waits for an operator at most %d are listed", mostWaiting))
	}
	slices.SortStableFunc(found, func(a, b *workflowpb.WorkflowExecutionInfo) int {
		return a.GetStartTime().AsTime().Compare(b.GetStartTime().AsTime())
	})
	for i, info := range found {
		id := info.GetExecution().GetWorkflowId()
		var p *cdc.Progress
		if i < mostQueries {
			p = c.ask(ctx, id)
		}
		switch {
		case p != nil: // visibility lags: it may wait no more
			c.report.Waiting = append(c.report.Waiting, holdUps(id, p)...)
		case c.Attributes:
			c.asked[id] = true
			c.report.Waiting = append(c.report.Waiting, Waiting{
				WorkflowID: id, Operator: true, What: "something was refused for good: the Temporal UI says what",
			})
		}
	}
	return nil
}

// ask asks an execution for its progress, once.
func (c *collection) ask(ctx context.Context, id string) *cdc.Progress {
	c.asked[id] = true
	return c.progress(ctx, id)
}

// waiting asks the oldest open windows what holds them up.
func (c *collection) waiting(ctx context.Context, open []window) {
	asked := 0
	for _, w := range slices.Backward(open) {
		if c.asked[w.id] {
			continue
		}
		var found []Waiting
		if asked < mostQueries {
			asked++
			found = holdUps(w.id, c.ask(ctx, w.id))
		}
		if late := c.report.At.Sub(c.lastPass(w)); late > patience && len(found) == 0 {
			found = append(found, Waiting{WorkflowID: w.id, Operator: true,
				What: fmt.Sprintf("open %s after its last pass was due: look at it in the Temporal UI", late.Round(time.Second))})
		}
		c.report.Waiting = append(c.report.Waiting, found...)
	}
}

// lastPass is when a window's last configured pass was due: by these settings,
// or when it was opened where that was later.
func (c *collection) lastPass(w window) time.Time {
	due := w.End()
	if n := len(c.Passes); n > 0 {
		due = due.Add(c.Passes[n-1])
	}
	if w.opened.After(due) {
		return w.opened
	}
	return due
}

// deletes tells of deletes that have not been published for long.
func (c *collection) deletes(ctx context.Context) error {
	query := fmt.Sprintf("WorkflowType = '%s' AND %s AND StartTime < '%s'",
		cdc.WorkflowPublishDelete, running, c.report.At.Add(-patience).Format(time.RFC3339Nano))
	late, err := c.list(ctx, query, mostQueries)
	if err != nil {
		return err
	}
	for _, info := range late {
		id := info.GetExecution().GetWorkflowId()
		if c.asked[id] {
			continue
		}
		c.report.Waiting = append(c.report.Waiting, Waiting{
			WorkflowID: id, Operator: true,
			What: fmt.Sprintf("a delete is not published since %s: look at it in the Temporal UI", info.GetStartTime().AsTime().Format(time.RFC3339)),
		})
	}
	return nil
}

// holdUps is what does not go on in a window, a slice, a range or a delete: what waits
// for an operator, and what fails and is tried again by itself.
func holdUps(id string, p *cdc.Progress) []Waiting {
	if p == nil {
		return nil
	}
	var found []Waiting
	for _, name := range slices.Sorted(maps.Keys(p.Unavailable)) {
		waits := func(w cdc.Wait) bool { return w.Type == name && w.Versions == 0 }
		if !slices.ContainsFunc(p.Waiting, waits) {
			class := p.Unavailable[name]
			found = append(found, Waiting{
				WorkflowID: id, Type: name, Class: class, What: fmt.Sprintf("the type %s cannot be read (%s): it is tried again", name, class),
			})
		}
	}
	for _, wait := range p.Waiting {
		what := wait.Text()
		switch {
		case wait.Ledger:
			what += ": its history has expired, or its key is not in CDC_PAYLOAD_KEYS"
		case wait.Bus:
			what += ": see that it exists and that the workers may put events on it"
		case wait.Versions == 0 && isDelete(id):
			what = "the resource cannot be read, so its delete is not confirmed"
		case wait.Versions > 0:
			what += "; the code is in the log, and of a version in `starter explain`"
		}
		found = append(found, Waiting{WorkflowID: id, Type: wait.Type, Class: wait.Class, What: what, Operator: true})
	}
	return found
}

func isDelete(id string) bool {
	_, _, err := cdc.ParseDeleteID(id)
	return err == nil
}
