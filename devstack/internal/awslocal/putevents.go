package awslocal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// Limits of PutEvents ("PutEvents", "Calculating PutEvents event entry size").
const (
	maxPutEntries      = 10
	defaultMaxPutBytes = 1 << 20
	timeBytes          = 14
)

// A DeliverFunc is called for every message that a rule puts into a queue, just before a
// consumer can receive it. It must not change the body and must return quickly.
type DeliverFunc func(queue string, body []byte, at time.Time)

// Accepted is an entry of PutEvents that was accepted.
type Accepted struct {
	// Bus is the name of the bus.
	Bus, Source, DetailType string
	// Detail is the entry's, byte for byte.
	Detail string
	At     time.Time
}

// An AcceptFunc is called for every entry that PutEvents accepts, before the call is
// answered. It must return quickly.
type AcceptFunc func(Accepted)

type putEventsInput struct{ Entries []putEntry }

type putEntry struct {
	Time         *float64 // seconds since 1970
	Source       string
	Resources    []string
	DetailType   string
	Detail       string
	EventBusName string
}

func (e *putEntry) size() int {
	n := len(e.Source) + len(e.DetailType) + len(e.Detail)
	if e.Time != nil {
		n += timeBytes
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

type putResult struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

type putEventsOutput struct {
	FailedEntryCount int
	Entries          []putResult
}

func (b *busService) putEvents(_ context.Context, in putEventsInput) (putEventsOutput, error) {
	if len(in.Entries) == 0 || len(in.Entries) > maxPutEntries {
		return putEventsOutput{}, apiErrorf("ValidationException", "1 validation error detected: Value at 'entries' "+
			"failed to satisfy constraint: Member must have length between 1 and %d", maxPutEntries)
	}
	total := 0
	for i := range in.Entries {
		total += in.Entries[i].size()
	}
	if total >= b.maxPutBytes {
		return putEventsOutput{}, apiErrorf("ValidationException", "Total size of the entries in the request is over the limit.")
	}
	now := time.Now()
	out := putEventsOutput{Entries: make([]putResult, len(in.Entries))}
	for i := range in.Entries {
		e := &in.Entries[i]
		id, err := b.putEntry(e, now)
		if err != nil {
			out.FailedEntryCount++
			failed := asAPIError(err)
			out.Entries[i] = putResult{ErrorCode: failed.code, ErrorMessage: failed.message}
			continue
		}
		out.Entries[i] = putResult{EventID: id}
	}
	return out, nil
}

// putEntry accepts one entry or returns an error.
func (b *busService) putEntry(e *putEntry, now time.Time) (string, error) {
	if err := e.check(); err != nil {
		return "", err
	}
	if code := b.faults.failEntry(e.Detail); code != "" {
		return "", apiErrorf(code, "This entry was made to fail.")
	}
	if b.sqs.full() {
		return "", apiErrorf("ThrottlingException", "The stand-in holds as many bytes as it may: receive and delete, "+
			"or raise MaxStoredBytes.")
	}
	at := now
	if e.Time != nil {
		sec, frac := math.Modf(*e.Time)
		at = time.Unix(int64(sec), int64(frac*1e9))
	}
	id := newUUID()
	busName := b.nameOf(e.EventBusName)
	if accepted := b.accepted.Load(); accepted != nil {
		(*accepted)(Accepted{Bus: busName, Source: e.Source, DetailType: e.DetailType, Detail: e.Detail, At: now})
	}
	b.deliver(busName, event{
		ID: id, Source: e.Source, DetailType: e.DetailType, Time: at, Resources: e.Resources, Detail: []byte(e.Detail),
	})
	return id, nil
}

func (e *putEntry) check() error {
	for _, field := range []struct{ name, value string }{
		{"Source", e.Source}, {"DetailType", e.DetailType}, {"Detail", e.Detail},
	} {
		if field.value == "" {
			return apiErrorf("InvalidArgument", "Parameter %s is not valid. Reason: %s is a required argument.", field.name, field.name)
		}
	}
	if strings.HasPrefix(e.Source, "aws.") {
		return apiErrorf("NotAuthorizedForSourceException", "Not authorized for the source.")
	}
	if !isJSONObject([]byte(e.Detail)) {
		return apiErrorf("MalformedDetail", "Detail is malformed.")
	}
	return nil
}

func isJSONObject(doc []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(doc, " \t\r\n"), []byte("{")) && json.Valid(doc)
}

// An event is what a rule is matched with.
type event struct {
	ID, Source, DetailType string
	Time                   time.Time
	Resources              []string
	Detail                 []byte
}

// envelope writes the event as EventBridge delivers it. The detail is copied
// byte for byte: a resource keeps its numbers as they were written.
func (b *busService) envelope(e *event) []byte {
	resources := e.Resources
	if resources == nil {
		resources = []string{}
	}
	list, _ := json.Marshal(resources)
	out := make([]byte, 0, len(e.Detail)+len(list)+320)
	out = append(out, `{"version":"0","id":`...)
	out = appendText(out, e.ID)
	out = append(out, `,"detail-type":`...)
	out = appendText(out, e.DetailType)
	out = append(out, `,"source":`...)
	out = appendText(out, e.Source)
	out = append(out, `,"account":`...)
	out = appendText(out, b.account)
	out = append(out, `,"time":"`...)
	out = e.Time.UTC().AppendFormat(out, "2006-01-02T15:04:05Z")
	out = append(out, `","region":`...)
	out = appendText(out, b.region)
	out = append(out, `,"resources":`...)
	out = append(out, list...)
	out = append(out, `,"detail":`...)
	out = append(out, e.Detail...)
	return append(out, '}')
}

func appendText(out []byte, s string) []byte {
	text, _ := json.Marshal(s)
	return append(out, text...)
}

func (b *busService) doc(e *event) *eventDoc {
	resources := make([]any, len(e.Resources))
	for i, r := range e.Resources {
		resources[i] = r
	}
	return &eventDoc{detail: e.Detail, envelope: map[string]any{
		"version": "0", "id": e.ID, "detail-type": e.DetailType, "source": e.Source, "account": b.account,
		"time": e.Time.UTC().Format(time.RFC3339), "region": b.region, "resources": resources,
	}}
}

// deliver puts an event into the queues of every rule that it matches. A bus
// that does not exist swallows it, as on AWS.
func (b *busService) deliver(busName string, e event) {
	arns, exists := b.targetsOf(busName, &e)
	if !exists {
		b.dropped.Add(1)
	}
	if len(arns) == 0 {
		return
	}
	body := b.envelope(&e)
	for _, arn := range arns {
		b.hand(b.sqs.byArn(arn), body)
	}
}

// targetsOf returns the targets of the rules that an event matches.
func (b *busService) targetsOf(busName string, e *event) (arns []string, exists bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	on := b.buses[busName]
	if on == nil {
		return nil, false
	}
	doc := b.doc(e)
	for _, r := range on.rules {
		if r.State == "DISABLED" || len(r.targets) == 0 || !r.compiled.match(doc) {
			continue
		}
		for _, t := range r.targets {
			arns = append(arns, t.Arn)
		}
	}
	return arns, true
}

// hand puts a body into a queue. A target whose queue is gone gets nothing.
func (b *busService) hand(q *queue, body []byte) {
	if q == nil {
		return
	}
	now := time.Now()
	if hooks := b.hooks.Load(); hooks != nil {
		for _, told := range *hooks {
			told(q.name, body, now)
		}
	}
	q.push(newMessage(string(body), nil, now), q.settings().delay)
}

// An AWSEvent is one that an AWS service puts on a bus.
type AWSEvent struct {
	// Bus is the name or ARN of the bus; empty is the default bus.
	Bus        string
	Source     string // for example aws.healthlake
	DetailType string
	Time       time.Time // zero: now
	Resources  []string
	Detail     []byte // a JSON object, delivered byte for byte
}

func (b *busService) putAWSEvent(e AWSEvent) (string, error) {
	if !isJSONObject(e.Detail) {
		return "", fmt.Errorf("putting event of type %s: the detail must be a JSON object", e.DetailType)
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	id := newUUID()
	b.deliver(b.nameOf(e.Bus), event{
		ID: id, Source: e.Source, DetailType: e.DetailType, Time: e.Time, Resources: e.Resources, Detail: e.Detail,
	})
	return id, nil
}
