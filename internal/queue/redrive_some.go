package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	// mostEntries is the most that one call receives, sends or deletes, and
	// mostBytes the most that one SendMessageBatch may hold (SQS quotas: 10 and
	// 1 MiB); attributes count too, for which there is some room.
	mostEntries = 10
	mostBytes   = 1<<20 - 16<<10
	// hold is how long received messages stay hidden in the dead-letter queue,
	// in seconds: longer than sending and deleting them can take.
	hold = 120
	// poll is how long an empty dead-letter queue is waited for, in seconds: a
	// long poll asks all of its servers.
	poll = 2
)

// Some moves up to limit messages, the number of which StartMessageMoveTask
// cannot bound: it receives them, sends them to the trigger queue as they are,
// and then deletes them. Whatever happens on the way, none is lost; one that was
// sent and could not be deleted comes twice, which the windows' IDs make good.
func (m Mover) Some(ctx context.Context, limit int) (moved int, err error) {
	url, _, err := m.Queues.Dead(ctx, m.API)
	if err != nil {
		return 0, err
	}
	for moved < limit {
		out, err := m.API.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(url), MaxNumberOfMessages: int32(min(mostEntries, limit-moved)),
			VisibilityTimeout: hold, WaitTimeSeconds: poll,
			MessageAttributeNames:       []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAWSTraceHeader},
		})
		if err != nil {
			return moved, fmt.Errorf("receiving from the dead-letter queue: %w", withoutURL(err))
		}
		if len(out.Messages) == 0 {
			return moved, nil
		}
		for _, batch := range batches(out.Messages) {
			n, err := m.moveBatch(ctx, url, batch)
			moved += n
			m.tell(moved, limit)
			if err != nil {
				return moved, err
			}
		}
	}
	return moved, nil
}

// batches cuts messages into batches that one SendMessageBatch takes.
func batches(messages []types.Message) [][]types.Message {
	var all [][]types.Message
	size := mostBytes // so that the first message opens the first batch
	for _, message := range messages {
		bytes := len(aws.ToString(message.Body))
		for name, value := range message.MessageAttributes {
			bytes += len(name) + len(aws.ToString(value.DataType)) + len(aws.ToString(value.StringValue)) + len(value.BinaryValue)
		}
		if size += bytes; size > mostBytes || len(all) == 0 {
			all, size = append(all, nil), bytes
		}
		last := len(all) - 1
		all[last] = append(all[last], message)
	}
	return all
}

// moveBatch sends first and then deletes: what was sent and not deleted is a
// duplicate, the other way round it would be a loss.
func (m Mover) moveBatch(ctx context.Context, url string, batch []types.Message) (moved int, err error) {
	entries := make([]types.SendMessageBatchRequestEntry, len(batch))
	for i, message := range batch {
		entries[i] = types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: message.Body, MessageAttributes: message.MessageAttributes,
		}
		const trace = types.MessageSystemAttributeNameAWSTraceHeader
		if header := message.Attributes[string(trace)]; header != "" {
			entries[i].MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{
				string(trace): {DataType: aws.String("String"), StringValue: aws.String(header)},
			}
		}
	}
	sent, err := m.API.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: aws.String(m.Queues.URL), Entries: entries})
	if err != nil {
		return 0, fmt.Errorf("sending to the trigger queue: %w; the messages are still in the dead-letter queue", withoutURL(err))
	}
	var deletes []types.DeleteMessageBatchRequestEntry
	for _, entry := range sent.Successful {
		i, err := strconv.Atoi(aws.ToString(entry.Id))
		if err != nil || i < 0 || i >= len(batch) {
			return 0, errors.New("sending to the trigger queue: SQS answered for a message that was not sent")
		}
		deletes = append(deletes, types.DeleteMessageBatchRequestEntry{Id: entry.Id, ReceiptHandle: batch[i].ReceiptHandle})
	}
	if len(deletes) > 0 {
		if err := m.remove(ctx, url, deletes); err != nil {
			return len(deletes), err
		}
	}
	if len(sent.Failed) > 0 {
		return len(deletes), fmt.Errorf("sending to the trigger queue: SQS refused %d messages (%s); they are still in the dead-letter queue",
			len(sent.Failed), aws.ToString(sent.Failed[0].Code))
	}
	return len(deletes), nil
}

// remove deletes what was sent. It is finished even when the caller has been
// told to stop: a delete that is left out makes a duplicate.
func (m Mover) remove(ctx context.Context, url string, deletes []types.DeleteMessageBatchRequestEntry) error {
	out, err := m.API.DeleteMessageBatch(context.WithoutCancel(ctx), &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(url), Entries: deletes})
	if err != nil {
		return fmt.Errorf("deleting from the dead-letter queue: %w; %d messages that were moved will be there again", withoutURL(err), len(deletes))
	}
	if len(out.Failed) > 0 {
		return fmt.Errorf("deleting from the dead-letter queue: SQS refused %d (%s); these were moved and will be there again",
			len(out.Failed), aws.ToString(out.Failed[0].Code))
	}
	return nil
}
