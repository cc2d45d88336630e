package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	smithytime "github.com/aws/smithy-go/time"
)

// minQueueVisibility is what the queue's own visibility timeout should be at least.
const minQueueVisibility = 30 * time.Second

// checkQueue warns of settings of the queue that lose or repeat messages. It fails only
// when there is no such queue; while SQS can't be reached it waits.
func (c *Consumer) checkQueue(ctx context.Context) error {
	for failures := 1; ctx.Err() == nil; failures++ {
		started := time.Now()
		found, err := c.look(ctx)
		var missing *types.QueueDoesNotExist
		switch {
		case err == nil:
			c.health.succeeded(started)
			if found.visibility < minQueueVisibility {
				c.Logger.Warn("the trigger queue's visibility timeout is short: set 30 s or more", "visibility_timeout", found.visibility)
			}
			if !found.HasDeadLetters() {
				c.Logger.Warn("the trigger queue has no dead-letter queue: malformed messages come again until they expire; set a redrive policy")
			}
			return nil
		case errors.As(err, &missing):
			return withoutURL(err)
		case denied(err):
			c.Logger.Warn("reading the trigger queue's attributes is not allowed: grant sqs:GetQueueAttributes to have its settings checked")
			return nil // polls may be allowed all the same
		case ctx.Err() == nil:
			c.health.failed(started, err)
		}
		_ = smithytime.SleepWithContext(ctx, backoff(failures)) // until ctx ends
	}
	return nil
}

func (c *Consumer) look(ctx context.Context) (Queue, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return look(ctx, c.Delete, c.QueueURL)
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
