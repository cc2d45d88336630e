package activities

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"healthlake-cdc/internal/cdc"
)

// HeartbeatEvery is how often a Publish records what was accepted, and how long
// after the start of its attempt it does so first: each recorded heartbeat is
// billed, so a Publish that is done sooner records none.
const HeartbeatEvery = time.Second

// Publish puts a batch of changes, one delete, or a span's statements on the bus.
// What EventBridge accepted is in its heartbeats, so that a retry goes on from there,
// and in the details of the error of an attempt; what it refuses for good is in the
// result, and the rest is published all the same. One that is cancelled ends with what
// was accepted so far as its result.
func (a *Activities) Publish(ctx context.Context, in cdc.PublishInput) (cdc.PublishResult, error) {
	b, err := a.batch(in, time.Now())
	if err != nil {
		return cdc.PublishResult{}, InvalidInput(ctx, err.Error())
	}
	bus := a.Bus
	if in.Bus != "" {
		bus = a.OtherBus(in.Bus)
	}
	accepted := b.acceptedBefore(ctx, in)
	publishing, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	beat := newHeartbeat(ctx, giveUp, a.Heartbeats)
	beat.begin(accepted)
	result, err := bus.Publish(publishing, b.events, accepted, beat.record)
	result = b.result(result)
	if err != nil {
		beat.flush()
		if canceled(publishing) {
			a.finish(in, &result)
			return result, nil
		}
		return cdc.PublishResult{}, ApplicationError(ctx, err, result.EventIDs)
	}
	a.finish(in, &result)
	return result, nil
}

// canceled reports whether an activity was asked to end by its workflow, and not
// because the process stops, Temporal did not take its heartbeats, or an operator
// paused or reset it: then it goes on later or elsewhere.
func canceled(ctx context.Context) bool {
	return ctx.Err() != nil && temporal.IsCanceledError(context.Cause(ctx))
}

// finish takes account of what was published.
func (a *Activities) finish(in cdc.PublishInput, result *cdc.PublishResult) {
	a.observe(in, *result)
	if in.Weigh {
		a.weigh(in, result)
	}
}

// publishBatch is what a Publish puts on the bus.
type publishBatch struct {
	events []cdc.Event
	// at are the places of the events in the input, which has size entries. An entry of
	// which no event can be built is in unbuilt: it must not hold up the others.
	at      []int
	size    int
	unbuilt []cdc.Rejection
}

// codeUnbuilt is the code of a refusal that is ours.
const codeUnbuilt = "NoEventCanBeBuilt"

func (a *Activities) batch(in cdc.PublishInput, now time.Time) (publishBatch, error) {
	if in.Delete != nil || len(in.Statements) > 0 {
		events, err := a.eventsBesideChanges(in, now)
		b := publishBatch{events: events, size: len(events)}
		for i := range events {
			b.at = append(b.at, i)
		}
		return b, err
	}
	b := publishBatch{size: len(in.Changes)}
	for i, change := range in.Changes {
		event, err := a.Reader.Format.ChangeEvent(change, in.Origin, now)
		if err != nil {
			b.unbuilt = append(b.unbuilt, cdc.Rejection{Index: i, Code: codeUnbuilt})
			continue
		}
		b.events, b.at = append(b.events, event), append(b.at, i)
	}
	return b, nil
}

// acceptedBefore are the ids that EventBridge gave the events in an attempt before
// this one, or in an earlier Publish.
func (b publishBatch) acceptedBefore(ctx context.Context, in cdc.PublishInput) []string {
	accepted := make([]string, len(b.events))
	for k, i := range b.at {
		if i < len(in.Accepted) {
			accepted[k] = in.Accepted[i]
		}
	}
	if activity.HasHeartbeatDetails(ctx) {
		var before []string
		if err := activity.GetHeartbeatDetails(ctx, &before); err == nil && len(before) == len(b.events) {
			copy(accepted, before)
		}
	}
	return accepted
}

// result is a bus's, in the order of the input.
func (b publishBatch) result(r cdc.PublishResult) cdc.PublishResult {
	out := cdc.PublishResult{EventIDs: make([]string, b.size), Rejected: b.unbuilt}
	for k, id := range r.EventIDs {
		out.EventIDs[b.at[k]] = id
	}
	for _, refusal := range r.Rejected {
		out.Rejected = append(out.Rejected, cdc.Rejection{Index: b.at[refusal.Index], Code: refusal.Code})
	}
	slices.SortFunc(out.Rejected, func(x, y cdc.Rejection) int { return cmp.Compare(x.Index, y.Index) })
	return out
}

// eventsBesideChanges are those of a delete, or of statements.
func (a *Activities) eventsBesideChanges(in cdc.PublishInput, now time.Time) ([]cdc.Event, error) {
	if in.Delete != nil {
		event, err := a.Reader.Format.DeleteEvent(*in.Delete, in.Origin, now)
		return []cdc.Event{event}, err
	}
	return statementEvents(in.Statements, now)
}

func statementEvents(statements []cdc.Statement, now time.Time) ([]cdc.Event, error) {
	events := make([]cdc.Event, len(statements))
	for i, statement := range statements {
		event, err := statement.Event(now)
		if err != nil {
			return nil, err
		}
		events[i] = event
	}
	return events, nil
}

// payloadNone is the payload label of a delete of which no last body is known.
const payloadNone = "none"

// deletePayload is the payload label of a delete, and its body's size.
func deletePayload(d cdc.Delete) (payload string, bytes int) {
	switch t := d.Tombstone; {
	case t == nil || len(t.Body) == 0 && t.Reason == "":
		return payloadNone, 0
	case t.Reason != "":
		return cdc.PayloadReference, 0
	default:
		return cdc.PayloadFull, len(t.Body)
	}
}

func (a *Activities) observe(in cdc.PublishInput, result cdc.PublishResult) {
	now := time.Now()
	for i, change := range in.Changes {
		if i < len(result.EventIDs) && result.EventIDs[i] != "" {
			payload := cdc.PayloadFull
			if change.Reason != "" {
				payload = cdc.PayloadReference
			}
			a.Reader.Observer.Published(in.Origin.Datastore, change.Type, payload, len(change.Body), change.Time(), now)
		}
	}
	if in.Delete != nil && len(result.EventIDs) == 1 && result.EventIDs[0] != "" {
		payload, bytes := deletePayload(*in.Delete)
		a.Reader.Observer.Published(in.Origin.Datastore, in.Delete.Type, payload, bytes, in.Delete.EventTime, now)
	}
	for i, statement := range in.Statements {
		if i < len(result.EventIDs) && result.EventIDs[i] != "" {
			a.Reader.Observer.Audited(in.Origin.Datastore, statement)
		}
	}
	for _, refusal := range result.Rejected {
		log := a.Reader.Logger.With("datastore", in.Origin.Datastore, "code", refusal.Code)
		if len(in.Statements) > 0 {
			log.Error("EventBridge refuses an audit's statement for good", "audit", in.Origin.CorrelationID)
		} else {
			log.Error("EventBridge refuses an event for good; its window stays open", "window", in.Origin.CorrelationID)
		}
	}
}
