package workflows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"healthlake-cdc/internal/cdc"
)

// published is an event that the double accepted.
type published struct {
	Meta struct {
		Key, Type, Change, Payload, Reason, Replay, By, Correlation, Resolution string
	}
	Data json.RawMessage
	at   time.Time
	size int
}

// bus is an event bus in memory.
type bus struct {
	mu  sync.Mutex
	now func() time.Time
	// accepted events, tried keys with their times, and how many calls came.
	accepted []published
	tried    map[string][]time.Time
	batches  []int
	// reject reports whether an entry is rejected, fail why a call fails.
	reject func(key string) bool
	fail   func(at time.Time) error
}

func (b *bus) Publish(_ context.Context, batch cdc.Batch, accepted []string, progress func([]string)) (cdc.PublishResult, error) {
	var events []cdc.Event
	for i := range batch.Len() {
		event, err := batch.Event(i)
		if err != nil {
			return cdc.PublishResult{}, err
		}
		events = append(events, event)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.now()
	if b.fail != nil {
		if err := b.fail(at); err != nil {
			return cdc.PublishResult{}, err
		}
	}
	b.batches = append(b.batches, len(events))
	result := cdc.PublishResult{EventIDs: make([]string, len(events))}
	for i, event := range events {
		if accepted[i] != "" {
			result.EventIDs[i] = accepted[i]
			continue
		}
		p, err := parseEvent(event)
		if err != nil {
			return cdc.PublishResult{}, err
		}
		p.at, p.size = at, event.Size()
		b.tried[p.Meta.Key] = append(b.tried[p.Meta.Key], at)
		if b.reject != nil && b.reject(p.Meta.Key) {
			result.Rejected = append(result.Rejected, cdc.Rejection{Index: i, Code: "MalformedDetail"})
			continue
		}
		b.accepted = append(b.accepted, p)
		result.EventIDs[i] = fmt.Sprintf("event-%06d", len(b.accepted))
		accepted[i] = result.EventIDs[i]
	}
	progress(accepted)
	return result, nil
}

func parseEvent(event cdc.Event) (published, error) {
	var detail struct {
		Meta struct {
			IdempotencyKey, ResourceType, Change, Payload, Reason, Replay, CapturedBy, CorrelationID, Resolution string
		} `json:"meta"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(event.Detail, &detail); err != nil {
		return published{}, err
	}
	m := detail.Meta
	p := published{Data: detail.Data}
	p.Meta.Key, p.Meta.Type, p.Meta.Change = m.IdempotencyKey, m.ResourceType, m.Change
	p.Meta.Payload, p.Meta.Reason, p.Meta.Replay = m.Payload, m.Reason, m.Replay
	p.Meta.By, p.Meta.Correlation, p.Meta.Resolution = m.CapturedBy, m.CorrelationID, m.Resolution
	return p, nil
}

// keys returns the idempotency keys of what was accepted, sorted, repeats
// included.
func (b *bus) keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var keys []string
	for _, p := range b.accepted {
		keys = append(keys, p.Meta.Key)
	}
	slices.Sort(keys)
	return keys
}

// acceptedAt returns when the version was accepted.
func (b *bus) acceptedAt(v cdc.Version) []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	var at []time.Time
	for _, p := range b.accepted {
		if p.Meta.Key == v.IdempotencyKey(datastore) {
			at = append(at, p.at)
		}
	}
	return at
}
