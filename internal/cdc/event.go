package cdc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Schema names the form of our events' detail; docs/events.md describes it.
const Schema = "healthlake-cdc/1"

// What happened to the resource: the value of meta.change.
const (
	ChangeCreated = "created" // version 1
	ChangeUpdated = "updated"
	ChangeDeleted = "deleted"
)

// Origin is where a batch of changes comes from: what their events' meta have in
// common.
type Origin struct {
	Datastore string `json:"datastore"`
	Cause
	// CorrelationID is the workflow ID of the window or the range.
	CorrelationID string `json:"correlationId"`
	// Replay is the name of the replay, empty outside replays.
	Replay string `json:"replay,omitempty"`
}

// EventFormat is how events are named on the bus, from the configuration.
type EventFormat struct {
	// Source is CDC_EVENT_SOURCE, as in "com.fhir-{type}".
	Source string
	// DetailType is CDC_DETAIL_TYPE, as in "Fhir{Type}Changed".
	DetailType string
}

// Event is one entry for EventBridge.
type Event struct {
	Source     string
	DetailType string
	Time       time.Time
	// Detail is a JSON object, at most CDC_MAX_EVENT_BYTES less the other fields.
	Detail []byte
}

// Batch are the events of a Publish.
type Batch interface {
	Len() int
	// Event builds event i. Events are built in order, one at a time, each once.
	Event(i int) (Event, error)
}

// Events is a batch of events that are built already.
type Events []Event

// Len is how many there are.
func (e Events) Len() int { return len(e) }

// Event is event i.
func (e Events) Event(i int) (Event, error) { return e[i], nil }

// timeFieldBytes is what EventBridge counts for an entry's Time (EventBridge
// user guide, "Calculating PutEvents event entry size").
const timeFieldBytes = 14

// Size is what the event counts towards EventBridge's limits, in bytes.
func (e Event) Size() int {
	return len(e.Source) + len(e.DetailType) + len(e.Detail) + timeFieldBytes
}

// meta is the head of every event, in the order in which it is written.
type meta struct {
	Schema         string `json:"schema"`
	IdempotencyKey string `json:"idempotencyKey"`
	Change         string `json:"change"`
	Resolution     string `json:"resolution,omitempty"`
	Scope          string `json:"scope,omitempty"`
	DatastoreID    string `json:"datastoreId"`
	ResourceType   string `json:"resourceType,omitempty"`
	ResourceID     string `json:"resourceId,omitempty"`
	VersionID      string `json:"versionId,omitempty"`
	LastUpdated    string `json:"lastUpdated,omitempty"`
	SourceTime     string `json:"sourceTime"`
	PublishedAt    string `json:"publishedAt"`
	CapturedBy     string `json:"capturedBy"`
	CorrelationID  string `json:"correlationId"`
	Payload        string `json:"payload,omitempty"`
	Reason         string `json:"reason,omitempty"`
	Replay         string `json:"replay,omitempty"`
}

// The value of meta.payload.
const (
	PayloadFull      = "full"
	PayloadReference = "reference"
)

// ChangeEvent builds the event of a change. now becomes meta.publishedAt. The body is
// spliced into the detail, byte for byte as the store gave it: encoding/json would escape
// the narratives' markup.
func (f EventFormat) ChangeEvent(c Change, o Origin, now time.Time) (Event, error) {
	if err := c.Validate(); err != nil {
		return Event{}, fmt.Errorf("building event: %w", err)
	}
	m := f.meta(o, c.Type, now)
	m.IdempotencyKey = c.IdempotencyKey(o.Datastore)
	m.Change = ChangeUpdated
	if c.VersionID == "1" {
		m.Change = ChangeCreated
	}
	m.ResourceID, m.VersionID, m.LastUpdated = c.ID, c.VersionID, c.LastUpdated
	if c.Reason == "" && c.Body.Len() == 0 {
		return Event{}, errors.New("building event: change has neither a body nor a reason for none")
	}
	body, err := c.Body.Bytes()
	if err != nil {
		return Event{}, fmt.Errorf("building event: %w", err)
	}
	return f.event(m, c.Type, c.Time(), body, c.Reason)
}

