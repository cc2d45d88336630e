package queue

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	smithytime "github.com/aws/smithy-go/time"

	"healthlake-cdc/internal/trigger"
)

const (
	// pollSlack is how much longer than its wait time a poll may take.
	pollSlack = 30 * time.Second
	// firstWait is how long a poll waits for messages until one has succeeded: a worker
	// is ready once it has polled.
	firstWait = time.Second
)

// poll receives batch after batch until ctx is done, and has each message worked off in
// a goroutine of its own. It acquires the slots for a batch before it receives one, so
// that no visibility is used up waiting.
func (c *Consumer) poll(ctx, work context.Context) {
	failures, wait := 0, min(firstWait, c.wait)
	for {
		if c.slots.Acquire(ctx, batchSize) != nil {
			return
		}
		if c.breaker.wait(ctx) != nil {
			c.slots.Release(batchSize)
			return
		}
		started := time.Now()
		received, err := c.receive(ctx, wait)
		c.slots.Release(int64(batchSize - len(received)))
		if err != nil {
			c.Metrics.Count(EventPollFailed, 1)
			c.health.failed(started, err)
			failures++
			if smithytime.SleepWithContext(ctx, backoff(failures)) != nil {
				return
			}
			continue
		}
		failures, wait = 0, c.wait
		now := time.Now()
		c.lastPoll.Store(&now)
		c.health.succeeded(started)
		c.Metrics.Count(EventReceived, len(received))
		for _, raw := range received {
			m := &message{id: aws.ToString(raw.MessageId), receipt: aws.ToString(raw.ReceiptHandle)}
			c.extender.track(m)
			c.messages.Go(func() { c.handle(work, m, raw) })
		}
	}
}

// receive polls once. A cancel would strand the messages that are on their way
// until their visibility ends, so ctx only lends its values.
func (c *Consumer) receive(ctx context.Context, wait time.Duration) ([]types.Message, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait+pollSlack)
	defer cancel()
	out, err := c.Receive.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    aws.String(c.QueueURL),
		MaxNumberOfMessages:         batchSize,
		WaitTimeSeconds:             int32(wait / time.Second),
		VisibilityTimeout:           int32(c.visibility / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
	})
	if err != nil {
		return nil, err
	}
	// More than requested would be more than there are slots.
	return out.Messages[:min(len(out.Messages), batchSize)], nil
}

// handle parses a message, starts what it asks for and acknowledges it. A malformed
// message comes again when its visibility ends, or goes to the dead-letter queue.
func (c *Consumer) handle(ctx context.Context, m *message, raw types.Message) {
	scope := c.Scope
	scope.Now = time.Now()
	result := trigger.Parse([]byte(aws.ToString(raw.Body)), scope)
	c.count(result, scope.Now)
	if result.Outcome == trigger.OutcomeMalformed {
		c.Logger.Warn("message is malformed: it is left to the dead-letter queue", "message", m.id, "reason", result.Reason,
			"received", raw.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
		c.done(m)
		return
	}
	if err := c.starter.start(ctx, result); err != nil {
		c.extender.abandon(m) // we are stopping
		return
	}
	c.acknowledger.in <- m
}

// count counts what was received, and logs each unknown event name once.
func (c *Consumer) count(result trigger.Result, now time.Time) {
	c.Metrics.Outcome(result.Outcome)
	if len(result.Windows) > 0 || len(result.Late) > 0 || len(result.Deletes) > 0 || result.Job != nil {
		c.Metrics.Delay(result.Cause.CapturedBy, now.Sub(result.Cause.SourceTime))
	}
	if result.UnknownEvent != "" {
		c.Metrics.Count(EventUnknownName, 1)
		if c.names.isNew(result.UnknownEvent) {
			c.Logger.Warn("unknown event name of a call that is not read-only: treated as a write", "event_name", result.UnknownEvent)
		}
	}
}

// health logs outages of SQS, the beginning and the end of each once. A call that began
// before the last change says nothing new: polls take their time, and run side by side.
type health struct {
	logger  *slog.Logger
	mu      sync.Mutex
	down    bool
	changed time.Time
}

func (h *health) failed(started time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.down && !started.Before(h.changed) {
		h.down, h.changed = true, time.Now()
		h.logger.Warn("SQS is unavailable: trying again; check CDC_QUEUE_URL, the credentials and the network", "cause", withoutURL(err))
	}
}

func (h *health) succeeded(started time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down && !started.Before(h.changed) {
		h.logger.Info("SQS is available again", "after", time.Since(h.changed).Round(time.Second))
		h.down, h.changed = false, time.Now()
	}
}

// nameList is a bounded set of names that were logged.
type nameList struct {
	mu   sync.Mutex
	seen map[string]bool
}

// maxNames bounds what names from outside can make us keep and log.
const maxNames = 100

func (l *nameList) isNew(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[name] || len(l.seen) >= maxNames {
		return false
	}
	if l.seen == nil {
		l.seen = make(map[string]bool)
	}
	l.seen[name] = true
	return true
}
