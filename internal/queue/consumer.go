package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/sync/semaphore"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/trigger"
)

// SQS is what the consumer calls of the SDK's client.
type SQS interface {
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
	GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
}

// Opener starts what messages ask for. All calls must be safe to repeat and to
// run concurrently, and must return soon after their context is done.
type Opener interface {
	// Open starts the window's execution. opened is false when that execution
	// existed already, running or closed.
	Open(ctx context.Context, w cdc.Window, cause cdc.Cause) (opened bool, err error)
	// PublishDelete starts the publishing of a delete. source is one of the cdc.By
	// constants.
	PublishDelete(ctx context.Context, datastore string, d cdc.Delete, source string) (opened bool, err error)
	// Import starts the audit of what an import has written.
	Import(ctx context.Context, datastore string, i cdc.Import) (opened bool, err error)
	// Follow starts the audit that follows an asynchronous job.
	Follow(ctx context.Context, datastore string, j cdc.Job) (opened bool, err error)
}

// ErrUnavailable is what an Opener's error Is when nothing can be opened now,
// for a reason that is no message's: Temporal is down, or refuses what every
// start carries. Polling pauses and the messages in hand wait. Any other error
// concerns its message only, which is left to redelivery.
var ErrUnavailable = errors.New("temporal is unavailable")

// Config is what a Consumer needs.
type Config struct {
	// Receive polls, Delete does everything else. They must be clients of their
	// own: the SDK's retryer has a budget for each client, and polls that fail
	// would use up that of the deletes.
	Receive, Delete SQS
	QueueURL        string
	// Scope tells what is configured; a zero Now becomes the present.
	Scope  func() trigger.Scope
	Opener Opener

	// Pollers is how many polls run at a time; 0 means DefaultPollers.
	Pollers int
	// MaxInFlight is how many messages may be in hand, at least 10; 0 means 100
	// for each poller.
	MaxInFlight int
	// VisibilityTimeout of a received message, 10 s to 12 h in whole seconds,
	// extended at half time while in hand; 0 means DefaultVisibilityTimeout.
	VisibilityTimeout time.Duration
	// WaitTime of a long poll, 1 to 20 s in whole seconds; 0 means 20 s.
	WaitTime time.Duration
	// Grace is how long, once Run's context is done, messages in hand may still
	// be worked off; the rest is given back. 0 means DefaultGrace. Add WaitTime,
	// which the last poll may take, for how long a stop may last.
	Grace time.Duration

	Logger  *slog.Logger
	Metrics Metrics
}

const (
	// DefaultPollers is how many polls run at a time.
	DefaultPollers = 4
	// DefaultVisibilityTimeout is long against what opening a window takes and
	// short against what a crash of this process delays.
	DefaultVisibilityTimeout = time.Minute
	// DefaultGrace leaves time to the last poll within the 30 s that Kubernetes
	// gives a container to stop.
	DefaultGrace = 5 * time.Second

	maxWaitTime   = 20 * time.Second // SQS's limit
	maxVisibility = 12 * time.Hour   // SQS's limit
	minVisibility = 10 * time.Second // leaves time to extend it
	batchSize     = 10               // SQS's limit, of messages in any call
)

// Consumer polls the trigger queue. Make it with New and call Run once.
type Consumer struct {
	Config
	slots    *semaphore.Weighted
	gate     *gate
	openings *openings
	keeper   *keeper
	deleter  *deleter
	health   health
	names    nameList
	batches  sync.WaitGroup
	// unstarted is what is to be given back at a stop.
	unstarted heldList
	lastPoll  atomic.Pointer[time.Time]
}

