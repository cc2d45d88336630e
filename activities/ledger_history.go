package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"healthlake-cdc/internal/cdc"
)

// rebuildLedger rebuilds the ledger of a run from its history, whether it was
// terminated, cancelled, failed or is still open: the ledger that it began with,
// what its Publish activities had accepted, the types that it swept, what an
// operator gave up, and the same of every slice it started, by read. A rerun that
// has not read the ledger of the run before began with that one's all the same.
func (a *Activities) rebuildLedger(ctx context.Context, workflowID, runID string,
	read func(ctx context.Context, id string) (cdc.Ledger, error),
) (*rebuild, error) {
	r := &rebuild{
		a: a, workflowID: workflowID, scheduled: make(map[int64]*historypb.ActivityTaskScheduledEventAttributes),
		refused: make(map[string]cdc.HashSet), skips: make(map[string]int64),
	}
	events := a.Runs.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return r, fmt.Errorf("reading history: %w", err)
		}
		if err := r.take(event); err != nil {
			return r, applicationError(ctx, &cdc.Error{
				Op: "reading ledger", Class: cdc.ClassLedger,
				Advice: fmt.Sprintf("history of %s cannot be decoded: is its payload key in CDC_PAYLOAD_KEYS?", workflowID),
			})
		}
	}
	before := r.slices
	if r.before != "" {
		before = append(before, r.before)
	}
	for _, id := range before {
		ledger, err := read(ctx, id)
		if err != nil {
			return r, err
		}
		if err := r.merge(ledger); err != nil {
			return r, applicationError(ctx, &cdc.Error{
				Op: "reading ledger", Class: cdc.ClassLedger,
				Advice: fmt.Sprintf("what %s and %s published cannot be brought together: %v", workflowID, id, err),
			})
		}
	}
	r.salted()
	return r, nil
}

// rebuild collects a ledger from a run's history, event by event.
type rebuild struct {
	a          *Activities
	workflowID string
	ledger     cdc.Ledger
	// types are those that a window's run sweeps, given the versions that it reads from
	// history.
	types []string
	given []cdc.Version
	// salt is the run's own.
	salt      cdc.Salt
	scheduled map[int64]*historypb.ActivityTaskScheduledEventAttributes
	// slices are the workflow IDs of the slices that the run started and that had
	// not completed when it ended, by the order of their start.
	slices []string
	// before is the run before, of a rerun that ended before it had read that
	// one's ledger; empty otherwise.
	before string
	// refused is what EventBridge had refused for good, by type, and skips the
	// event at which an operator last gave a type's refused versions up.
	refused map[string]cdc.HashSet
	skips   map[string]int64
	// skipping tells that the run published nothing, and wanted holds the versions
	// that it was given until it has read the ledger of the run before.
	skipping bool
	wanted   []cdc.Version
}

func (r *rebuild) take(event *historypb.HistoryEvent) error {
	switch {
	case event.GetWorkflowExecutionStartedEventAttributes() != nil:
		return r.begin(event.GetWorkflowExecutionStartedEventAttributes().GetInput())
	case event.GetActivityTaskScheduledEventAttributes() != nil:
		r.scheduled[event.GetEventId()] = event.GetActivityTaskScheduledEventAttributes()
	case event.GetActivityTaskCompletedEventAttributes() != nil:
		done := event.GetActivityTaskCompletedEventAttributes()
		return r.activity(done.GetScheduledEventId(), done.GetResult())
	case event.GetActivityTaskFailedEventAttributes() != nil:
		ended := event.GetActivityTaskFailedEventAttributes()
		return r.publishEnded(ended.GetScheduledEventId(), ended.GetFailure().GetApplicationFailureInfo().GetDetails())
	case event.GetActivityTaskTimedOutEventAttributes() != nil:
		ended := event.GetActivityTaskTimedOutEventAttributes()
		return r.publishEnded(ended.GetScheduledEventId(), ended.GetFailure().GetTimeoutFailureInfo().GetLastHeartbeatDetails())
	case event.GetWorkflowExecutionSignaledEventAttributes() != nil:
		return r.signaled(event)
	case event.GetChildWorkflowExecutionCompletedEventAttributes() != nil:
		return r.sliceCompleted(event.GetChildWorkflowExecutionCompletedEventAttributes())
	case event.GetChildWorkflowExecutionStartedEventAttributes() != nil:
		r.slices = append(r.slices, event.GetChildWorkflowExecutionStartedEventAttributes().GetWorkflowExecution().GetWorkflowId())
	}
	return nil
}

// sliceCompleted takes a slice's result from its parent's history: a window may
// outlive its slice by more than the retention.
func (r *rebuild) sliceCompleted(done *historypb.ChildWorkflowExecutionCompletedEventAttributes) error {
	id := done.GetWorkflowExecution().GetWorkflowId()
	_, resourceType, _, _, err := cdc.ParseSliceID(id)
	if err != nil {
		return err
	}
	var result cdc.CaptureSliceResult
	if err := r.a.Converter.FromPayloads(done.GetResult(), &result); err != nil {
		return err
	}
	if err := takeSlice(&r.ledger, resourceType, result); err != nil {
		return err
	}
	r.slices = slices.DeleteFunc(r.slices, func(open string) bool { return open == id })
	return nil
}

