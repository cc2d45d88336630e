package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
)

// Failed is an execution that ended before it was done, and that no later run has made
// good.
type Failed struct {
	WorkflowID string `json:"workflowId"`
	// Status is "failed", "terminated" (by somebody) or "timed out".
	Status string    `json:"status"`
	Closed time.Time `json:"closed"`
	// What it means, and Do what to do about it.
	What string `json:"what"`
	Do   string `json:"do"`

	window *cdc.Window // of a window
}

const (
	// mostEnded bounds how many executions that ended before they were done are looked
	// at, the newest first; most of them may have been made good.
	mostEnded = 500
	// mostFailed bounds how many of them the report names.
	mostFailed = 50
	// severalWindows are so many that an audit of their time is less work than a
	// command for each.
	severalWindows = 5
)

func endedQuery() string {
	return fmt.Sprintf("ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut') AND WorkflowType IN ('%s')",
		strings.Join([]string{
			cdc.WorkflowCaptureWindow, cdc.WorkflowCaptureSlice, cdc.WorkflowCaptureRange, cdc.WorkflowPublishDelete, cdc.WorkflowAudit,
		}, "', '"))
}

// failed lists what ended before it was done, within the namespace's retention.
func (c *collection) failed(ctx context.Context) error {
	total, err := c.count(ctx, endedQuery())
	if err != nil {
		return err
	}
	ended, err := c.list(ctx, endedQuery(), mostEnded)
	if err != nil {
		return err
	}
	slicesOf := make(map[string]int) // by parent
	seen := make(map[string]bool)
	for _, info := range ended {
		id := info.GetExecution().GetWorkflowId()
		if seen[id] {
			continue // an earlier run of the same
		}
		seen[id] = true
		if parent, _, _, _, err := cdc.ParseSliceID(id); err == nil {
			slicesOf[parent]++
			continue
		}
		f, ours := c.failure(info)
		if !ours {
			continue
		}
		good, err := c.madeGood(ctx, info, f)
		if err != nil {
			return err
		}
		if !good {
			c.report.Failed = append(c.report.Failed, f)
		}
	}
	if err := c.failedSlices(ctx, slicesOf); err != nil {
		return err
	}
	c.sumUpFailed()
	if total > mostEnded {
		c.report.Notes = append(c.report.Notes, fmt.Sprintf("of %d executions that failed or were terminated the %d newest were looked at", total, mostEnded))
	}
	return nil
}

// failure says what it means that an execution ended before it was done. ours is false
// for those that are others', or another execution's matter: a range starts its audit
// again, and a dry run does nothing.
func (c *collection) failure(info *workflowpb.WorkflowExecutionInfo) (f Failed, ours bool) {
	id := info.GetExecution().GetWorkflowId()
	f = Failed{WorkflowID: id, Status: endedText(info.GetStatus()), Closed: info.GetCloseTime().AsTime()}
	configured := func(datastore string) bool { return slices.Contains(c.Datastores, datastore) }
	if w, _, err := cdc.ParseWindowID(id); err == nil {
		f.window = &w
		f.What = "what it had not published is missing"
		f.Do = fmt.Sprintf("`starter capture --at %s --datastore %s` runs it again: the rerun knows what was published", clock(w.Start), w.Datastore)
		return f, configured(w.Datastore)
	}
	if name, err := cdc.ParseReplayID(id); err == nil {
		f.What = "what it had not published was not published again; its name stays taken"
		f.Do = fmt.Sprintf("start the replay %s again under another --name", name)
		return f, true
	}
	if name, err := cdc.ParseBackfillID(id); err == nil {
		f.What = "what it had not published is missing; its name stays taken"
		f.Do = fmt.Sprintf("start the backfill %s again under another --name", name)
		return f, true
	}
	if datastore, _, err := cdc.ParseDeleteID(id); err == nil {
		f.What = "the delete was not published"
		f.Do = fmt.Sprintf("`temporal workflow reset --workflow-id %s --type FirstWorkflowTask --reason again` runs it again", id)
		return f, configured(datastore)
	}
	if datastore, err := cdc.ParseScheduledAuditID(id); err == nil {
		f.What = "the time since the last audit that completed is not audited"
		f.Do = "the next audit of its schedule goes on from the last one that completed; the Temporal UI says why this one ended"
		return f, configured(datastore)
	}
	if _, _, err := cdc.ParseRangeAuditID(id); err == nil {
		return f, false
	}
	for _, datastore := range c.Datastores {
		if strings.HasPrefix(id, cdc.AuditScheduleID(datastore)+"/") {
			f.What = "its time range is not audited"
			f.Do = "`starter audit` of the same --since and --until runs it again; the Temporal UI says why this one ended"
			return f, true
		}
	}
	return f, false
}

