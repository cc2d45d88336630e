package status

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/temporal"
)

// Temporal is what is asked of Temporal.
type Temporal interface {
	CountWorkflow(ctx context.Context, request *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error)
	ListWorkflow(ctx context.Context, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
	QueryWorkflow(ctx context.Context, workflowID, runID, queryType string, args ...any) (converter.EncodedValue, error)
	GetWorkflowHistory(ctx context.Context, workflowID, runID string, isLongPoll bool, filter enumspb.HistoryEventFilterType) client.HistoryEventIterator
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	DescribeTaskQueue(ctx context.Context, taskQueue string, kind enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error)
}

// Collector holds what collecting needs.
type Collector struct {
	Temporal  Temporal
	Converter converter.DataConverter
	Namespace string
	TaskQueue string
	// Types are the resource types of each datastore.
	Types      map[string][]string
	Datastores []string
	Passes     []time.Duration
	// Lookback is how far back windows are looked at.
	Lookback time.Duration
	// Attributes tells whether our search attributes are registered.
	Attributes bool
	// Retention tells what is amiss with the namespace's retention, empty when
	// nothing is.
	Retention func(ctx context.Context) string
	// Queues asks SQS; an error is a note in the report.
	Queues func(ctx context.Context) (queue, dlq *queue.Depth, err error)
	Now    func() time.Time
}

const (
	// mostOpen and mostRecent bound how many windows of a store are listed.
	mostOpen   = 1000
	mostRecent = 500
	// mostQueries bounds the open executions of a store that are asked for their
	// progress, the oldest first: each query is billed as an action.
	mostQueries = 10
	// mostRead bounds the windows of a store whose history is read.
	mostRead = 8
	// queryTimeout bounds a query, which without a worker is not answered.
	queryTimeout = 10 * time.Second
	// patience is how long after its last pass was due an open window is nothing
	// unusual: the longest delay of a further pass, or between two tries.
	patience = 15 * time.Minute
)

// collection is one collecting.
type collection struct {
	*Collector
	report Report
	// unanswered is set when a query was not answered: no more are made. undecoded is
	// set when an answer could not be decoded.
	unanswered, undecoded bool
	// asked are the executions that were asked what they wait for.
	asked map[string]bool
}

// Collect asks Temporal and SQS how everything stands.
func (c *Collector) Collect(ctx context.Context) (Report, error) {
	now := c.Now().UTC()
	run := &collection{Collector: c, asked: make(map[string]bool), report: Report{
		At: now, Lookback: c.Lookback.Seconds(),
		Stores: []Store{}, Ranges: []Range{}, Audits: []Range{}, Waiting: []Waiting{}, Failed: []Failed{}, Workers: []Worker{},
	}}
	if err := run.workers(ctx); err != nil {
		return Report{}, err
	}
	if err := run.operator(ctx); err != nil {
		return Report{}, err
	}
	for _, datastore := range c.Datastores {
		if err := run.store(ctx, datastore); err != nil {
			return Report{}, err
		}
	}
	var err error
	if run.report.Ranges, err = run.open(ctx, cdc.WorkflowCaptureRange); err != nil {
		return Report{}, err
	}
	if run.report.Audits, err = run.open(ctx, cdc.WorkflowAudit); err != nil {
		return Report{}, err
	}
	if err := run.deletes(ctx); err != nil {
		return Report{}, err
	}
	if err := run.failed(ctx); err != nil {
		return Report{}, err
	}
	if run.report.Queue, run.report.DLQ, err = c.Queues(ctx); err != nil {
		run.report.QueueNote = err.Error()
	}
	run.notes()
	if amiss := c.Retention(ctx); amiss != "" {
		run.report.Notes = append(run.report.Notes, amiss)
	}
	return run.report, nil
}

func (c *collection) notes() {
	c.report.Notes = append(c.report.Notes,
		fmt.Sprintf("last published and lag: from the newest windows of each store that published a type in the last %s (at most %d a store are read); further pages of a large window, replays and deletes are not in it", c.Lookback, mostRead),
		fmt.Sprintf("an hour's figures are estimates: windows opened in the last %s, about %d actions each at $50 per million, searches as the windows that were read counted them; further pages, replays, audits and this command come on top", c.Lookback, actionsPerWindow))
	if slices.ContainsFunc(c.report.Waiting, func(w Waiting) bool { return w.Operator }) {
		c.report.Notes = append(c.report.Notes,
			"what waits for you: fix the cause, then `starter retry ID` tries at once; `starter skip ID` skips it for good")
	}
	if c.undecoded {
		c.report.Notes = append(c.report.Notes, "what executions answer cannot be decoded, so what they wait for and how far they are is not known: is the workers' key in CDC_PAYLOAD_KEYS?")
	}
	if c.unanswered {
		c.report.Notes = append(c.report.Notes, "no worker answered a query in time: what the open windows wait for is not known")
	}
}

// windowQuery finds windows of a store of which something more is asked.
func windowQuery(datastore, more string) string {
	return string(temporal.Windows(datastore)) + " AND " + more
}

func since(t time.Time) string {
	return fmt.Sprintf("StartTime >= '%s'", t.UTC().Format(time.RFC3339Nano))
}

const running = "ExecutionStatus = 'Running'"

func (c *collection) count(ctx context.Context, query string) (int, error) {
	answer, err := c.Temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: c.Namespace, Query: query})
	if err != nil {
		return 0, fmt.Errorf("counting executions: %w", err)
	}
	return int(answer.GetCount()), nil
}

