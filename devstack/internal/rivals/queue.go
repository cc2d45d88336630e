package rivals

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"
)

const (
	// pollers is how many receive messages side by side.
	pollers = 8
	// batchSize is SQS's limit of messages a call.
	batchSize = 10
	// pollSeconds is how long a poll waits for messages.
	pollSeconds = 2
)

// record is what the rivals use of a CloudTrail record.
type record struct {
	EventID, Name, Datastore string
	// Type is empty where the record names none, as that of a bundle.
	Type string
	// Time is when the call completed, in whole seconds.
	Time   time.Time
	Status int
}

// parse reads a record from a message's body.
func parse(body []byte) (record, error) {
	var event struct {
		Detail struct {
			EventID, EventName string
			EventTime          time.Time
			RequestParameters  struct{ DatastoreID, ResourceType string }
			ResponseElements   struct{ StatusCode int }
		}
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return record{}, fmt.Errorf("reading a record: %w", err)
	}
	d := event.Detail
	if d.EventID == "" || d.EventTime.IsZero() || d.RequestParameters.DatastoreID == "" {
		return record{}, errors.New("reading a record: it is not CloudTrail's of a HealthLake call")
	}
	return record{
		EventID: d.EventID, Name: d.EventName, Datastore: d.RequestParameters.DatastoreID, Type: d.RequestParameters.ResourceType,
		Time: d.EventTime, Status: d.ResponseElements.StatusCode,
	}, nil
}

// consume receives records until ctx ends, and deletes the message of each for which
// handle returns no error. The others come again.
func (p *parts) consume(ctx context.Context, handle func(context.Context, record) error) error {
	client := sqs.NewFromConfig(p.aws)
	group, ctx := errgroup.WithContext(ctx)
	for range pollers {
		group.Go(func() error {
			for ctx.Err() == nil {
				if err := p.poll(ctx, client, handle); err != nil && ctx.Err() == nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (p *parts) poll(ctx context.Context, client *sqs.Client, handle func(context.Context, record) error) error {
	out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: aws.String(p.cfg.QueueURL), MaxNumberOfMessages: batchSize, WaitTimeSeconds: pollSeconds,
	})
	if err != nil {
		return fmt.Errorf("receiving records: %w", err)
	}
	var done []types.DeleteMessageBatchRequestEntry
	for _, message := range out.Messages {
		r, err := parse([]byte(aws.ToString(message.Body)))
		if err != nil {
			return err
		}
		if handle(ctx, r) != nil {
			continue
		}
		p.tally.add(func(c *Counts) { c.Records++ })
		done = append(done, types.DeleteMessageBatchRequestEntry{Id: message.MessageId, ReceiptHandle: message.ReceiptHandle})
	}
	if len(done) == 0 {
		return nil
	}
	if _, err := client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(p.cfg.QueueURL), Entries: done}); err != nil {
		return fmt.Errorf("deleting records: %w", err)
	}
	return nil
}
