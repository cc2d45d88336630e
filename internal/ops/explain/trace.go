package explain

import (
	"cmp"
	"context"
	"slices"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// trace is what the history of one execution says of one version.
type trace struct {
	version   cdc.Version
	converter converter.DataConverter

	// accepted is the Publish that EventBridge accepted, rejected the last one that it
	// did not, and open one that has not ended.
	accepted, rejected, open *Publication
	// slices are the workflow IDs of its slices of the type.
	slices []string
	// earlier is the run that continued as this one.
	earlier string

	scheduled map[int64]*historypb.HistoryEvent
	// step is the summary of the Hydrate that found the version.
	step string
}

func newTrace(version cdc.Version, data converter.DataConverter) *trace {
	return &trace{version: version, converter: data, scheduled: make(map[int64]*historypb.HistoryEvent)}
}

func (t *trace) apply(event *historypb.HistoryEvent) error {
	switch {
	case event.GetWorkflowExecutionStartedEventAttributes() != nil:
		t.earlier = event.GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId()
	case event.GetActivityTaskScheduledEventAttributes() != nil:
		return t.noteScheduled(event)
	case event.GetActivityTaskStartedEventAttributes() != nil:
		started := event.GetActivityTaskStartedEventAttributes()
		if t.open != nil && t.open.scheduled == started.GetScheduledEventId() {
			t.open.Attempt = int(started.GetAttempt())
		}
	case event.GetActivityTaskCompletedEventAttributes() != nil:
		return t.noteCompleted(event)
	case event.GetChildWorkflowExecutionStartedEventAttributes() != nil:
		id := event.GetChildWorkflowExecutionStartedEventAttributes().GetWorkflowExecution().GetWorkflowId()
		if _, resourceType, _, _, err := cdc.ParseSliceID(id); err == nil && resourceType == t.version.Type {
			t.slices = append(t.slices, id)
		}
	}
	return nil
}

// noteScheduled notes an activity, and whether it is a Publish that has the version.
func (t *trace) noteScheduled(event *historypb.HistoryEvent) error {
	attributes := event.GetActivityTaskScheduledEventAttributes()
	t.scheduled[event.GetEventId()] = event
	if attributes.GetActivityType().GetName() != "Publish" {
		return nil
	}
	var in cdc.PublishInput
	if err := t.converter.FromPayloads(attributes.GetInput(), &in); err != nil {
		return err
	}
	if i := slices.IndexFunc(in.Changes, t.isVersion); i >= 0 {
		t.open = t.newPublication(in, in.Changes[i])
		t.open.activityID, t.open.scheduled, t.open.index = attributes.GetActivityId(), event.GetEventId(), i
	}
	return nil
}

// isVersion reports whether a change is of the version.
func (t *trace) isVersion(change cdc.Change) bool {
	return change.Type == t.version.Type && change.Key() == t.version.Key()
}

func (t *trace) newPublication(in cdc.PublishInput, change cdc.Change) *Publication {
	p := &Publication{
		Step: t.step, Payload: cdc.PayloadFull,
		CapturedBy: in.Origin.CapturedBy, SourceTime: in.Origin.SourceTime, Replay: in.Origin.Replay,
	}
	if change.Reason != "" {
		p.Payload, p.PayloadReason = cdc.PayloadReference, change.Reason
	}
	return p
}

func (t *trace) noteCompleted(event *historypb.HistoryEvent) error {
	done := event.GetActivityTaskCompletedEventAttributes()
	scheduled := t.scheduled[done.GetScheduledEventId()]
	switch scheduled.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() {
	case "Publish":
		return t.notePublished(event, done)
	case "Hydrate":
		var result cdc.HydrateResult
		if err := t.converter.FromPayloads(done.GetResult(), &result); err != nil {
			return err
		}
		for _, answer := range result.Pages {
			t.noteStep(scheduled, answer.Changes)
		}
	case "HydratePage":
		var result cdc.HydratePageResult
		if err := t.converter.FromPayloads(done.GetResult(), &result); err != nil {
			return err
		}
		t.noteStep(scheduled, result.Changes)
	}
	return nil
}

// noteStep notes the step of the Hydrate that found the version, if this one did.
func (t *trace) noteStep(scheduled *historypb.HistoryEvent, changes []cdc.Change) {
	if !slices.ContainsFunc(changes, t.isVersion) {
		return
	}
	t.step = ""
	if summary := scheduled.GetUserMetadata().GetSummary(); summary != nil {
		_ = t.converter.FromPayload(summary, &t.step) // the step is then not known
	}
}

// notePublished notes what EventBridge did with the version, when this Publish has it.
func (t *trace) notePublished(event *historypb.HistoryEvent, done *historypb.ActivityTaskCompletedEventAttributes) error {
	p := t.open
	if p == nil || p.scheduled != done.GetScheduledEventId() {
		return nil // it does not hold the version
	}
	var result cdc.PublishResult
	if err := t.converter.FromPayloads(done.GetResult(), &result); err != nil {
		return err
	}
	t.open, p.At = nil, event.GetEventTime().AsTime()
	if p.index < len(result.EventIDs) && result.EventIDs[p.index] != "" {
		p.EventID = result.EventIDs[p.index]
		t.accepted = p
		return nil
	}
	for _, rejection := range result.Rejected {
		if rejection.Index == p.index {
			p.Rejected = rejection.Code
		}
	}
	t.rejected = p
	return nil
}

// follow reads the history of an execution, newest run first, and of its slices, until the
// accepted Publish is found. What has expired is left out.
func (e *Explainer) follow(ctx context.Context, version cdc.Version, workflowID string) (*trace, error) {
	var whole *trace
	runID := ""
	for {
		t := newTrace(version, e.Executions.Data)
		err := e.Executions.Visit(ctx, workflowID, runID, t.apply)
		if temporal.IsNotFound(err) && whole != nil {
			return whole, nil
		}
		if err != nil {
			return nil, err
		}
		for _, p := range []*Publication{t.accepted, t.rejected, t.open} {
			if p != nil {
				p.WorkflowID, p.URL = workflowID, e.url(workflowID)
			}
		}
		if whole == nil {
			whole = t
		} else {
			whole.merge(t)
		}
		for _, slice := range t.slices {
			if whole.accepted != nil {
				break
			}
			inSlice, err := e.follow(ctx, version, slice)
			if temporal.IsNotFound(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			whole.merge(inSlice)
		}
		if whole.accepted != nil || t.earlier == "" {
			return whole, nil
		}
		runID = t.earlier
	}
}

// merge adds what another part of the same execution says and this one does not.
func (t *trace) merge(other *trace) {
	t.accepted = cmp.Or(t.accepted, other.accepted)
	t.rejected, t.open = cmp.Or(t.rejected, other.rejected), cmp.Or(t.open, other.open)
}
