// Package truth compares what was written to the simulator with what reached the bus. It
// reads the write log and a queue on the bus, never a ledger.
package truth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/internal/cdc"
)

// allOurs matches everything that the product publishes.
const allOurs = `{"source":[{"prefix":"com.fhir-"},{"prefix":"healthlake-cdc"}]}`

// SubscriberQueue is the name of the subscriber's queue, and of its rule.
const SubscriberQueue = "devstack-subscriber"

// Event is what a subscriber sees of one delivery.
type Event struct {
	ID         string
	Source     string
	DetailType string
	Time       time.Time
	Meta       Meta
	// Digest and Size are of data's exact bytes; empty without data.
	Digest string
	Size   int
	// Detail is the event's detail as delivered; only the first ones are kept.
	Detail []byte
}

// Meta is the head of the detail.
type Meta struct {
	Schema         string    `json:"schema"`
	IdempotencyKey string    `json:"idempotencyKey"`
	Change         string    `json:"change"`
	Resolution     string    `json:"resolution"`
	DatastoreID    string    `json:"datastoreId"`
	ResourceType   string    `json:"resourceType"`
	ResourceID     string    `json:"resourceId"`
	VersionID      string    `json:"versionId"`
	LastUpdated    time.Time `json:"lastUpdated"`
	SourceTime     time.Time `json:"sourceTime"`
	PublishedAt    time.Time `json:"publishedAt"`
	CapturedBy     string    `json:"capturedBy"`
	CorrelationID  string    `json:"correlationId"`
	Payload        string    `json:"payload"`
	Reason         string    `json:"reason"`
	Replay         string    `json:"replay"`
}

// maxDetails bounds the details that a subscriber keeps.
const maxDetails = 5_000

// Subscriber receives every event from a queue on the bus, as a consumer does.
type Subscriber struct {
	sqs      *sqs.Client
	queueURL string

	mu     sync.Mutex
	events []Event
	counts map[string]int
	bad    int
	// statements are the audits'; they are not counted as events.
	statements []cdc.Statement
}

// NewListener makes a subscriber without a queue, of what is handed to Accept: SQS may
// fail while it listens.
func NewListener() *Subscriber { return &Subscriber{counts: make(map[string]int)} }

// Accept adds an entry that the bus has accepted.
func (s *Subscriber) Accept(e awslocal.Accepted) {
	event, err := decodeDetail(Event{Source: e.Source, DetailType: e.DetailType}, json.RawMessage(e.Detail))
	s.keep(event, err)
}

// Subscribe makes a queue with a rule on the bus.
func Subscribe(ctx context.Context, queues *sqs.Client, bus *eventbridge.Client, busName string) (*Subscriber, error) {
	created, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(SubscriberQueue)})
	if err != nil {
		return nil, fmt.Errorf("creating the subscriber's queue: %w", err)
	}
	described, err := queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: created.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return nil, fmt.Errorf("reading the subscriber's queue: %w", err)
	}
	_, err = bus.PutRule(ctx, &eventbridge.PutRuleInput{
		Name: aws.String(SubscriberQueue), EventBusName: aws.String(busName), EventPattern: aws.String(allOurs),
	})
	if err != nil {
		return nil, fmt.Errorf("creating the subscriber's rule: %w", err)
	}
	_, err = bus.PutTargets(ctx, &eventbridge.PutTargetsInput{
		Rule: aws.String(SubscriberQueue), EventBusName: aws.String(busName),
		Targets: []eventtypes.Target{{Id: aws.String("queue"), Arn: aws.String(described.Attributes["QueueArn"])}},
	})
	if err != nil {
		return nil, fmt.Errorf("creating the subscriber's target: %w", err)
	}
	return &Subscriber{sqs: queues, queueURL: aws.ToString(created.QueueUrl), counts: make(map[string]int)}, nil
}

// Run receives events until ctx ends.
func (s *Subscriber) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		received, err := s.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &s.queueURL, MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
		})
		if err != nil {
			if ctx.Err() == nil {
				return fmt.Errorf("receiving events: %w", err)
			}
			break
		}
		if err := s.consume(ctx, received.Messages); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func (s *Subscriber) consume(ctx context.Context, messages []sqstypes.Message) error {
	if len(messages) == 0 {
		return nil
	}
	entries := make([]sqstypes.DeleteMessageBatchRequestEntry, len(messages))
	for i, message := range messages {
		entries[i] = sqstypes.DeleteMessageBatchRequestEntry{Id: message.MessageId, ReceiptHandle: message.ReceiptHandle}
	}
	// Deleted first: a delivery must not be counted twice because its deletion failed.
	deleted, err := s.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &s.queueURL, Entries: entries})
	if err != nil {
		return fmt.Errorf("deleting received events: %w", err)
	}
	if len(deleted.Failed) > 0 {
		return errors.New("deleting received events: some failed")
	}
	for _, message := range messages {
		s.add([]byte(aws.ToString(message.Body)))
	}
	return nil
}

func (s *Subscriber) add(body []byte) {
	s.keep(decode(body))
}

func (s *Subscriber) keep(event Event, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && event.Source == cdc.StatementSource {
		var statement cdc.Statement
		if err = json.Unmarshal(event.Detail, &statement); err == nil {
			s.statements = append(s.statements, statement)
			return
		}
	}
	if err != nil {
		s.bad++
		return
	}
	if len(s.events) >= maxDetails {
		event.Detail = nil
	}
	s.events = append(s.events, event)
	s.counts[event.Meta.IdempotencyKey]++
}

func decode(body []byte) (Event, error) {
	var envelope struct {
		ID         string          `json:"id"`
		Source     string          `json:"source"`
		DetailType string          `json:"detail-type"`
		Time       time.Time       `json:"time"`
		Detail     json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return Event{}, err
	}
	return decodeDetail(Event{
		ID: envelope.ID, Source: envelope.Source, DetailType: envelope.DetailType, Time: envelope.Time,
	}, envelope.Detail)
}

// decodeDetail adds what an event's detail says.
func decodeDetail(event Event, text json.RawMessage) (Event, error) {
	var detail struct {
		Meta Meta            `json:"meta"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(text, &detail); err != nil {
		return Event{}, err
	}
	event.Meta, event.Size, event.Detail = detail.Meta, len(detail.Data), text
	if len(detail.Data) > 0 {
		sum := sha256.Sum256(detail.Data)
		event.Digest = hex.EncodeToString(sum[:])
	}
	return event, nil
}

// Len returns the numbers of events and of unreadable messages.
func (s *Subscriber) Len() (events, unreadable int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events), s.bad
}

// Duplicates counts the deliveries that repeated an idempotency key.
func (s *Subscriber) Duplicates() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events) - len(s.counts)
}

// Events returns what came so far, in order.
func (s *Subscriber) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Event(nil), s.events...)
}

// Statements returns the audits' statements so far, in order.
func (s *Subscriber) Statements() []cdc.Statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]cdc.Statement(nil), s.statements...)
}

// Keys returns how often each idempotency key came.
func (s *Subscriber) Keys() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// LastVersion returns the newest event of a version, which a delete without an id
// is not; false when none came.
func (s *Subscriber) LastVersion() (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, event := range slices.Backward(s.events) {
		if !event.Meta.LastUpdated.IsZero() {
			return event, true
		}
	}
	return Event{}, false
}