// New checks cfg and fills in its defaults.
func New(cfg Config) (*Consumer, error) {
	setDefault(&cfg.Pollers, DefaultPollers)
	setDefault(&cfg.MaxInFlight, 100*cfg.Pollers)
	setDefault(&cfg.VisibilityTimeout, DefaultVisibilityTimeout)
	setDefault(&cfg.WaitTime, maxWaitTime)
	setDefault(&cfg.Grace, DefaultGrace)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Metrics == nil {
		cfg.Metrics = noMetrics{}
	}
	switch {
	case cfg.Receive == nil || cfg.Delete == nil || cfg.Scope == nil || cfg.Opener == nil:
		return nil, errors.New("consumer needs two SQS clients, a scope and an opener")
	case cfg.QueueURL == "":
		return nil, errors.New("consumer needs a queue: set CDC_QUEUE_URL")
	case cfg.Pollers < 1:
		return nil, fmt.Errorf("%d pollers: at least 1 is needed", cfg.Pollers)
	case cfg.MaxInFlight < batchSize:
		return nil, fmt.Errorf("%d messages in flight: at least %d are needed, as many as a poll brings", cfg.MaxInFlight, batchSize)
	case cfg.VisibilityTimeout < minVisibility || cfg.VisibilityTimeout > maxVisibility || cfg.VisibilityTimeout%time.Second != 0:
		return nil, fmt.Errorf("visibility timeout %s: want whole seconds from %s to %s", cfg.VisibilityTimeout, minVisibility, maxVisibility)
	case cfg.WaitTime < time.Second || cfg.WaitTime > maxWaitTime || cfg.WaitTime%time.Second != 0:
		return nil, fmt.Errorf("wait time %s: want whole seconds from 1s to %s", cfg.WaitTime, maxWaitTime)
	case cfg.Grace < 0:
		return nil, fmt.Errorf("grace %s: want 0 or more", cfg.Grace)
	}
	c := &Consumer{Config: cfg, slots: semaphore.NewWeighted(int64(cfg.MaxInFlight))}
	c.health = health{logger: cfg.Logger}
	c.gate = newGate(cfg.Logger, cfg.Metrics)
	c.openings = &openings{opener: cfg.Opener, gate: c.gate, metrics: cfg.Metrics, memory: newMemory(rememberCount, rememberFor)}
	c.keeper = newKeeper(cfg)
	c.deleter = newDeleter(cfg, c.release)
	return c, nil
}

func setDefault[T int | time.Duration](value *T, fallback T) {
	if *value == 0 {
		*value = fallback
	}
}

// Run polls until ctx is done. Then no new poll begins; those in flight, whose
// messages would be stranded by a cancel, finish; what is in hand is worked off
// within the grace or given back; deletes are flushed; and Run returns nil. An
// error says that the queue does not exist.
func (c *Consumer) Run(ctx context.Context) error {
	if err := c.checkQueue(ctx); err != nil {
		return fmt.Errorf("checking the trigger queue: %w", err)
	}
	calls := context.WithoutCancel(ctx) // of SQS: each is let finish
	work, abandon := context.WithCancel(calls)
	defer abandon()
	c.gate.stopping = ctx.Done()

	var pollers, helpers sync.WaitGroup
	stopKeeper := make(chan struct{})
	helpers.Go(func() { c.keeper.run(calls, stopKeeper) })
	helpers.Go(func() { c.deleter.run(calls) })
	for range c.Pollers {
		pollers.Go(func() { c.poll(ctx, work) })
	}
	drained := make(chan struct{})
	helpers.Go(func() {
		pollers.Wait() // first: they add to batches
		c.batches.Wait()
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
	c.giveBack(calls)
	c.deleter.close()
	close(stopKeeper)
	helpers.Wait()
	c.Logger.Info("consumer has stopped")
	return nil
}

// Ready tells why the consumer is not at work: Temporal is unavailable, or no
// poll has succeeded for three times its length and half a minute.
func (c *Consumer) Ready() error {
	if since, down := c.gate.state(); down {
		return fmt.Errorf("%w since %s: check TEMPORAL_ADDRESS, its credentials and the server", ErrUnavailable, since.UTC().Format(time.RFC3339))
	}
	last := c.lastPoll.Load()
	switch {
	case last == nil:
		return errors.New("trigger queue has not been polled yet: check CDC_QUEUE_URL and sqs:ReceiveMessage")
	case time.Since(*last) > 3*c.WaitTime+30*time.Second:
		return fmt.Errorf("last successful poll of the trigger queue was at %s: check SQS, or what keeps messages in hand", last.UTC().Format(time.RFC3339))
	}
	return nil
}

// release is the end of a message in hand, whatever came of it.
func (c *Consumer) release(m *held) {
	c.keeper.drop(m)
	c.slots.Release(1)
}
