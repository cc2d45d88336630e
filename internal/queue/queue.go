package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// minQueueVisibility is what the queue's own visibility timeout should be at
// least: it holds for whoever receives without naming one, a redrive for one.
const minQueueVisibility = 30 * time.Second

// checkQueue sees whether the queue is there and set up as it should be. It
// fails only when there is no such queue; while SQS can't be reached it waits.
func (c *Consumer) checkQueue(ctx context.Context) error {
	for failures := 1; ; failures++ {
		started := time.Now()
		out, err := c.attributes(ctx)
		var missing *types.QueueDoesNotExist
		switch {
		case err == nil:
			c.health.succeeded(started)
			c.warn(out.Attributes)
			return nil
		case errors.As(err, &missing):
			return errors.New("queue does not exist: check CDC_QUEUE_URL and AWS_REGION")
		case denied(err):
			c.Logger.Warn("reading the trigger queue's attributes is not allowed: grant sqs:GetQueueAttributes to have its settings checked")
			return nil // polls may be allowed all the same
		case ctx.Err() == nil:
			c.health.failed(started, err)
		}
		if !sleep(ctx, backoff(failures)) {
			return nil
		}
	}
}

func (c *Consumer) attributes(ctx context.Context) (*sqs.GetQueueAttributesOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.Delete.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       aws.String(c.QueueURL),
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameVisibilityTimeout, types.QueueAttributeNameRedrivePolicy},
	})
}

func (c *Consumer) warn(attributes map[string]string) {
	seconds, err := strconv.Atoi(attributes[string(types.QueueAttributeNameVisibilityTimeout)])
	if visibility := time.Duration(seconds) * time.Second; err == nil && visibility < minQueueVisibility {
		c.Logger.Warn("the trigger queue's visibility timeout is short: set 30 s or more", "visibility_timeout", visibility)
	}
	if attributes[string(types.QueueAttributeNameRedrivePolicy)] == "" {
		c.Logger.Warn("the trigger queue has no dead-letter queue: malformed messages come again until they expire; set a redrive policy")
	}
}

// coded and answered are what the SDK's errors tell of themselves.
type (
	coded    interface{ ErrorCode() string }
	answered interface{ HTTPStatusCode() int }
)

func denied(err error) bool {
	var code coded
	var answer answered
	return errors.As(err, &code) && errors.As(err, &answer) && answer.HTTPStatusCode() == 403
}

// describe says what an SDK error was about without its text, which holds the
// request's URL.
func describe(err error) string {
	var code coded
	var answer answered
	switch {
	case errors.As(err, &code):
		return code.ErrorCode()
	case errors.As(err, &answer) && answer.HTTPStatusCode() != 0:
		return fmt.Sprintf("HTTP status %d", answer.HTTPStatusCode())
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	default:
		return "no connection"
	}
}

// health logs SQS's going and coming, each once. A call that began before the
// last of them says nothing new: polls take their time, and run side by side.
type health struct {
	logger  *slog.Logger
	mu      sync.Mutex
	away    bool
	changed time.Time
}

func (h *health) failed(started time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.away && !started.Before(h.changed) {
		h.away, h.changed = true, time.Now()
		h.logger.Warn("SQS does not answer: trying again; check CDC_QUEUE_URL, the credentials and the network", "cause", describe(err))
	}
}

func (h *health) succeeded(started time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away && !started.Before(h.changed) {
		h.logger.Info("SQS answers again", "after", time.Since(h.changed).Round(time.Second))
		h.away, h.changed = false, time.Now()
	}
}
