package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/cdc"
)

// actions are the engine's billed operations by their kind, as docs.temporal.io/cloud/actions
// lists them. A start that is refused because its ID exists is none.
type actions struct {
	// starts of executions; a child is two, one of them in its parent.
	starts, continued, timers int
	// attempts of activities, the first and each retry.
	attempts         int
	signals, upserts int
	// heartbeats and queries leave no trace in a history: a worker's metrics count them.
	heartbeats, queries int
}

func (a actions) total() int {
	return a.starts + a.continued + a.timers + a.attempts + a.signals + a.upserts + a.heartbeats + a.queries
}

func (a *actions) add(b actions) {
	a.starts += b.starts
	a.continued += b.continued
	a.timers += b.timers
	a.attempts += b.attempts
	a.signals += b.signals
	a.upserts += b.upserts
	a.heartbeats += b.heartbeats
	a.queries += b.queries
}

// apply adds an event of a history. A retry has no event of its own: the last attempt says
// how many there were.
func (a *actions) apply(event *historypb.HistoryEvent) {
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		if event.GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId() != "" {
			a.continued++
		} else {
			a.starts++
		}
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
		a.starts++
	case enumspb.EVENT_TYPE_TIMER_STARTED:
		a.timers++
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		a.attempts++
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		a.attempts += max(0, int(event.GetActivityTaskStartedEventAttributes().GetAttempt())-1)
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		a.signals++
	case enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
		a.upserts++
	default: // nothing that is billed
	}
}

// kindTotal is what executions of one kind have used.
type kindTotal struct {
	runs int
	actions
	// publishes are the Publish activities' attempts.
	publishes int
	// history is the size of their histories, in bytes.
	history int64
}

// mean is the actions of one run.
func (g kindTotal) mean() float64 { return float64(g.total()) / float64(max(1, g.runs)) }

// census are the executions of a namespace by their workflow type; those of windows that
// published nothing are a kind of their own.
type census map[string]kindTotal

// emptyWindow is the kind of windows that published nothing.
const emptyWindow = "empty " + cdc.WorkflowCaptureWindow

func (c census) total() kindTotal {
	var sum kindTotal
	for _, g := range c {
		sum.runs += g.runs
		sum.add(g.actions)
		sum.publishes += g.publishes
		sum.history += g.history
	}
	return sum
}

// add adds a run by the events of its history.
func (c census) add(info *workflowpb.WorkflowExecutionInfo, events []*historypb.HistoryEvent) {
	one := kindTotal{runs: 1, history: info.GetHistorySizeBytes()}
	published := make(map[int64]bool) // by the ids of the events that schedule them
	for _, event := range events {
		one.apply(event)
		if event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == "Publish" {
			published[event.GetEventId()] = true
			one.publishes++
		}
		if started := event.GetActivityTaskStartedEventAttributes(); published[started.GetScheduledEventId()] {
			one.publishes += max(0, int(started.GetAttempt())-1)
		}
	}
	kind := info.GetType().GetName()
	if kind == cdc.WorkflowCaptureWindow && one.publishes == 0 {
		kind = emptyWindow
	}
	sum := c[kind]
	sum.runs++
	sum.add(one.actions)
	sum.publishes += one.publishes
	sum.history += one.history
	c[kind] = sum
}

// historiesAtOnce is how many histories are read side by side.
const historiesAtOnce = 8

// countActions reads the histories of all executions.
func countActions(ctx context.Context, temporal client.Client) (census, error) {
	all := make(census)
	var mu sync.Mutex
	readers, ctx := errgroup.WithContext(ctx)
	readers.SetLimit(historiesAtOnce)
	var next []byte
	for {
		page, err := temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1000, NextPageToken: next})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listing executions: %w", err), readers.Wait())
		}
		for _, info := range page.GetExecutions() {
			readers.Go(func() error {
				events, err := readHistory(ctx, temporal, info)
				mu.Lock()
				defer mu.Unlock()
				all.add(info, events)
				return err
			})
		}
		if next = page.GetNextPageToken(); len(next) == 0 {
			return all, readers.Wait()
		}
	}
}

func readHistory(ctx context.Context, temporal client.Client, info *workflowpb.WorkflowExecutionInfo) (events []*historypb.HistoryEvent, err error) {
	id := info.GetExecution()
	history := temporal.GetWorkflowHistory(ctx, id.GetWorkflowId(), id.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		if err != nil {
			return nil, fmt.Errorf("reading a history: %w", err)
		}
		events = append(events, event)
	}
	return events, nil
}

// metricsClient reads what programs say of themselves.
var metricsClient = &http.Client{Timeout: 10 * time.Second}

// workerActions are the actions that only a worker's metrics show.
func workerActions(ctx context.Context, metricsURL string) (actions, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, metricsURL+"/metrics", nil)
	if err != nil {
		return actions{}, err
	}
	response, err := metricsClient.Do(request)
	if err != nil {
		return actions{}, fmt.Errorf("reading the worker's metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it has been read
	return requestActions(response.Body)
}

// requestActions reads from metrics in Prometheus's format how many requests of the SDK
// were heartbeats and queries.
func requestActions(metrics io.Reader) (a actions, err error) {
	lines := bufio.NewScanner(metrics)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, "temporal_request_total{") {
			continue
		}
		count, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			return a, fmt.Errorf("reading the worker's metrics: %w", err)
		}
		switch {
		case strings.Contains(line, `operation="RecordActivityTaskHeartbeat"`),
			strings.Contains(line, `operation="RecordActivityTaskHeartbeatById"`):
			a.heartbeats += int(count)
		case strings.Contains(line, `operation="QueryWorkflow"`):
			a.queries += int(count)
		}
	}
	return a, lines.Err()
}
