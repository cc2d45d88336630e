package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	smithytime "github.com/aws/smithy-go/time"
)

// Mover moves messages from the dead-letter queue to the trigger queue.
type Mover struct {
	API         API
	Queue       Queue
	DeadLetters Queue
	// Progress is called after each step with how many messages were moved, of how many.
	Progress func(moved, of int)

	lookEvery time.Duration
}

// NewMover finds the trigger queue by its URL, and its dead-letter queue.
func NewMover(ctx context.Context, api API, url string, progress func(moved, of int)) (Mover, error) {
	found, err := Find(ctx, api, url)
	if err != nil {
		return Mover{}, err
	}
	dead, err := found.DeadLetters(ctx, api)
	if err != nil {
		return Mover{}, err
	}
	return Mover{API: api, Queue: found, DeadLetters: dead, Progress: progress, lookEvery: time.Second}, nil
}

// maxUnseen is how many times in a row a task that SQS has accepted may not be listed,
// or not be the newest, before it counts as lost: half a minute.
const maxUnseen = 30

// The status of a task (SQS API Reference, ListMessageMoveTasks).
const (
	statusRunning   = "RUNNING"
	statusCompleted = "COMPLETED"
)

// All has SQS move everything that the dead-letter queue holds, and waits until it has.
// While another task runs it fails and says how far that is. When ctx ends the task
// continues in SQS.
func (m Mover) All(ctx context.Context) (moved int, err error) {
	before, err := m.latest(ctx)
	if err != nil {
		return 0, err
	}
	if before != nil && aws.ToString(before.Status) == statusRunning {
		return 0, fmt.Errorf("a redrive is running already: %d of %d messages are moved; it continues by itself",
			before.ApproximateNumberOfMessagesMoved, aws.ToInt64(before.ApproximateNumberOfMessagesToMove))
	}
	if m.DeadLetters.Depth.Visible == 0 {
		return 0, nil // SQS would list a task that moves nothing
	}
	if _, err := m.API.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(m.DeadLetters.ARN)}); err != nil {
		if _, running := errors.AsType[*types.UnsupportedOperation](err); running {
			return 0, errors.New("another redrive is running already; it continues by itself")
		}
		return 0, fmt.Errorf("starting the redrive: %w", withoutURL(err))
	}
	for unseen := 0; unseen < maxUnseen; unseen++ {
		latest, err := m.latest(ctx)
		if err != nil {
			return moved, err
		}
		if newer(latest, before) {
			unseen = 0
			moved = int(latest.ApproximateNumberOfMessagesMoved)
			m.Progress(moved, int(aws.ToInt64(latest.ApproximateNumberOfMessagesToMove)))
			switch status := aws.ToString(latest.Status); status {
			case statusCompleted:
				return moved, nil
			case statusRunning:
			default:
				return moved, fmt.Errorf("the redrive ended as %s after %d messages: %s; the rest is still in the dead-letter queue",
					status, moved, cmp.Or(aws.ToString(latest.FailureReason), "no reason given"))
			}
		}
		if smithytime.SleepWithContext(ctx, m.lookEvery) != nil {
			return moved, errors.New("interrupted: the redrive continues in SQS")
		}
	}
	return moved, errors.New("SQS has accepted the redrive and does not list it: `starter status` shows how many messages are in both queues")
}

// newer reports whether a task began after the one that was the newest before. SQS
// lists a task a moment after it has accepted it.
func newer(latest, before *types.ListMessageMoveTasksResultEntry) bool {
	return latest != nil && (before == nil || latest.StartedTimestamp > before.StartedTimestamp)
}

func (m Mover) latest(ctx context.Context) (*types.ListMessageMoveTasksResultEntry, error) {
	out, err := m.API.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: aws.String(m.DeadLetters.ARN), MaxResults: aws.Int32(1)})
	if err != nil {
		return nil, fmt.Errorf("reading how far the redrive is: %w", withoutURL(err))
	}
	if len(out.Results) == 0 {
		return nil, nil
	}
	return &out.Results[0], nil
}

const (
	// moveVisibility is how long received messages stay hidden in the dead-letter queue,
	// in seconds: longer than moving ten of them can take.
	moveVisibility = 120
	// moveWait is how long to wait for messages in an empty dead-letter queue, in
	// seconds: a long poll queries all of its servers.
	moveWait = 2
)

// Some moves up to limit messages, which StartMessageMoveTask cannot do: it receives
// them, sends each to the trigger queue, and then deletes it. Whatever fails, none is
// lost; one that could not be deleted comes twice, which opens no window twice.
func (m Mover) Some(ctx context.Context, limit int) (moved int, err error) {
	for moved < limit {
		out, err := m.API.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(m.DeadLetters.URL), MaxNumberOfMessages: int32(min(batchSize, limit-moved)),
			VisibilityTimeout: moveVisibility, WaitTimeSeconds: moveWait, MessageAttributeNames: []string{"All"},
		})
		if err != nil {
			return moved, fmt.Errorf("receiving from the dead-letter queue: %w", withoutURL(err))
		}
		if len(out.Messages) == 0 {
			return moved, nil
		}
		for _, message := range out.Messages {
			if _, err := m.API.SendMessage(ctx, &sqs.SendMessageInput{
				QueueUrl: aws.String(m.Queue.URL), MessageBody: message.Body, MessageAttributes: message.MessageAttributes,
			}); err != nil {
				return moved, fmt.Errorf("sending to the trigger queue: %w; the message is still in the dead-letter queue", withoutURL(err))
			}
			moved++
			// Also when ctx has ended meanwhile: what is not deleted is a duplicate.
			if _, err := m.API.DeleteMessage(context.WithoutCancel(ctx), &sqs.DeleteMessageInput{
				QueueUrl: aws.String(m.DeadLetters.URL), ReceiptHandle: message.ReceiptHandle,
			}); err != nil {
				return moved, fmt.Errorf("deleting from the dead-letter queue: %w; the message was moved and will be there again", withoutURL(err))
			}
		}
		m.Progress(moved, limit)
	}
	return moved, nil
}
