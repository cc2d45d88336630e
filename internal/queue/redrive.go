package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Progress is told how many messages were moved, of how many; of is 0 when that
// is not known.
type Progress func(moved, of int)

// Mover moves messages from the dead-letter queue to the trigger queue.
type Mover struct {
	API    API
	Queues Queues
	// Progress is told after each step; nil for no one.
	Progress Progress
	// Wait waits between two looks at a task that SQS carries out; nil for a
	// second.
	Wait func(ctx context.Context) error
}

// mostLooks is how many times in a row a task that SQS has accepted may not be listed,
// or not be the newest, before it is taken for lost: half a minute.
const mostLooks = 30

// The status of a task (SQS API Reference, ListMessageMoveTasks).
const (
	statusRunning   = "RUNNING"
	statusCompleted = "COMPLETED"
)

// All has SQS move everything that the dead-letter queue holds, and waits until
// it has. One task at a time: while one runs, All is an error that says how far
// it is. A task that SQS has accepted and never lists is an error as well. When ctx
// ends the task goes on in SQS.
func (m Mover) All(ctx context.Context) (moved int, err error) {
	if m.Queues.DLQ == "" {
		return 0, ErrNoDLQ
	}
	before, err := m.latest(ctx)
	if err != nil {
		return 0, err
	}
	if before != nil && aws.ToString(before.Status) == statusRunning {
		return 0, fmt.Errorf("a redrive is running already: %d of %d messages are moved; it goes on by itself",
			before.ApproximateNumberOfMessagesMoved, aws.ToInt64(before.ApproximateNumberOfMessagesToMove))
	}
	_, depth, err := m.Queues.Dead(ctx, m.API)
	if err != nil {
		return 0, err
	}
	if depth.Visible == 0 {
		return 0, nil // a task that moves nothing would be one more to look at
	}
	if _, err := m.API.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(m.Queues.DLQ)}); err != nil {
		return 0, fmt.Errorf("starting the redrive: %w", startError(err))
	}
	for unseen := 0; unseen < mostLooks; unseen++ {
		latest, err := m.latest(ctx)
		if err != nil {
			return moved, err
		}
		if newer(latest, before) {
			unseen = 0
			moved = int(latest.ApproximateNumberOfMessagesMoved)
			m.tell(moved, int(aws.ToInt64(latest.ApproximateNumberOfMessagesToMove)))
			switch status := aws.ToString(latest.Status); status {
			case statusCompleted:
				return moved, nil
			case statusRunning:
			default:
				return moved, fmt.Errorf("the redrive ended as %s after %d messages: %s; what is left is still in the dead-letter queue",
					status, moved, orElse(aws.ToString(latest.FailureReason), "no reason given"))
			}
		}
		if err := m.wait(ctx); err != nil {
			return moved, errors.New("interrupted: the redrive goes on in SQS")
		}
	}
	return moved, errors.New("SQS has accepted the redrive and does not list it: how much it moves is not known; `starter status` shows how many messages are in both queues")
}

// newer reports whether a task began after the one that was the newest before. SQS
// lists a task a moment after it has accepted it.
func newer(latest, before *types.ListMessageMoveTasksResultEntry) bool {
	return latest != nil && (before == nil || latest.StartedTimestamp > before.StartedTimestamp)
}

// startError is the error of a task that could not be started: often someone else
// has started one meanwhile.
func startError(err error) error {
	var running *types.UnsupportedOperation
	if errors.As(err, &running) {
		return errors.New("another redrive is running already; it goes on by itself")
	}
	return withoutURL(err)
}

func (m Mover) latest(ctx context.Context) (*types.ListMessageMoveTasksResultEntry, error) {
	out, err := m.API.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: aws.String(m.Queues.DLQ), MaxResults: aws.Int32(1)})
	if err != nil {
		return nil, fmt.Errorf("asking how far the redrive is: %w", withoutURL(err))
	}
	if len(out.Results) == 0 {
		return nil, nil
	}
	return &out.Results[0], nil
}

func (m Mover) tell(moved, of int) {
	if m.Progress != nil {
		m.Progress(moved, of)
	}
}

func (m Mover) wait(ctx context.Context) error {
	if m.Wait != nil {
		return m.Wait(ctx)
	}
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func orElse(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}
