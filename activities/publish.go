package activities

import (
	"context"
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
	batch, err := a.batch(in, time.Now())
	if err != nil {
		return cdc.PublishResult{}, InvalidInput(ctx, err.Error())
	}
	accepted := acceptedBefore(ctx, in, batch.Len())
	publishing, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	h := newHeartbeat(ctx, giveUp, a.Heartbeats)
	h.begin(accepted)
	result, err := a.Bus(in.Bus).Publish(publishing, batch, accepted, h.record)
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

// batch is what a Publish puts on the bus. Deletes and statements are built at once: an
// error is of the input.
func (a *Activities) batch(in cdc.PublishInput, now time.Time) (cdc.Batch, error) {
	var events cdc.Events
	if in.Delete != nil {
		event, err := a.Reader.Format.DeleteEvent(*in.Delete, in.Origin, now)
		return append(events, event), err
	}
	for _, statement := range in.Statements {
		event, err := statement.Event(now)
		if err != nil {
			return nil, err
		}
		events = append(events, event)
	}
	if len(events) > 0 {
		return events, nil
	}
	return &changeBatch{in: in, format: a.Reader.Format}, nil
}

// changeBatch builds the events of changes as they are sent. A change of which none can be
// built holds up no other.
type changeBatch struct {
	in       cdc.PublishInput
	format   cdc.EventFormat
	unpacker cdc.Unpacker
}

func (b *changeBatch) Len() int { return len(b.in.Changes) }

func (b *changeBatch) Event(i int) (cdc.Event, error) {
	change := b.in.Changes[i]
	var err error
	if change.Body, err = b.unpacker.Unpack(change.Body); err != nil {
		return cdc.Event{}, err
	}
	return b.format.ChangeEvent(change, b.in.Origin, time.Now())
}

// acceptedBefore are the ids that EventBridge gave n events in an attempt before this one,
// or in an earlier Publish.
func acceptedBefore(ctx context.Context, in cdc.PublishInput, n int) []string {
	accepted := make([]string, n)
	if len(in.Accepted) == n {
		copy(accepted, in.Accepted)
	}
	if activity.HasHeartbeatDetails(ctx) {
		var before []string
		if err := activity.GetHeartbeatDetails(ctx, &before); err == nil && len(before) == n {
			copy(accepted, before)
		}
	}
	return accepted
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
