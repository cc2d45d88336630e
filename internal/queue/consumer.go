package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/trigger"
)

// Opener starts what messages ask for. All calls must be safe to repeat and to run
// concurrently, and must return soon after their context is done. opened is false when
// what was asked for existed already. An error means that Temporal is unavailable, or
// rejects what every start carries: polling pauses and the messages in hand wait.
//
// temporal.Launcher implements it.
type Opener interface {
	// OpenWindow starts the window's execution.
	OpenWindow(ctx context.Context, w cdc.Window, cause cdc.Cause) (opened bool, err error)
	// PublishDelete's by is one of the cdc.By constants.
	PublishDelete(ctx context.Context, datastore string, d cdc.Delete, by string) (opened bool, err error)
	// Import starts the audit of what an import has written.
	Import(ctx context.Context, datastore string, i cdc.Import, cause cdc.Cause) (opened bool, err error)
	// Follow starts the audit that follows an asynchronous job.
	Follow(ctx context.Context, datastore string, j cdc.Job, cause cdc.Cause) (opened bool, err error)
}

// Config is what a Consumer needs.
type Config struct {
	// Receive polls, Delete does everything else. They must be two clients: the SDK's
	// retryer has a budget for each, and polls that fail would use up that of the deletes.
	Receive, Delete API
	QueueURL        string
	// Scope is what is configured; the consumer sets its Now.
	Scope  trigger.Scope
	Opener Opener
	// Grace is how long, once Run's context is done, messages in hand may still be worked
	// off; the rest is released. The last poll may take up to WaitTime longer.
	Grace time.Duration

	Logger  *slog.Logger
	Metrics Metrics
}

// WaitTime is how long a poll waits for messages: SQS's limit.
const WaitTime = 20 * time.Second

// batchSize is SQS's limit of messages in any call.
const batchSize = 10

// limits are the constants of a Consumer, which tests vary.
type limits struct {
	pollers int
	// inHand is how many messages may be in hand.
	inHand int
	// visibility of a received message, extended at half time while in hand.
	visibility time.Duration
	wait       time.Duration
}

var defaultLimits = limits{pollers: 4, inHand: 400, visibility: time.Minute, wait: WaitTime}

// Consumer polls the trigger queue. Make it with New and call Run once.
type Consumer struct {
	Config
	limits
	slots        *semaphore.Weighted
	breaker      *circuitBreaker
	starter      *windowStarter
	extender     *visibilityExtender
	acknowledger *acknowledger
	health       health
	names        nameList
	messages     sync.WaitGroup // in hand
	lastPoll     atomic.Pointer[time.Time]
}

// New returns a Consumer; every field of cfg must be set.
func New(cfg Config) *Consumer { return newConsumer(cfg, defaultLimits) }

func newConsumer(cfg Config, l limits) *Consumer {
	c := &Consumer{Config: cfg, limits: l, slots: semaphore.NewWeighted(int64(l.inHand))}
	c.health = health{logger: cfg.Logger}
	c.breaker = &circuitBreaker{logger: cfg.Logger, metrics: cfg.Metrics}
	c.starter = &windowStarter{opener: cfg.Opener, breaker: c.breaker, metrics: cfg.Metrics, recent: newRecentWindows(maxRecent)}
	c.extender = &visibilityExtender{Config: cfg, visibility: l.visibility, tracked: make(map[*message]bool)}
	c.acknowledger = &acknowledger{Config: cfg, in: make(chan *message), done: c.done}
	return c
}

// Run polls until ctx is done. Then the polls in flight finish, what is in hand is worked
// off within the grace or released, acknowledgements are flushed, and Run returns.
func (c *Consumer) Run(ctx context.Context) {
	calls := context.WithoutCancel(ctx) // of SQS: a stop lets each finish
	work, abandon := context.WithCancel(calls)
	defer abandon()
	c.breaker.stopping = ctx.Done()

	var pollers, helpers sync.WaitGroup
	stopExtender := make(chan struct{})
	helpers.Go(func() { c.extender.run(calls, stopExtender) })
	helpers.Go(func() { c.acknowledger.run(calls) })
	for range c.pollers {
		pollers.Go(func() { c.poll(ctx, work) })
	}
	drained := make(chan struct{})
	helpers.Go(func() {
		pollers.Wait() // first: they add to messages
		c.messages.Wait()
		close(drained)
	})

	<-ctx.Done()
	c.Logger.Info("consumer is stopping: letting polls finish", "grace", c.Grace)
	grace := time.NewTimer(c.Grace)
	defer grace.Stop()
	select {
	case <-drained:
	case <-grace.C:
		abandon()
		<-drained
	}
	// Not before the last poll has finished: it would receive the messages again.
	for _, m := range c.extender.release(calls) {
		c.done(m)
	}
	close(c.acknowledger.in)
	close(stopExtender)
	helpers.Wait()
	c.Logger.Info("consumer has stopped")
}

// Ready says why the consumer is not at work: Temporal is unavailable, or no
// poll has succeeded for three times its length and half a minute.
func (c *Consumer) Ready() error {
	if since, tripped := c.breaker.state(); tripped {
		return fmt.Errorf("temporal is unavailable since %s: check TEMPORAL_ADDRESS, its credentials and the server", since.UTC().Format(time.RFC3339))
	}
	last := c.lastPoll.Load()
	switch {
	case last == nil:
		return errors.New("trigger queue has not been polled yet: check CDC_QUEUE_URL and sqs:ReceiveMessage")
	case time.Since(*last) > 3*c.wait+30*time.Second:
		return fmt.Errorf("last successful poll of the trigger queue was at %s: check SQS, or what keeps messages in hand", last.UTC().Format(time.RFC3339))
	}
	return nil
}

// done is the end of a message in hand, whatever came of it.
func (c *Consumer) done(m *message) {
	c.extender.drop(m)
	c.slots.Release(1)
}