// DeleteEvent builds the event of a delete: an unresolved one where no id is known. An
// exact one has the tombstone's version and time, and the last body as data, as far as
// history has them.
func (f EventFormat) DeleteEvent(d Delete, o Origin, now time.Time) (Event, error) {
	if !ValidEventID(d.EventID) {
		return Event{}, errors.New("building event: delete has no valid event id")
	}
	if (d.Type != "" || d.Exact()) && !ValidType(d.Type) {
		return Event{}, errors.New("building event: delete has no valid resource type")
	}
	m := f.meta(o, d.Type, now)
	m.Change = ChangeDeleted
	m.SourceTime = d.EventTime.UTC().Format(time.RFC3339Nano)
	if d.Exact() {
		return f.exactDelete(m, d)
	}
	name := d.Type
	if name == "" {
		name = anyType
	}
	m.IdempotencyKey = fmt.Sprintf("%s/%s/_delete/%s", o.Datastore, name, d.EventID)
	m.Resolution, m.Scope = "unresolved", d.Scope
	return f.event(m, name, d.EventTime, nil, "")
}

func (f EventFormat) exactDelete(m meta, d Delete) (Event, error) {
	m.ResourceID = d.ResourceID
	t := d.Tombstone
	if t == nil {
		t = &Tombstone{}
	}
	// Without versions, only the events' ids distinguish two deletes of one resource.
	m.IdempotencyKey = fmt.Sprintf("%s/%s/%s/_delete/%s", m.DatastoreID, d.Type, d.ResourceID, d.EventID)
	if t.VersionID != "" {
		m.IdempotencyKey = Version{Type: d.Type, ID: d.ResourceID, VersionID: t.VersionID}.IdempotencyKey(m.DatastoreID)
	}
	m.VersionID, m.LastUpdated = t.VersionID, t.LastUpdated
	at := d.EventTime
	if !t.Time().IsZero() {
		at = t.Time()
	}
	return f.event(m, d.Type, at, t.Body, t.Reason)
}

// DeleteOverhead is as Overhead, for the event of an exact delete.
func (f EventFormat) DeleteOverhead(d Delete, t Tombstone, o Origin) (int, error) {
	t.Body, t.Reason = nil, ReasonConfigured
	d.Tombstone = &t
	return overhead(f.DeleteEvent(d, o, longTime))
}

// anyType stands for a missing resource type in an event's source, detail type and key.
const anyType = "Resource"

func (f EventFormat) meta(o Origin, resourceType string, now time.Time) meta {
	return meta{
		Schema:        Schema,
		DatastoreID:   o.Datastore,
		ResourceType:  resourceType,
		SourceTime:    o.SourceTime.UTC().Format(time.RFC3339Nano),
		PublishedAt:   now.UTC().Format(time.RFC3339Nano),
		CapturedBy:    o.CapturedBy,
		CorrelationID: o.CorrelationID,
		Replay:        o.Replay,
	}
}

// event has the body as data, unless there is a reason for a reference.
func (f EventFormat) event(m meta, resourceType string, at time.Time, body []byte, reason string) (Event, error) {
	switch {
	case reason != "":
		m.Payload, m.Reason, body = PayloadReference, reason, nil
	case len(body) > 0:
		m.Payload = PayloadFull
	}
	var detail bytes.Buffer
	detail.WriteString(`{"meta":`)
	encoder := json.NewEncoder(&detail)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(m); err != nil {
		return Event{}, fmt.Errorf("building event: %w", err)
	}
	detail.Truncate(detail.Len() - 1) // the encoder's newline
	if len(body) > 0 {
		detail.WriteString(`,"data":`)
		detail.Write(body)
	}
	detail.WriteByte('}')
	return Event{
		Source:     EventName(f.Source, resourceType),
		DetailType: EventName(f.DetailType, resourceType),
		Time:       at,
		Detail:     detail.Bytes(),
	}, nil
}

// EventName returns a source or detail type with the resource type filled in.
func EventName(template, resourceType string) string {
	return strings.NewReplacer("{type}", strings.ToLower(resourceType), "{Type}", resourceType).Replace(template)
}

// Overhead is an upper bound, in bytes, of what an event of this version and origin takes
// on the bus beside the body: the size of a reference with the longest publishedAt.
func (f EventFormat) Overhead(v Version, o Origin) (int, error) {
	return overhead(f.ChangeEvent(Change{Version: v, Reason: ReasonConfigured}, o, longTime))
}

// longTime has a text as long as that of any time.
var longTime = time.Date(2000, 1, 1, 0, 0, 0, 999_999_999, time.UTC)

func overhead(reference Event, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return reference.Size() + len(`,"data":`), nil
}
