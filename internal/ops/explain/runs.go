package explain

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// Runs is what is asked of Temporal: always by the ID of a window, a slice or a
// replay, none of which names a resource.
type Runs interface {
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	GetWorkflowHistory(ctx context.Context, workflowID, runID string, isLongPoll bool, filter enumspb.HistoryEventFilterType) client.HistoryEventIterator
	QueryWorkflow(ctx context.Context, workflowID, runID, queryType string, args ...any) (converter.EncodedValue, error)
	ListWorkflow(ctx context.Context, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
}

// Ledgers reads the ledger of a closed execution.
type Ledgers interface {
	Closed(ctx context.Context, workflowID string) (cdc.Ledger, error)
}

// mostGaps is how many runs in a row may be missing before no further one is
// looked for: the first runs of a window expire before its reruns.
const mostGaps = 4

// capture is what Temporal has of the version's window.
type capture struct {
	runs []Run
	// open is the index of the run that is open, -1 without one.
	open int
	// first is the index of the first run whose ledger has the version, -1
	// without one; skipped tells that it stands there as skipped.
	first   int
	skipped bool
	// pending are the activities under way in the open run.
	pending []*workflowpb.PendingActivityInfo
	// types are what the open run sweeps.
	types []string
}

func isOpen(status enumspb.WorkflowExecutionStatus) bool {
	return status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING || status == enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED
}

// capture looks at every run of the window.
func (e *Explainer) capture(ctx context.Context, window cdc.Window, version cdc.Version) (capture, error) {
	c := capture{open: -1, first: -1}
	var unreadable error
	for n, gaps := 0, 0; gaps < mostGaps; n++ {
		id := window.RerunID(n)
		described, err := e.Runs.DescribeWorkflowExecution(ctx, id, "")
		var notFound *serviceerror.NotFound
		if errors.As(err, &notFound) {
			gaps++
			continue
		}
		if err != nil {
			return c, fmt.Errorf("asking Temporal for %s: %w", id, err)
		}
		gaps = 0
		info := described.GetWorkflowExecutionInfo()
		run := Run{
			WorkflowID: id, Status: statusText(info.GetStatus()), Started: info.GetStartTime().AsTime(),
			URL: e.url(id, info.GetExecution().GetRunId()),
		}
		if info.GetCloseTime() != nil {
			run.Closed = info.GetCloseTime().AsTime()
		}
		if err := e.cause(ctx, &run, &c); err != nil {
			return c, err
		}
		if isOpen(info.GetStatus()) {
			c.open, c.pending = len(c.runs), described.GetPendingActivities()
		} else if err := e.ledger(ctx, &run, &c, version); err != nil {
			unreadable = err
		}
		c.runs = append(c.runs, run)
	}
	if unreadable != nil && c.first < 0 && c.open < 0 {
		return c, unreadable
	}
	return c, nil
}

// cause reads what opened a run from its first event.
func (e *Explainer) cause(ctx context.Context, run *Run, c *capture) error {
	events := e.Runs.GetWorkflowHistory(ctx, run.WorkflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return nil
	}
	event, err := events.Next()
	if err != nil {
		return fmt.Errorf("reading history of %s: %w", run.WorkflowID, err)
	}
	var in cdc.CaptureWindowInput
	if err := e.Converter.FromPayloads(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in); err != nil {
		return fmt.Errorf("input of %s cannot be decoded: is its payload key in CDC_PAYLOAD_KEYS?", run.WorkflowID)
	}
	run.CapturedBy, run.SourceTime, run.Skips = in.CapturedBy, in.SourceTime, in.Skip
	c.types = in.Types
	return nil
}

// ledger reads a closed run's.
func (e *Explainer) ledger(ctx context.Context, run *Run, c *capture, version cdc.Version) error {
	ledger, err := e.Ledgers.Closed(ctx, run.WorkflowID)
	if err != nil {
		if cdc.ClassOf(err) == cdc.ClassOpen {
			return fmt.Errorf("a slice of %s has not closed yet: ask again in a moment", run.WorkflowID)
		}
		return fmt.Errorf("reading the ledger of %s: %w", run.WorkflowID, err)
	}
	run.Swept, run.Has = ledger.Swept(version.Type), ledger.Has(version)
	if run.Has && c.first < 0 {
		c.first = len(c.runs)
		c.skipped = !ledger.HasPublished(version)
	}
	return nil
}

func statusText(status enumspb.WorkflowExecutionStatus) string {
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED:
		return "open"
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return "closed"
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return "terminated"
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return "cancelled"
	default:
		return "failed"
	}
}