// begin takes the ledger that the run began with.
func (r *rebuild) begin(input *commonpb.Payloads) error {
	if _, resourceType, _, _, err := cdc.ParseSliceID(r.workflowID); err == nil {
		var in cdc.CaptureSliceInput
		if err := r.a.Converter.FromPayloads(input, &in); err != nil {
			return err
		}
		r.ledger.Salt = in.Salt
		if in.Resume != nil {
			r.ledger.Type(resourceType).Published.Merge(in.Resume.Published)
			r.ledger.Type(resourceType).Skipped.Merge(in.Resume.Skipped)
			r.refused[resourceType] = in.Resume.Refused
		}
		return nil
	}
	var in cdc.CaptureWindowInput
	if err := r.a.Converter.FromPayloads(input, &in); err != nil {
		return err
	}
	r.salt, r.types, r.given = in.Salt, in.Types, in.Wanted
	switch {
	case in.Resume != nil:
		r.ledger = in.Resume.Ledger
		maps.Copy(r.refused, in.Resume.Refused)
	case in.Rerun > 0:
		r.before = in.Window.RerunID(in.Rerun - 1)
	}
	if r.before == "" {
		r.salted()
	}
	r.beginSkipping(in)
	return nil
}

// activity takes what a completed activity tells of the ledger.
func (r *rebuild) activity(id int64, result *commonpb.Payloads) error {
	scheduled := r.scheduled[id]
	switch scheduled.GetActivityType().GetName() {
	case "Publish":
		return r.published(id, scheduled.GetInput(), result)
	case "Ledger":
		return r.read(scheduled.GetInput(), result)
	case "Hydrate":
		var hydrated cdc.HydrateResult
		if err := r.a.Converter.FromPayloads(result, &hydrated); err != nil {
			return err
		}
		for _, answer := range hydrated.Answers {
			r.found(answer)
		}
	}
	return nil
}

// read takes a ledger that the run itself had read: of the run before, or of a
// slice that did not complete.
func (r *rebuild) read(input, output *commonpb.Payloads) error {
	var in cdc.LedgerInput
	var ledger cdc.Ledger
	if err := r.a.Converter.FromPayloads(input, &in); err != nil {
		return err
	}
	if err := r.a.Converter.FromPayloads(output, &ledger); err != nil {
		return err
	}
	if in.WorkflowID == r.before {
		r.before = ""
	}
	r.slices = slices.DeleteFunc(r.slices, func(open string) bool { return open == in.WorkflowID })
	if err := r.merge(ledger); err != nil {
		return err
	}
	if r.before == "" {
		r.salted()
		r.skipWanted()
	}
	return nil
}

// salted gives the ledger the run's own salt where it has none yet: of the run
// before.
func (r *rebuild) salted() {
	if r.ledger.Salt.IsZero() {
		r.ledger.Salt = r.salt
	}
}

// merge adds the ledger of the run before, or of a slice. A run whose operator had it
// go on without the ledger of the run before has a salt of its own, and has
// published nothing: where that ledger can be read again, it is the one that counts.
func (r *rebuild) merge(ledger cdc.Ledger) error {
	err := r.ledger.Merge(ledger)
	if errors.Is(err, cdc.ErrOtherSalt) && r.ledger.Published() == 0 {
		r.ledger = ledger
		return nil
	}
	return err
}

// published takes what a Publish, scheduled by the event id, had accepted and
// refused.
func (r *rebuild) published(id int64, input, output *commonpb.Payloads) error {
	var in cdc.PublishInput
	var result cdc.PublishResult
	if err := r.a.Converter.FromPayloads(input, &in); err != nil {
		return err
	}
	if err := r.a.Converter.FromPayloads(output, &result); err != nil {
		return err
	}
	r.acceptedOf(in.Changes, result.EventIDs)
	for _, refusal := range result.Refused {
		if refusal.Index < len(in.Changes) {
			r.refusal(id, in.Changes[refusal.Index])
		}
	}
	return nil
}

// acceptedOf takes the changes that EventBridge gave an id.
func (r *rebuild) acceptedOf(changes []cdc.Change, ids []string) {
	for i, change := range changes {
		if i < len(ids) && ids[i] != "" {
			r.accepted(change)
		}
	}
}

// publishEnded takes what a Publish that failed, or was not heard of again, had
// accepted until then: the ids are in the details of its end.
func (r *rebuild) publishEnded(id int64, details *commonpb.Payloads) error {
	in, ok, err := r.publishInput(id)
	if err != nil || !ok || len(details.GetPayloads()) == 0 {
		return err
	}
	var ids []string
	if r.a.Converter.FromPayloads(details, &ids) == nil && len(ids) == len(in.Changes) {
		r.acceptedOf(in.Changes, ids)
	}
	return nil
}

// publishInput is the input of the activity, if it is a Publish.
func (r *rebuild) publishInput(id int64) (in cdc.PublishInput, ok bool, err error) {
	scheduled := r.scheduled[id]
	if scheduled.GetActivityType().GetName() != "Publish" {
		return in, false, nil
	}
	err = r.a.Converter.FromPayloads(scheduled.GetInput(), &in)
	return in, err == nil, err
}