func endedText(status enumspb.WorkflowExecutionStatus) string {
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return "terminated"
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return "timed out"
	default:
		return "failed"
	}
}

// madeGood reports whether a later run took over: another of the same ID (an operator
// may reset any execution), a window's next rerun, or the next audit of a schedule. A
// rerun that has failed too is listed by itself.
func (c *collection) madeGood(ctx context.Context, info *workflowpb.WorkflowExecutionInfo, f Failed) (bool, error) {
	latest, err := c.describe(ctx, f.WorkflowID)
	if err != nil {
		return false, err
	}
	if latest == nil || latest.GetExecution().GetRunId() != info.GetExecution().GetRunId() {
		return true, nil // expired since it was listed, or followed by another run
	}
	if w, n, err := cdc.ParseWindowID(f.WorkflowID); err == nil {
		next, err := c.describe(ctx, w.RerunID(n+1))
		return next != nil, err
	}
	if datastore, err := cdc.ParseScheduledAuditID(f.WorkflowID); err == nil {
		for _, store := range c.report.Stores {
			if store.Datastore == datastore {
				return store.Audit != nil && store.Audit.Closed.After(f.Closed), nil
			}
		}
	}
	return false, nil
}

// describe looks at the latest run of an ID; nil when there is none.
func (c *collection) describe(ctx context.Context, id string) (*workflowpb.WorkflowExecutionInfo, error) {
	described, err := c.Temporal.DescribeWorkflowExecution(ctx, id, "")
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return nil, nil //nolint:nilnil // none
	}
	if err != nil {
		return nil, fmt.Errorf("describing %s: %w", id, err)
	}
	return described.GetWorkflowExecutionInfo(), nil
}

// failedSlices lists the open windows and ranges of which slices have ended before
// they were done. Such a parent starts another slice by itself; one that has failed
// too is listed itself, and one that has completed has done without.
func (c *collection) failedSlices(ctx context.Context, slicesOf map[string]int) error {
	for parent, n := range slicesOf {
		info, err := c.describe(ctx, parent)
		if err != nil {
			return err
		}
		if info != nil && cdc.IsOpen(info.GetStatus()) {
			c.report.Waiting = append(c.report.Waiting, Waiting{WorkflowID: parent, What: fmt.Sprintf(
				"%d of its slices failed or were terminated: it starts others by itself; the Temporal UI says why they ended", n)})
		}
	}
	return nil
}

// sumUpFailed puts the windows first, the oldest before the others, whose ledgers
// expire first, and names no more than mostFailed.
func (c *collection) sumUpFailed() {
	r := &c.report
	var span cdc.Span
	windows := 0
	for _, f := range r.Failed {
		if f.window == nil {
			continue
		}
		if windows++; windows == 1 || f.window.Start.Before(span.From) {
			span.From = f.window.Start
		}
		if f.window.End().After(span.To) {
			span.To = f.window.End()
		}
	}
	slices.SortStableFunc(r.Failed, func(a, b Failed) int {
		rank := func(f Failed) int {
			if f.window != nil {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Closed.Compare(b.Closed))
	})
	r.FailedTotal = len(r.Failed)
	r.Failed = r.Failed[:min(len(r.Failed), mostFailed)]
	if windows >= severalWindows {
		r.Notes = append(r.Notes, fmt.Sprintf("%d windows ended before they were done: `starter audit --since %s --until %s --wait` runs those of them again that miss something, within the audit's horizon",
			windows, clock(span.From), clock(span.To)))
	}
}
