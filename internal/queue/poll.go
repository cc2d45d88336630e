package queue

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// pollSlack is how much longer than its wait time a poll may take before its
// connection counts as dead.
const pollSlack = 30 * time.Second

// firstWait is how long a poll waits for messages until one has succeeded: a
// worker is ready once it has polled, and should not need the length of a long
// poll for that when the queue is empty.
const firstWait = time.Second

// poll receives batch after batch until ctx is done, and has each worked off in
// a goroutine of its own. The slots for a batch are taken before it is received:
// what is received is worked on at once, and its visibility is not used up in a
// line.
func (c *Consumer) poll(ctx, work context.Context) {
	failures, wait := 0, min(firstWait, c.WaitTime)
	for {
		if c.slots.Acquire(ctx, batchSize) != nil {
			return
		}
		if c.gate.pass(ctx) != nil {
			c.slots.Release(batchSize)
			return
		}
		started := time.Now()
		messages, err := c.receive(ctx, wait)
		c.slots.Release(int64(batchSize - len(messages)))
		if err != nil {
			c.Metrics.Count(EventPollFailed, 1)
			c.health.failed(started, err)
			failures++
			if !sleep(ctx, backoff(failures)) {
				return
			}
			continue
		}
		failures, wait = 0, c.WaitTime
		now := time.Now()
		c.lastPoll.Store(&now)
		c.health.succeeded(started)
		if len(messages) > 0 {
			c.batches.Go(func() { c.handle(work, messages) })
		}
	}
}

// receive polls once. A cancel would strand the messages that are on their way
// until their visibility ends, so ctx only lends its values.
func (c *Consumer) receive(ctx context.Context, wait time.Duration) ([]types.Message, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait+pollSlack)
	defer cancel()
	out, err := c.Receive.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:            aws.String(c.QueueURL),
		MaxNumberOfMessages: batchSize,
		WaitTimeSeconds:     int32(wait / time.Second),
		VisibilityTimeout:   int32(c.VisibilityTimeout / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount,
		},
	})
	if err != nil {
		return nil, err
	}
	// More than asked for would be more than there are slots.
	return out.Messages[:min(len(out.Messages), batchSize)], nil
}
