package temporaltest

import (
	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// History is what Temporal keeps of an execution.
type History struct{ Events []*historypb.HistoryEvent }

func encode(values ...any) *commonpb.Payloads {
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(values...)
	if err != nil {
		panic(err)
	}
	return payloads
}

func (h *History) add(event *historypb.HistoryEvent) int64 {
	event.EventId = int64(len(h.Events) + 1)
	h.Events = append(h.Events, event)
	return event.EventId
}

// Started is the history of an execution that has just started.
func Started(input any) *History {
	h := &History{}
	h.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
		WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{Input: encode(input)},
	}})
	return h
}

// Schedule adds an activity that is under way, and returns its event's ID.
func (h *History) Schedule(activity string, input any) int64 {
	return h.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
		ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
			ActivityType: &commonpb.ActivityType{Name: activity}, Input: encode(input),
		},
	}})
}

// Complete adds the result of an activity that is under way.
func (h *History) Complete(scheduled int64, result any) {
	h.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{
		ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{
			ScheduledEventId: scheduled, Result: encode(result),
		},
	}})
}

// Activity adds an activity that has completed.
func (h *History) Activity(name string, input, result any) *History {
	h.Complete(h.Schedule(name, input), result)
	return h
}

// EndedPublish adds a Publish that "failed", "timed out" or was "canceled" after these were
// accepted.
func (h *History) EndedPublish(how string, in cdc.PublishInput, ids []string) *History {
	id := h.Schedule("Publish", in)
	switch how {
	case "failed":
		h.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskFailedEventAttributes{
			ActivityTaskFailedEventAttributes: &historypb.ActivityTaskFailedEventAttributes{ScheduledEventId: id, Failure: &failurepb.Failure{
				FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Details: encode(ids)}},
			}},
		}})
	case "timed out":
		h.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes{
			ActivityTaskTimedOutEventAttributes: &historypb.ActivityTaskTimedOutEventAttributes{ScheduledEventId: id, Failure: &failurepb.Failure{
				FailureInfo: &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{LastHeartbeatDetails: encode(ids)}},
			}},
		}})
	default: // canceled: it says so in its result
		h.Complete(id, cdc.PublishResult{EventIDs: ids})
	}
	return h
}

// Signaled adds a signal.
func (h *History) Signaled(name string, argument any) *History {
	h.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes{
		WorkflowExecutionSignaledEventAttributes: &historypb.WorkflowExecutionSignaledEventAttributes{
			SignalName: name, Input: encode(argument),
		},
	}})
	return h
}

// SliceStarted adds the start of a child workflow.
func (h *History) SliceStarted(id string) *History {
	h.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ChildWorkflowExecutionStartedEventAttributes{
		ChildWorkflowExecutionStartedEventAttributes: &historypb.ChildWorkflowExecutionStartedEventAttributes{
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
		},
	}})
	return h
}

// SliceCompleted adds the result of a child workflow.
func (h *History) SliceCompleted(id string, result any) *History {
	h.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ChildWorkflowExecutionCompletedEventAttributes{
		ChildWorkflowExecutionCompletedEventAttributes: &historypb.ChildWorkflowExecutionCompletedEventAttributes{
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id}, Result: encode(result),
		},
	}})
	return h
}
