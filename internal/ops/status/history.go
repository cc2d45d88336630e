package status

import (
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// history reads from a window's run what it published when.
type history struct {
	converter converter.DataConverter
	window    string
	// published is the last of each type, of all histories so far.
	published map[string]Type
	// inputs are the Publishes that were scheduled, without their bodies.
	inputs map[int64]cdc.PublishInput
	closed bool
	counts cdc.Counts
}

// apply adds one event. Its errors are of payloads that cannot be decoded.
func (h *history) apply(event *historypb.HistoryEvent) error {
	if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled.GetActivityType().GetName() == "Publish" {
		var in cdc.PublishInput
		if err := h.converter.FromPayloads(scheduled.GetInput(), &in); err != nil {
			return err
		}
		for i := range in.Changes {
			in.Changes[i].Body = cdc.Body{}
		}
		h.inputs[event.GetEventId()] = in
		return nil
	}
	if done := event.GetActivityTaskCompletedEventAttributes(); done != nil {
		in, ok := h.inputs[done.GetScheduledEventId()]
		if !ok {
			return nil
		}
		var result cdc.PublishResult
		if err := h.converter.FromPayloads(done.GetResult(), &result); err != nil {
			return err
		}
		h.add(in, result, event)
		return nil
	}
	if done := event.GetWorkflowExecutionCompletedEventAttributes(); done != nil {
		var result cdc.CaptureWindowResult
		if err := h.converter.FromPayloads(done.GetResult(), &result); err != nil {
			return err
		}
		h.closed, h.counts = true, result.Counts
	}
	return nil
}

// add adds what EventBridge accepted of a Publish.
func (h *history) add(in cdc.PublishInput, result cdc.PublishResult, event *historypb.HistoryEvent) {
	at := event.GetEventTime().AsTime()
	for i, change := range in.Changes {
		if i >= len(result.EventIDs) || result.EventIDs[i] == "" {
			continue
		}
		last, updated := h.published[change.Type], change.Time()
		if at.Before(last.Published) || at.Equal(last.Published) && !updated.After(last.LastUpdated) {
			continue
		}
		h.published[change.Type] = Type{
			Type: change.Type, Published: at, LastUpdated: updated, Lag: at.Sub(updated).Seconds(), Window: h.window,
		}
	}
}
