package queue

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"
)

const (
	// deleteAge is how long a delete waits for others to share its call.
	deleteAge = 200 * time.Millisecond
	// deleteAttempts of a message; after the last it is left to come again.
	deleteAttempts = 5
	// deleteBackoff before the second attempt, doubled before each further one.
	deleteBackoff = 200 * time.Millisecond
	// deleteCalls is how many calls run at a time.
	deleteCalls = 4
)

// deleter deletes messages, ten a call.
type deleter struct {
	Config
	in      chan *held
	release func(*held)
}

func newDeleter(cfg Config, release func(*held)) *deleter {
	return &deleter{Config: cfg, in: make(chan *held), release: release}
}

// add hands over a message that is done with; it is released when it is deleted
// or given up.
func (d *deleter) add(m *held) { d.in <- m }

// close says that nothing more is added.
func (d *deleter) close() { close(d.in) }

// run deletes what is added until close was called and everything is settled.
// ctx, for the calls, outlives it.
func (d *deleter) run(ctx context.Context) {
	var calls errgroup.Group
	calls.SetLimit(deleteCalls)
	var batch []*held
	var age <-chan time.Time
	flush := func() {
		if len(batch) > 0 {
			messages := batch
			calls.Go(func() error { d.settle(ctx, messages); return nil })
		}
		batch, age = nil, nil
	}
	for open := true; open; {
		select {
		case m, ok := <-d.in:
			if open = ok; !ok {
				break
			}
			if batch = append(batch, m); len(batch) == 1 {
				age = time.After(deleteAge)
			}
			if len(batch) == batchSize {
				flush()
			}
		case <-age:
			flush()
		}
	}
	flush()
	_ = calls.Wait() // none of them returns an error
}

// settle deletes messages, again and again those that failed, and releases all.
func (d *deleter) settle(ctx context.Context, messages []*held) {
	wait := deleteBackoff
	for attempt := 1; ; attempt++ {
		failed := d.attempt(ctx, messages)
		if len(failed) == 0 {
			return
		}
		messages = failed
		if attempt == deleteAttempts {
			break
		}
		sleep(ctx, jitter(wait))
		wait *= 2
	}
	d.giveUp(messages)
}

// attempt returns the messages that are worth another attempt.
func (d *deleter) attempt(ctx context.Context, messages []*held) (again []*held) {
	entries := make([]types.DeleteMessageBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(m.receipt)}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := d.Delete.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(d.QueueURL), Entries: entries})
	if err != nil {
		d.Logger.Warn("deleting messages failed", "messages", len(messages), "cause", describe(err))
		return messages
	}
	settled := make(map[*held]bool, len(messages))
	for _, entry := range out.Successful {
		if m := entryOf(messages, entry.Id); m != nil && !settled[m] {
			settled[m] = true
			d.release(m)
			d.Metrics.Count(EventAcknowledged, 1)
		}
	}
	for _, entry := range out.Failed {
		if m := entryOf(messages, entry.Id); m != nil && entry.SenderFault && !settled[m] {
			settled[m] = true // the receipt is not valid: no attempt will do
			d.giveUp([]*held{m})
		}
	}
	return slices.DeleteFunc(slices.Clone(messages), func(m *held) bool { return settled[m] })
}

func (d *deleter) giveUp(messages []*held) {
	for _, m := range messages {
		d.Logger.Warn("message could not be deleted and will come again, to no effect", "message", m.id)
		d.release(m)
	}
	d.Metrics.Count(EventDeleteFailed, len(messages))
}

// chunks cuts messages into batches that one call takes.
func chunks(messages []*held) iter.Seq[[]*held] { return slices.Chunk(messages, batchSize) }
