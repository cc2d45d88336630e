package status

import (
	"context"
	"fmt"
	"slices"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

const (
	maxWaiting = 200
	// patience is how long after its last pass was due a window may be open before it is
	// reported.
	patience = cdc.MaxDelay
)

// waitForOperator lists what waits for an operator: by CdcState where our search
// attributes are registered. Elsewhere the open slices and deletes are queried here, and
// the open windows store by store.
func (c *collection) waitForOperator(ctx context.Context) error {
	query := temporal.Waiting()
	if !c.Attributes {
		query = temporal.OfType(cdc.WorkflowCaptureSlice, cdc.WorkflowPublishDelete).Running()
	}
	found, err := c.Executions.List(ctx, query, maxWaiting)
	if err != nil {
		return err
	}
	if len(found) == maxWaiting {
		c.note("of what waits for an operator at most %d are listed", maxWaiting)
	}
	slices.SortStableFunc(found, func(a, b *workflowpb.WorkflowExecutionInfo) int {
		return a.GetStartTime().AsTime().Compare(b.GetStartTime().AsTime())
	})
	for i, info := range found {
		id := info.GetExecution().GetWorkflowId()
		var p *cdc.Progress
		if i < maxQueries {
			p = c.progress(ctx, id)
		}
		switch {
		case p != nil: // visibility lags: it may wait no more
			c.report.Waiting = append(c.report.Waiting, waitingIn(id, p)...)
		case c.Attributes:
			c.queried[id] = true
			c.report.Waiting = append(c.report.Waiting, Waiting{
				WorkflowID: id, Operator: true, What: "something was rejected or cannot be read: see it in the Temporal UI",
			})
		}
	}
	return nil
}

// openWindows queries the oldest open windows, and reports those that are open for
// unusually long.
func (c *collection) openWindows(ctx context.Context, open []window) {
	queries := 0
	for _, w := range slices.Backward(open) {
		if c.queried[w.id] {
			continue
		}
		var found []Waiting
		if queries < maxQueries {
			queries++
			found = waitingIn(w.id, c.progress(ctx, w.id))
		}
		if late := c.report.At.Sub(c.lastPass(w)); late > patience && len(found) == 0 {
			found = append(found, Waiting{WorkflowID: w.id, Operator: true,
				What: fmt.Sprintf("open %s after its last pass was due: see it in the Temporal UI", late.Round(time.Second))})
		}
		c.report.Waiting = append(c.report.Waiting, found...)
	}
}

// lastPass is when a window's last configured pass was due: by these settings, or when it
// was opened where that was later.
func (c *collection) lastPass(w window) time.Time {
	due := w.End().Add(c.Passes[len(c.Passes)-1])
	if w.opened.After(due) {
		return w.opened
	}
	return due
}

// waitingIn is what waits in a window, a slice, a replay, a backfill or a delete: for an
// operator, or for the next try after a failure.
func waitingIn(id string, p *cdc.Progress) []Waiting {
	if p == nil {
		return nil
	}
	var found []Waiting
	for _, failing := range p.Failing {
		if !slices.Contains(p.Waiting, failing) {
			found = append(found, Waiting{
				WorkflowID: id, Type: failing.Type, Class: failing.Class, What: failing.Text() + ": it is tried again",
			})
		}
	}
	_, _, err := cdc.ParseDeleteID(id)
	isDelete := err == nil
	for _, wait := range p.Waiting {
		what := wait.Text()
		switch {
		case wait.Ledger:
			what += ": its history has expired, or its key is not in CDC_PAYLOAD_KEYS"
		case wait.Bus:
			what += ": check that it exists and that the workers may put events on it"
		case wait.Versions == 0 && isDelete:
			what = "the resource cannot be read, so its delete is not confirmed"
		case wait.Versions > 0:
			what += "; the log has the error code, and so has `starter explain` of a version"
		}
		found = append(found, Waiting{WorkflowID: id, Type: wait.Type, Class: wait.Class, What: what, Operator: true})
	}
	return found
}
