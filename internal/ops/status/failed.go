package status

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// Failed is an execution that ended before it was done, and that no later run has
// repaired.
type Failed struct {
	WorkflowID string `json:"workflowId"`
	// Status is "failed", "terminated" (by somebody) or "timed out".
	Status string    `json:"status"`
	Closed time.Time `json:"closed"`
	// What it means, and Do what to do about it.
	What string `json:"what"`
	Do   string `json:"do"`
}

const (
	// maxEnded bounds those that are looked at, maxFailed those that the report names: most
	// may have been repaired.
	maxEnded  = 500
	maxFailed = 50
	// manyWindows are so many that one audit is less work than a command for each.
	manyWindows = 5
)

// failed lists what ended before it was done, within the namespace's retention.
func (c *collection) failed(ctx context.Context) error {
	ended, err := c.Executions.List(ctx, temporal.OfType(
		cdc.WorkflowCaptureWindow, cdc.WorkflowCaptureSlice, cdc.WorkflowCaptureRange, cdc.WorkflowPublishDelete, cdc.WorkflowAudit,
	).WithStatus("Failed", "Terminated", "TimedOut"), maxEnded)
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
		what, do, ours := c.consequence(id)
		if !ours {
			continue
		}
		repaired, err := c.repaired(ctx, info)
		if err != nil {
			return err
		}
		if !repaired {
			c.report.Failed = append(c.report.Failed, Failed{
				WorkflowID: id, Status: temporal.StatusText(info.GetStatus()), Closed: info.GetCloseTime().AsTime(), What: what, Do: do,
			})
		}
	}
	if err := c.failedSlices(ctx, slicesOf); err != nil {
		return err
	}
	c.sumUpFailed()
	if len(ended) == maxEnded {
		c.note("of the executions that failed or were terminated the %d newest were looked at", maxEnded)
	}
	return nil
}

// consequence says what it means that an execution ended before it was done, and what to
// do about it. ours is false where nothing is to be done here: it belongs to others, or a
// backfill starts its audit again, or it was a dry run.
func (c *collection) consequence(id string) (what, do string, ours bool) {
	configured := func(datastore string) bool { return slices.Contains(c.Datastores, datastore) }
	if w, _, err := cdc.ParseWindowID(id); err == nil {
		return "what it had not published is missing",
			fmt.Sprintf("`starter capture --at %s --datastore %s` runs it again: the rerun knows what was published", clock(w.Start), w.Datastore),
			configured(w.Datastore)
	}
	if _, replay, err := cdc.ParseRangeID(id); err == nil {
		what = "what it had not published is missing; its name stays in use"
		if replay {
			what = "what it had not published was not published again; its name stays in use"
		}
		return what, fmt.Sprintf("start %s again under another --name", id), true
	}
	if datastore, _, err := cdc.ParseDeleteID(id); err == nil {
		return "the delete was not published",
			fmt.Sprintf("`temporal workflow reset --workflow-id %s --type FirstWorkflowTask --reason again` runs it again", id), configured(datastore)
	}
	if datastore, err := cdc.ParseScheduledAuditID(id); err == nil {
		return "the time since the last audit that completed is not audited",
			"the next scheduled audit continues from the last one that completed; the Temporal UI says why this one ended", configured(datastore)
	}
	other := strings.TrimPrefix(id, cdc.AuditScheduleID("")) // an audit of a time range, an import or a job
	datastore, _, _ := strings.Cut(other, "/")
	return "its time range is not audited",
		"`starter audit` of the same --since and --until runs it again; the Temporal UI says why this one ended", configured(datastore)
}

// repaired reports whether a later run took over: another of the same ID (an operator may
// reset any execution), a window's next rerun, or the next audit of a schedule. A rerun
// that has failed too is listed by itself.
func (c *collection) repaired(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) (bool, error) {
	id := info.GetExecution().GetWorkflowId()
	latest, err := c.Executions.Latest(ctx, id)
	if err != nil {
		return false, err
	}
	if latest.GetExecution().GetRunId() != info.GetExecution().GetRunId() {
		return true, nil // expired since it was listed, or followed by another run
	}
	if w, n, err := cdc.ParseWindowID(id); err == nil {
		next, err := c.Executions.Latest(ctx, w.RerunID(n+1))
		return next != nil, err
	}
	if datastore, err := cdc.ParseScheduledAuditID(id); err == nil {
		for _, store := range c.report.Stores {
			if store.Datastore == datastore {
				return store.Audit != nil && store.Audit.Closed.After(info.GetCloseTime().AsTime()), nil
			}
		}
	}
	return false, nil
}

// failedSlices lists the open executions whose slices have ended before they were done.
// Such a parent starts another slice by itself; one that has failed too is listed itself,
// and one that has completed did without.
func (c *collection) failedSlices(ctx context.Context, slicesOf map[string]int) error {
	for parent, n := range slicesOf {
		info, err := c.Executions.Latest(ctx, parent)
		if err != nil {
			return err
		}
		if cdc.IsOpen(info.GetStatus()) {
			c.report.Waiting = append(c.report.Waiting, Waiting{WorkflowID: parent, What: fmt.Sprintf(
				"%d of its slices failed or were terminated: it starts others by itself; the Temporal UI says why they ended", n)})
		}
	}
	return nil
}

// sumUpFailed puts the windows first, whose ledgers expire, the oldest before the others,
// and names no more than maxFailed.
func (c *collection) sumUpFailed() {
	r := &c.report
	slices.SortStableFunc(r.Failed, func(a, b Failed) int { return a.Closed.Compare(b.Closed) })
	var windows []cdc.Window
	ofWindows, others := []Failed{}, []Failed{}
	for _, f := range r.Failed {
		if w, _, err := cdc.ParseWindowID(f.WorkflowID); err == nil {
			windows, ofWindows = append(windows, w), append(ofWindows, f)
		} else {
			others = append(others, f)
		}
	}
	r.FailedTotal = len(r.Failed)
	r.Failed = append(ofWindows, others...)[:min(r.FailedTotal, maxFailed)]
	if len(windows) >= manyWindows {
		byStart := func(a, b cdc.Window) int { return a.Start.Compare(b.Start) }
		c.note("%d windows ended before they were done: `starter audit --since %s --until %s --wait` reruns those that miss something, within the audit's horizon",
			len(windows), clock(slices.MinFunc(windows, byStart).Start), clock(slices.MaxFunc(windows, byStart).End()))
	}
}
