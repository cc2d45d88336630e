package status

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// Temporal is what collecting calls of the SDK's client.
type Temporal interface {
	temporal.Queries
	CountWorkflow(ctx context.Context, request *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error)
	DescribeTaskQueue(ctx context.Context, taskQueue string, kind enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error)
}

// Collector holds what collecting needs.
type Collector struct {
	Temporal   Temporal
	Executions temporal.Executions
	TaskQueue  string
	Datastores []string
	Types      map[string][]string // by datastore
	Passes     []time.Duration
	Lookback   time.Duration
	// Attributes is set when the namespace has our search attributes.
	Attributes bool
	Now        func() time.Time
}

// maxQueries bounds the executions of a kind, or windows of a store, that are queried:
// each query is billed as an action.
const maxQueries = 10

type collection struct {
	*Collector
	report Report
	// unanswered is set when a query got no response: no more are made. undecoded is
	// set when a response could not be decoded.
	unanswered, undecoded bool
	// queried are the workflow IDs that need no second look.
	queried map[string]bool
}

func (c *Collector) begin() *collection {
	return &collection{
		Collector: c, queried: make(map[string]bool),
		report: Report{
			At: c.Now().UTC(), Lookback: c.Lookback.Seconds(),
			Stores: []Store{}, Ranges: []Running{}, Audits: []Running{}, Waiting: []Waiting{}, Failed: []Failed{}, Workers: []Worker{},
		},
	}
}

// Collect reads what Temporal shows: all of the report but the queues.
func (c *Collector) Collect(ctx context.Context) (Report, error) {
	run := c.begin()
	for _, step := range []func(context.Context) error{
		run.workers, run.waitForOperator, run.stores, run.listRunning, run.failed,
	} {
		if err := step(ctx); err != nil {
			return Report{}, err
		}
	}
	run.notes()
	return run.report, nil
}

func (c *collection) note(format string, args ...any) {
	c.report.Notes = append(c.report.Notes, fmt.Sprintf(format, args...))
}

func (c *collection) notes() {
	c.note("last published and lag: from the newest windows of each store that published a type in the last %s (at most %d per store are read); later pages of a large window, replays and deletes are not included", c.Lookback, maxRead)
	c.note("costs per hour are estimates: windows opened in the last %s, about %d actions each at $50 per million, searches as counted by the windows that were read; later pages, replays, audits and this command are extra", c.Lookback, actionsPerWindow)
	if slices.ContainsFunc(c.report.Waiting, func(w Waiting) bool { return w.Operator }) {
		c.note("what waits for you: fix the cause, then `starter retry ID` tries now; `starter skip ID` skips it for good")
	}
	if c.undecoded {
		c.note("the progress of executions cannot be decoded, so what they wait for is not known: is the workers' key in CDC_PAYLOAD_KEYS?")
	}
	if c.unanswered {
		c.note("no worker answered a query in time: what the open windows wait for is not known")
	}
}

func (c *collection) count(ctx context.Context, query temporal.Query) (int, error) {
	counted, err := c.Temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: string(query)})
	if err != nil {
		return 0, fmt.Errorf("counting executions: %w", err)
	}
	return int(counted.GetCount()), nil
}

// progress queries an execution for its progress; nil when no worker answers.
func (c *collection) progress(ctx context.Context, workflowID string) *cdc.Progress {
	c.queried[workflowID] = true
	if c.unanswered || len(c.report.Workers) == 0 {
		c.unanswered = true
		return nil
	}
	p, _, err := ProgressWithSlices(ctx, c.Temporal, workflowID, c.Now().UTC())
	switch {
	case err == nil:
		return p
	case errors.Is(err, temporal.ErrUndecodable):
		c.undecoded = true
	case errors.Is(err, temporal.ErrUnanswered):
		c.unanswered = true // closed executions answer too, so it is the worker
	}
	return nil
}

func (c *collection) workers(ctx context.Context) error {
	lastSeen := make(map[string]time.Time)
	for _, kind := range []enumspb.TaskQueueType{enumspb.TASK_QUEUE_TYPE_WORKFLOW, enumspb.TASK_QUEUE_TYPE_ACTIVITY} {
		described, err := c.Temporal.DescribeTaskQueue(ctx, c.TaskQueue, kind)
		if err != nil {
			return fmt.Errorf("describing task queue %s: %w", c.TaskQueue, err)
		}
		for _, poller := range described.GetPollers() {
			if at := poller.GetLastAccessTime().AsTime(); at.After(lastSeen[poller.GetIdentity()]) {
				lastSeen[poller.GetIdentity()] = at
			}
		}
	}
	for _, identity := range slices.Sorted(maps.Keys(lastSeen)) {
		c.report.Workers = append(c.report.Workers, Worker{Identity: identity, LastSeen: lastSeen[identity]})
	}
	return nil
}

func (c *collection) listRunning(ctx context.Context) (err error) {
	if c.report.Ranges, err = c.runningOf(ctx, cdc.WorkflowCaptureRange); err != nil {
		return err
	}
	c.report.Audits, err = c.runningOf(ctx, cdc.WorkflowAudit)
	return err
}

func (c *collection) runningOf(ctx context.Context, workflowType string) ([]Running, error) {
	open, err := c.Executions.List(ctx, temporal.OfType(workflowType).Running(), maxQueries)
	all := []Running{}
	for _, info := range open {
		id := info.GetExecution().GetWorkflowId()
		all = append(all, Running{WorkflowID: id, Started: info.GetStartTime().AsTime(), Progress: c.progress(ctx, id)})
	}
	return all, err
}
