package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// trace is what the history of one execution tells of one version.
type trace struct {
	version   cdc.Version
	converter converter.DataConverter

	// window is the input of a window's run; nil for a slice.
	window *cdc.CaptureWindowInput
	// accepted is the Publish that EventBridge accepted, refused the last one
	// that it did not, and open one that has not ended.
	accepted, refused, open *Publication
	// openID is the activity ID of the open one.
	openID string
	// gaveUp is the event at which an operator gave up what EventBridge refused of
	// the type, gaveUpAt its time; skipped tells that the version was among that.
	gaveUp   int64
	gaveUpAt time.Time
	skipped  bool
	// slices are the children that read pages of the version's type.
	slices []string
	// earlier is the run that continued as this one.
	earlier string

	scheduled map[int64]*historypb.HistoryEvent
	attempts  map[int64]int32
	// holding are the Publishes that hold the version, by their scheduling: the
	// index among the changes.
	holding map[int64]int
	step    string
}

func newTrace(version cdc.Version, data converter.DataConverter) *trace {
	return &trace{
		version: version, converter: data, scheduled: make(map[int64]*historypb.HistoryEvent),
		attempts: make(map[int64]int32), holding: make(map[int64]int),
	}
}

func (t *trace) done() bool { return t.accepted != nil }

// take takes one event. Its errors are of payloads that cannot be decoded.
func (t *trace) take(event *historypb.HistoryEvent) error {
	switch {
	case event.GetWorkflowExecutionStartedEventAttributes() != nil:
		return t.begin(event.GetWorkflowExecutionStartedEventAttributes())
	case event.GetActivityTaskScheduledEventAttributes() != nil:
		return t.schedule(event)
	case event.GetActivityTaskStartedEventAttributes() != nil:
		started := event.GetActivityTaskStartedEventAttributes()
		t.attempts[started.GetScheduledEventId()] = started.GetAttempt()
	case event.GetActivityTaskCompletedEventAttributes() != nil:
		return t.complete(event)
	case event.GetWorkflowExecutionSignaledEventAttributes() != nil:
		return t.signaled(event)
	case event.GetChildWorkflowExecutionStartedEventAttributes() != nil:
		id := event.GetChildWorkflowExecutionStartedEventAttributes().GetWorkflowExecution().GetWorkflowId()
		if _, resourceType, _, _, err := cdc.ParseSliceID(id); err == nil && resourceType == t.version.Type {
			t.slices = append(t.slices, id)
		}
	}
	return nil
}

// signaled takes what an operator gave up: what was refused until then.
func (t *trace) signaled(event *historypb.HistoryEvent) error {
	signal := event.GetWorkflowExecutionSignaledEventAttributes()
	if signal.GetSignalName() != cdc.SignalSkip {
		return nil
	}
	var skip cdc.Skip
	if err := t.converter.FromPayloads(signal.GetInput(), &skip); err != nil {
		return err
	}
	if slices.Contains(skip.Versions, t.version.Type) {
		t.gaveUp, t.gaveUpAt = event.GetEventId(), event.GetEventTime().AsTime()
		t.skipped = t.refused != nil
	}
	return nil
}

func (t *trace) begin(started *historypb.WorkflowExecutionStartedEventAttributes) error {
	t.earlier = started.GetContinuedExecutionRunId()
	if started.GetWorkflowType().GetName() != cdc.WorkflowCaptureWindow {
		return nil
	}
	t.window = &cdc.CaptureWindowInput{}
	return t.converter.FromPayloads(started.GetInput(), t.window)
}

func (t *trace) schedule(event *historypb.HistoryEvent) error {
	attributes := event.GetActivityTaskScheduledEventAttributes()
	t.scheduled[event.GetEventId()] = event
	if attributes.GetActivityType().GetName() != "Publish" {
		return nil
	}
	var in cdc.PublishInput
	if err := t.converter.FromPayloads(attributes.GetInput(), &in); err != nil {
		return err
	}
	for i, change := range in.Changes {
		if same(change.Version, t.version) {
			t.holding[event.GetEventId()] = i
			t.open, t.openID = t.publication(in, change), attributes.GetActivityId()
		}
	}
	return nil
}

func same(a, b cdc.Version) bool {
	return a.Type == b.Type && a.ID == b.ID && a.VersionID == b.VersionID
}

func (t *trace) publication(in cdc.PublishInput, change cdc.Change) *Publication {
	p := &Publication{
		Step: t.step, Pass: passOf(t.step), Payload: cdc.PayloadFull,
		CapturedBy: in.Origin.CapturedBy, SourceTime: in.Origin.SourceTime, Replay: in.Origin.Replay,
	}
	if change.Reason != "" {
		p.Payload, p.PayloadReason = cdc.PayloadReference, change.Reason
	}
	return p
}