// list returns up to limit executions, the newest first.
func (c *collection) list(ctx context.Context, query string, limit int) ([]*workflowpb.WorkflowExecutionInfo, error) {
	var all []*workflowpb.WorkflowExecutionInfo
	var next []byte
	for {
		page, err := c.Temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: c.Namespace, Query: query, PageSize: int32(limit - len(all)), NextPageToken: next,
		})
		if err != nil {
			return nil, fmt.Errorf("listing executions: %w", err)
		}
		all = append(all, page.GetExecutions()...)
		if next = page.GetNextPageToken(); len(next) == 0 || len(all) >= limit {
			return all, nil
		}
	}
}

// progress asks an execution how far it is; nil when no worker answers.
func (c *collection) progress(ctx context.Context, workflowID string) *cdc.Progress {
	if c.unanswered || len(c.report.Workers) == 0 {
		c.unanswered = true
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	p, _, err := Progress(asking, c.Temporal, workflowID, c.Now().UTC())
	if err != nil {
		// One that closed meanwhile answers as well: it is the worker that is amiss.
		c.unanswered = errors.Is(asking.Err(), context.DeadlineExceeded)
		c.undecoded = c.undecoded || errors.Is(err, errUndecoded)
		return nil
	}
	return p
}

// workers lists who polls the task queue.
func (c *collection) workers(ctx context.Context) error {
	seen := make(map[string]*Worker)
	for _, kind := range []enumspb.TaskQueueType{enumspb.TASK_QUEUE_TYPE_WORKFLOW, enumspb.TASK_QUEUE_TYPE_ACTIVITY} {
		described, err := c.Temporal.DescribeTaskQueue(ctx, c.TaskQueue, kind)
		if err != nil {
			return fmt.Errorf("describing task queue %s: %w", c.TaskQueue, err)
		}
		for _, poller := range described.GetPollers() {
			worker := seen[poller.GetIdentity()]
			if worker == nil {
				worker = &Worker{Identity: poller.GetIdentity()}
				seen[worker.Identity] = worker
			}
			if at := poller.GetLastAccessTime().AsTime(); at.After(worker.LastSeen) {
				worker.LastSeen = at
			}
			worker.Workflows = worker.Workflows || kind == enumspb.TASK_QUEUE_TYPE_WORKFLOW
			worker.Activities = worker.Activities || kind == enumspb.TASK_QUEUE_TYPE_ACTIVITY
		}
	}
	for _, identity := range slices.Sorted(maps.Keys(seen)) {
		c.report.Workers = append(c.report.Workers, *seen[identity])
	}
	return nil
}

// open lists the executions of a type that are open.
func (c *collection) open(ctx context.Context, workflowType string) ([]Range, error) {
	open, err := c.list(ctx, fmt.Sprintf("WorkflowType = '%s' AND %s", workflowType, running), mostQueries)
	if err != nil {
		return nil, err
	}
	all := []Range{}
	for _, info := range open {
		id := info.GetExecution().GetWorkflowId()
		all = append(all, Range{WorkflowID: id, Started: info.GetStartTime().AsTime(), Progress: c.progress(ctx, id)})
	}
	return all, nil
}
