package bench

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
)

// history makes events of their kinds, numbered from 1.
func history(events ...*historypb.HistoryEvent) []*historypb.HistoryEvent {
	for i, event := range events {
		event.EventId = int64(i + 1)
	}
	return events
}

func plain(kind enumspb.EventType) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{EventType: kind}
}

func started(continued string) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{
		EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
		Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{ContinuedExecutionRunId: continued},
		},
	}
}

// activity is one that was scheduled, and, right after, started for the n-th time.
func activity(name string, scheduled int64, attempt int32) []*historypb.HistoryEvent {
	return []*historypb.HistoryEvent{
		{
			EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
			Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
				ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{ActivityType: &commonpb.ActivityType{Name: name}},
			},
		},
		{
			EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED,
			Attributes: &historypb.HistoryEvent_ActivityTaskStartedEventAttributes{
				ActivityTaskStartedEventAttributes: &historypb.ActivityTaskStartedEventAttributes{ScheduledEventId: scheduled, Attempt: attempt},
			},
		},
	}
}

func execution(kind string, bytes int64) *workflowpb.WorkflowExecutionInfo {
	return &workflowpb.WorkflowExecutionInfo{Type: &commonpb.WorkflowType{Name: kind}, HistorySizeBytes: bytes}
}

func TestActionsAreCountedByKind(t *testing.T) {
	hydrate, publish := activity("Hydrate", 3, 1), activity("Publish", 5, 3)
	all := make(census)
	all.add(execution("CaptureWindow", 100), history(
		started(""), plain(enumspb.EVENT_TYPE_TIMER_STARTED), hydrate[0], hydrate[1], publish[0], publish[1],
		plain(enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED), plain(enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES),
		plain(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED), plain(enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED),
		plain(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED),
	))
	all.add(execution("CaptureSlice", 10), history(started("")))
	all.add(execution("CaptureSlice", 10), history(started("the run before")))
	hydrate = activity("Hydrate", 2, 1)
	all.add(execution("CaptureWindow", 20), history(started(""), hydrate[0], hydrate[1]))

	require.Equal(t, census{
		"CaptureWindow":       {runs: 1, actions: actions{starts: 2, timers: 1, attempts: 4, signals: 1, upserts: 1}, publishes: 3, history: 100},
		"CaptureSlice":        {runs: 2, actions: actions{starts: 1, continued: 1}, history: 20},
		"empty CaptureWindow": {runs: 1, actions: actions{starts: 1, attempts: 1}, history: 20},
	}, all)
	require.Equal(t, 13, all.total().total())
	require.Equal(t, int64(140), all.total().history)
	require.InDelta(t, 1, all["CaptureSlice"].mean(), 1e-9)
}

func TestMetricsShowHeartbeatsAndQueries(t *testing.T) {
	got, err := requestActions(strings.NewReader(`# HELP temporal_request_total x
temporal_request_total{client_name="temporal_go",namespace="default",operation="RecordActivityTaskHeartbeat"} 12
temporal_request_total{client_name="temporal_go",operation="RecordActivityTaskHeartbeat",task_queue="q"} 3
temporal_request_total{operation="StartWorkflowExecution"} 7
temporal_request_total{operation="QueryWorkflow"} 2
temporal_request_failure_total{operation="RecordActivityTaskHeartbeat"} 1
`))
	require.NoError(t, err)
	require.Equal(t, actions{heartbeats: 15, queries: 2}, got)
}