// passOf reads the number of the pass from the summary of a Hydrate; 0 when
// there is none.
func passOf(step string) int {
	var pass int
	if _, err := fmt.Sscanf(step, "pass %d", &pass); err != nil {
		return 0
	}
	return pass
}

func (t *trace) complete(event *historypb.HistoryEvent) error {
	done := event.GetActivityTaskCompletedEventAttributes()
	scheduled := t.scheduled[done.GetScheduledEventId()]
	switch scheduled.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() {
	case "Publish":
		return t.published(event, done)
	case "Hydrate":
		var result cdc.HydrateResult
		if err := t.converter.FromPayloads(done.GetResult(), &result); err != nil {
			return err
		}
		for _, answer := range result.Pages {
			t.hydrated(scheduled, answer.Changes)
		}
	case "HydratePage":
		var result cdc.HydratePageResult
		if err := t.converter.FromPayloads(done.GetResult(), &result); err != nil {
			return err
		}
		t.hydrated(scheduled, result.Changes)
	}
	return nil
}

// hydrated remembers which step found the version.
func (t *trace) hydrated(scheduled *historypb.HistoryEvent, changes []cdc.Change) {
	for _, change := range changes {
		if !same(change.Version, t.version) {
			continue
		}
		t.step = ""
		if summary := scheduled.GetUserMetadata().GetSummary(); summary != nil {
			// A summary that cannot be read leaves the step untold, no more.
			_ = t.converter.FromPayload(summary, &t.step)
		}
	}
}

func (t *trace) published(event *historypb.HistoryEvent, done *historypb.ActivityTaskCompletedEventAttributes) error {
	index, holds := t.holding[done.GetScheduledEventId()]
	if !holds {
		return nil
	}
	var result cdc.PublishResult
	if err := t.converter.FromPayloads(done.GetResult(), &result); err != nil {
		return err
	}
	p := t.open
	t.open, t.openID = nil, ""
	p.At, p.Attempt = event.GetEventTime().AsTime(), int(t.attempts[done.GetScheduledEventId()])
	if index < len(result.EventIDs) && result.EventIDs[index] != "" {
		p.EventID = result.EventIDs[index]
		t.accepted, t.skipped = p, false
		return nil
	}
	for _, refusal := range result.Rejected {
		if refusal.Index == index {
			p.Refused = refusal.Code
		}
	}
	t.refused = p
	t.skipped = t.skipped || done.GetScheduledEventId() < t.gaveUp
	return nil
}

// follow reads the history of an execution, newest run first, and those of the
// slices that it names, until the accepted Publish is found. Runs and slices
// that the namespace has no longer are passed over.
func (e *Explainer) follow(ctx context.Context, version cdc.Version, workflowID, runID string) (*trace, error) {
	var whole *trace
	for {
		t, err := e.readRun(ctx, version, workflowID, runID)
		var notFound *serviceerror.NotFound
		if errors.As(err, &notFound) && whole != nil {
			return whole, nil
		}
		if err != nil {
			return nil, err
		}
		t.name(e, workflowID)
		if whole == nil {
			whole = t
		} else {
			whole.merge(t)
		}
		for _, slice := range t.slices {
			if whole.done() {
				break
			}
			inSlice, err := e.follow(ctx, version, slice, "")
			if errors.As(err, &notFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			whole.merge(inSlice)
		}
		if whole.done() || t.earlier == "" {
			return whole, nil
		}
		runID = t.earlier
	}
}

// name fills in which execution its publications are of.
func (t *trace) name(e *Explainer, workflowID string) {
	for _, p := range []*Publication{t.accepted, t.refused, t.open} {
		if p != nil {
			p.WorkflowID, p.URL = workflowID, e.url(workflowID, "")
		}
	}
}

// merge takes what another part of the same execution tells and this one does
// not.
func (t *trace) merge(other *trace) {
	if t.accepted == nil {
		t.accepted = other.accepted
	}
	// What an earlier run was refused may have been given up in this one.
	t.skipped = t.skipped || other.skipped || t.refused == nil && other.refused != nil && t.gaveUp > 0
	if t.refused == nil {
		t.refused = other.refused
	}
	if t.gaveUpAt.IsZero() {
		t.gaveUpAt = other.gaveUpAt
	}
	if t.open == nil {
		t.open, t.openID = other.open, other.openID
	}
}

func (e *Explainer) readRun(ctx context.Context, version cdc.Version, workflowID, runID string) (*trace, error) {
	t := newTrace(version, e.Converter)
	events := e.Runs.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("reading history of %s: %w", workflowID, err)
		}
		if err := t.take(event); err != nil {
			// What does not decode may be quoted by the decoder: it is left out.
			return nil, fmt.Errorf("history of %s cannot be decoded: is its payload key in CDC_PAYLOAD_KEYS?", workflowID)
		}
	}
	return t, nil
}
