package queue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/trigger"
)

// opensPerBatch is how many windows, deletes and audits of one batch are opened at
// a time.
const opensPerBatch = 8

// opening is a window, a delete or an audit that messages of a batch ask for.
type opening struct {
	open func(context.Context) error
	err  error
}

// asked is a message and what it asks for.
type asked struct {
	*held
	openings []*opening
}

// err is the first error of what the message asked for. A stop goes before
// others: the message is to be given back, and shows its other errors again.
func (a asked) err() error {
	var first error
	for _, o := range a.openings {
		if errors.Is(o.err, errStopping) {
			return o.err
		}
		if first == nil {
			first = o.err
		}
	}
	return first
}

// handle works off a batch of messages.
func (c *Consumer) handle(work context.Context, messages []types.Message) {
	c.Metrics.Count(EventReceived, len(messages))
	batch := make([]*held, len(messages))
	for i, message := range messages {
		batch[i] = &held{id: aws.ToString(message.MessageId), receipt: aws.ToString(message.ReceiptHandle)}
	}
	c.keeper.hold(batch)

	scope := c.Scope()
	if scope.Now.IsZero() {
		scope.Now = time.Now()
	}
	plan := plan{consumer: c, windows: make(map[sourced]*opening)}
	for i, message := range messages {
		result := trigger.Parse([]byte(aws.ToString(message.Body)), scope)
		c.count(result, scope.Now)
		if result.Outcome == trigger.OutcomeMalformed {
			c.Logger.Warn("message is malformed: left to the dead-letter queue", "message", batch[i].id, "reason", result.Reason,
				"received", message.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
			c.leave(batch[i])
			continue
		}
		plan.add(batch[i], result)
	}
	plan.open(work)
	c.finish(plan.asked)
}

// count tells the metrics, and the log once for each name, what was received.
func (c *Consumer) count(result trigger.Result, now time.Time) {
	c.Metrics.Outcome(result.Outcome)
	if len(result.Windows) > 0 || len(result.Late) > 0 || len(result.Deletes) > 0 || result.Job != nil {
		c.Metrics.Delay(result.Source, now.Sub(result.Time))
	}
	if result.UnknownEvent {
		c.Metrics.Count(EventUnknownName, 1)
		if c.names.isNew(result.EventName) {
			c.Logger.Warn("unknown event name of a call that is not read-only: taken for a write", "event_name", result.EventName)
		}
	}
}

// finish does with each message what came of it.
func (c *Consumer) finish(messages []asked) {
	for _, m := range messages {
		switch err := m.err(); {
		case err == nil:
			c.deleter.add(m.held)
		case errors.Is(err, errStopping):
			c.unstarted.add(m.held)
		default:
			c.Logger.Warn("message could not be worked off: left to redelivery", "message", m.id, "error", err)
			c.leave(m.held)
		}
	}
}

// giveBack makes visible at once what was not started before the stop. Not
// before the last poll has finished: it would receive it again, for nothing.
func (c *Consumer) giveBack(ctx context.Context) {
	messages := c.unstarted.take()
	c.keeper.giveBack(ctx, messages)
	for _, m := range messages {
		c.release(m)
	}
}

// heldList is a list of messages that many add to.
type heldList struct {
	mu   sync.Mutex
	list []*held
}

func (l *heldList) add(m *held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, m)
}

func (l *heldList) take() []*held {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.list
	l.list = nil
	return list
}

// leave leaves a message alone: it comes again when its visibility ends, or
// goes to the dead-letter queue.
func (c *Consumer) leave(m *held) {
	c.Metrics.Count(EventLeft, 1)
	c.release(m)
}

// plan is what a batch asks for, each window once for each source that names it.
type plan struct {
	consumer *Consumer
	asked    []asked
	openings []*opening
	windows  map[sourced]*opening
}

// sourced is a window and who asks for it: which source opens windows, and which
// only joins, is counted for each.
type sourced struct {
	window cdc.Window
	source string
}

func (p *plan) add(m *held, result trigger.Result) {
	a := asked{held: m}
	for _, w := range result.Windows {
		a.openings = append(a.openings, p.window(w, cdc.Cause{SourceTime: result.Time, CapturedBy: result.Source}))
	}
	for _, w := range result.Late {
		a.openings = append(a.openings, p.window(w, cdc.Cause{SourceTime: result.Time, CapturedBy: result.Source, Bulk: true}))
	}
	for _, d := range result.Deletes {
		a.openings = append(a.openings, p.task(func(ctx context.Context) error {
			return p.consumer.openings.delete(ctx, result.Datastore, d, result.Source)
		}))
	}
	if i := result.Import; i != nil {
		a.openings = append(a.openings, p.task(func(ctx context.Context) error {
			return p.consumer.openings.imported(ctx, result.Datastore, *i)
		}))
	}
	if j := result.Job; j != nil {
		a.openings = append(a.openings, p.task(func(ctx context.Context) error {
			return p.consumer.openings.job(ctx, result.Datastore, *j)
		}))
	}
	p.asked = append(p.asked, a)
}

// window is the opening of a window, the same for all messages of one source.
func (p *plan) window(w cdc.Window, cause cdc.Cause) *opening {
	key := sourced{w, cause.CapturedBy}
	o := p.windows[key]
	if o == nil {
		o = p.task(func(ctx context.Context) error { return p.consumer.openings.window(ctx, w, cause) })
		p.windows[key] = o
	}
	return o
}

func (p *plan) task(open func(context.Context) error) *opening {
	o := &opening{open: open}
	p.openings = append(p.openings, o)
	return o
}

// open opens everything and keeps each one's error.
func (p *plan) open(ctx context.Context) {
	var group errgroup.Group
	group.SetLimit(opensPerBatch)
	for _, o := range p.openings {
		group.Go(func() error {
			o.err = o.open(ctx)
			return nil
		})
	}
	_ = group.Wait() // errors are the openings'
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
