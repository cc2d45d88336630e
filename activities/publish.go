package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"healthlake-cdc/internal/cdc"
)

// HeartbeatEvery is how often a Publish records what was accepted, and how long
// after the start of its attempt it does so first: each recorded heartbeat is
// billed, so a Publish that is done sooner records none.
const HeartbeatEvery = time.Second

// Publish puts a batch of changes, one delete, or a span's statements on the bus.
// What EventBridge accepted is in its heartbeats, so that a retry goes on from
// there; what it refuses for good is in the result, and the rest is published all
// the same.
func (a *Activities) Publish(ctx context.Context, in cdc.PublishInput) (cdc.PublishResult, error) {
	events, err := a.events(in, time.Now())
	if err != nil {
		return cdc.PublishResult{}, invalidInput(ctx, err.Error())
	}
	accepted := make([]string, len(events))
	if activity.HasHeartbeatDetails(ctx) {
		var before []string
		if err := activity.GetHeartbeatDetails(ctx, &before); err == nil && len(before) == len(events) {
			copy(accepted, before)
		}
	}
	publishing, giveUp := context.WithCancel(ctx)
	defer giveUp()
	beat := newHeartbeat(ctx, giveUp)
	beat.begin(accepted)
	bus, err := a.bus(in.Bus)
	if err != nil {
		return cdc.PublishResult{}, invalidInput(ctx, err.Error())
	}
	result, err := bus.Publish(publishing, events, accepted, beat.record)
	if err != nil {
		beat.flush()
		return cdc.PublishResult{}, applicationError(ctx, err)
	}
	a.observe(in, result)
	if in.Weigh {
		a.weigh(in, &result)
	}
	return result, nil
}

// bus is the bus of that name, or the configured one.
func (a *Activities) bus(name string) (Bus, error) {
	if name == "" {
		return a.Bus, nil
	}
	if a.OtherBus == nil {
		return nil, errors.New("this worker publishes to no other bus than the configured one")
	}
	return a.OtherBus(name)
}

func (a *Activities) events(in cdc.PublishInput, now time.Time) ([]cdc.Event, error) {
	if in.Delete != nil {
		event, err := a.Format.DeleteEvent(*in.Delete, in.Origin, now)
		return []cdc.Event{event}, err
	}
	if len(in.Statements) > 0 {
		return statementEvents(in.Statements, now)
	}
	events := make([]cdc.Event, len(in.Changes))
	for i, change := range in.Changes {
		event, err := a.Format.ChangeEvent(change, in.Origin, now)
		if err != nil {
			return nil, err
		}
		events[i] = event
	}
	return events, nil
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
			a.Observer.Published(in.Origin.Datastore, change.Type, payload, len(change.Body), change.Time(), now)
		}
	}
	if in.Delete != nil && len(result.EventIDs) == 1 && result.EventIDs[0] != "" {
		payload, bytes := deletePayload(*in.Delete)
		a.Observer.Published(in.Origin.Datastore, in.Delete.Type, payload, bytes, in.Delete.EventTime, now)
	}
	for i, statement := range in.Statements {
		if i < len(result.EventIDs) && result.EventIDs[i] != "" {
			a.Observer.Audited(in.Origin.Datastore, statement)
		}
	}
	for _, refusal := range result.Refused {
		log := a.Logger.With("datastore", in.Origin.Datastore, "code", refusal.Code)
		if len(in.Statements) > 0 {
			log.Error("EventBridge refuses an audit's statement for good", "audit", in.Origin.CorrelationID)
		} else {
			log.Error("EventBridge refuses an event for good; its window stays open", "window", in.Origin.CorrelationID)
		}
	}
}
