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

// heartbeatEvery is how often a Publish records what was accepted. Each record is
// billed, so a Publish that is done sooner makes none.
const heartbeatEvery = time.Second

// Publish puts a batch of changes, one delete, or a span's statements on the bus. What
// EventBridge accepted is in its heartbeats, so that a retry goes on from there, and in
// the details of the error of an attempt. One that is cancelled ends with what was
// accepted so far as its result.
func (a *Activities) Publish(ctx context.Context, in cdc.PublishInput) (cdc.PublishResult, error) {
	b, err := a.batch(in, time.Now())
	if err != nil {
		return cdc.PublishResult{}, InvalidInput(ctx, err.Error())
	}
	accepted := b.acceptedBefore(ctx, in)
	publishing, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	h := newHeartbeat(ctx, giveUp, a.Heartbeats)
	h.begin(accepted)
	published, err := a.Bus(in.Bus).Publish(publishing, b.events, accepted, h.record)
	result := b.result(published)
	if err != nil {
		h.flush()
		if !canceled(publishing) {
			return cdc.PublishResult{}, ApplicationError(ctx, err, result.EventIDs)
		}
	}
	a.observe(in, result)
	if in.Weigh {
		a.weigh(in, &result)
	}
	return result, nil
}

// canceled reports whether an activity was asked to end by its workflow, and not
// because the process stops, Temporal did not accept its heartbeats, or an operator
// paused or reset it: then it goes on later or elsewhere.
func canceled(ctx context.Context) bool {
	return ctx.Err() != nil && temporal.IsCanceledError(context.Cause(ctx))
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

func (b *publishBatch) add(i int, event cdc.Event) {
	b.events, b.at = append(b.events, event), append(b.at, i)
}

// batch builds the events of a Publish.
func (a *Activities) batch(in cdc.PublishInput, now time.Time) (publishBatch, error) {
	if in.Delete != nil {
		b := publishBatch{size: 1}
		event, err := a.Reader.Format.DeleteEvent(*in.Delete, in.Origin, now)
		b.add(0, event)
		return b, err
	}
	b := publishBatch{size: len(in.Statements) + len(in.Changes)}
	for i, statement := range in.Statements {
		event, err := statement.Event(now)
		if err != nil {
			return b, err
		}
		b.add(i, event)
	}
	var unpacker cdc.Unpacker
	for i, change := range in.Changes {
		var event cdc.Event
		body, err := unpacker.Unpack(change.Body)
		if change.Body = body; err == nil {
			event, err = a.Reader.Format.ChangeEvent(change, in.Origin, now)
		}
		if err != nil {
			b.unbuilt = append(b.unbuilt, cdc.Rejection{Index: i, Code: "NoEventCanBeBuilt"})
			continue
		}
		b.add(i, event)
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

// result is the bus's result, in the order of the input.
func (b publishBatch) result(r cdc.PublishResult) cdc.PublishResult {
	out := cdc.PublishResult{EventIDs: make([]string, b.size), Rejected: b.unbuilt}
	for k, id := range r.EventIDs {
		out.EventIDs[b.at[k]] = id
	}
	for _, rejection := range r.Rejected {
		out.Rejected = append(out.Rejected, cdc.Rejection{Index: b.at[rejection.Index], Code: rejection.Code})
	}
	slices.SortFunc(out.Rejected, func(x, y cdc.Rejection) int { return cmp.Compare(x.Index, y.Index) })
	return out
}

// deletePayload is the payload label of a delete, and its body's size. The label is "none"
// when no last body is known.
func deletePayload(d cdc.Delete) (payload string, bytes int) {
	switch t := d.Tombstone; {
	case t == nil || len(t.Body) == 0 && t.Reason == "":
		return "none", 0
	case t.Reason != "":
		return cdc.PayloadReference, 0
	default:
		return cdc.PayloadFull, len(t.Body)
	}
}

// observe reports what was accepted to the metrics, and logs what was rejected.
func (a *Activities) observe(in cdc.PublishInput, result cdc.PublishResult) {
	now := time.Now()
	observer, datastore := a.Reader.Observer, in.Origin.Datastore
	for i, id := range result.EventIDs {
		switch {
		case id == "":
		case in.Delete != nil:
			payload, bytes := deletePayload(*in.Delete)
			observer.Published(datastore, in.Delete.Type, payload, bytes, in.Delete.EventTime, now)
		case len(in.Statements) > 0:
			observer.Audited(in.Statements[i])
		default:
			change, payload := in.Changes[i], cdc.PayloadFull
			if change.Reason != "" {
				payload = cdc.PayloadReference
			}
			observer.Published(datastore, change.Type, payload, change.Body.Len(), change.Time(), now)
		}
	}
	for _, rejection := range result.Rejected {
		log := a.Reader.Logger.With("datastore", datastore, "code", rejection.Code)
		if len(in.Statements) > 0 {
			log.Error("EventBridge rejects an audit's statement", "audit", in.Origin.CorrelationID)
		} else {
			log.Error("EventBridge rejects an event; it is tried again", "workflow", in.Origin.CorrelationID)
		}
	}
}
