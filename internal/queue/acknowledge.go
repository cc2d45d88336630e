package queue

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	smithytime "github.com/aws/smithy-go/time"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/cdc"
)

const (
	// deleteAge is how long a delete waits for others to share its call.
	deleteAge = 200 * time.Millisecond
	// deleteAttempts of a message; after the last it will come again.
	deleteAttempts = 5
	// deleteBackoff before the second attempt, doubled before each further one.
	deleteBackoff = 200 * time.Millisecond
	// deleteCalls is how many calls run at a time.
	deleteCalls = 4
)

// acknowledger deletes messages, ten a call.
type acknowledger struct {
	Config
	in   chan *message  // closed after the last
	done func(*message) // called when one is deleted, or could not be
}

// run deletes what is added until in is closed and every call has returned. ctx, for
// the calls, outlives it.
func (a *acknowledger) run(ctx context.Context) {
	var calls errgroup.Group
	calls.SetLimit(deleteCalls)
	var batch []*message
	var age <-chan time.Time
	flush := func() {
		if len(batch) > 0 {
			messages := batch
			calls.Go(func() error { a.delete(ctx, messages); return nil })
		}
		batch, age = nil, nil
	}
	for open := true; open; {
		select {
		case m, ok := <-a.in:
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

// delete deletes up to ten messages, in several attempts.
func (a *acknowledger) delete(ctx context.Context, messages []*message) {
	for attempt := 1; ; attempt++ {
		messages = a.attempt(ctx, messages)
		if len(messages) == 0 || attempt == deleteAttempts {
			break
		}
		_ = smithytime.SleepWithContext(ctx, jitter(cdc.Backoff(attempt, deleteBackoff, maxBackoff))) // ctx does not end
	}
	a.failed(messages...)
}

// attempt returns the messages that are worth another attempt.
func (a *acknowledger) attempt(ctx context.Context, messages []*message) (again []*message) {
	entries := make([]types.DeleteMessageBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(m.receipt)}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := a.Delete.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(a.QueueURL), Entries: entries})
	if err != nil {
		a.Logger.Warn("deleting messages failed", "messages", len(messages), "cause", withoutURL(err))
		return messages
	}
	finished := make(map[*message]bool, len(messages))
	for _, entry := range out.Successful {
		if m := entryOf(messages, entry.Id); m != nil && !finished[m] {
			finished[m] = true
			a.done(m)
			a.Metrics.Count(EventAcknowledged, 1)
		}
	}
	for _, entry := range out.Failed {
		if m := entryOf(messages, entry.Id); m != nil && entry.SenderFault && !finished[m] {
			finished[m] = true // the receipt is not valid: no attempt will succeed
			a.failed(m)
		}
	}
	return slices.DeleteFunc(slices.Clone(messages), func(m *message) bool { return finished[m] })
}

// failed ends the work on messages that could not be deleted.
func (a *acknowledger) failed(messages ...*message) {
	for _, m := range messages {
		a.Logger.Warn("message could not be deleted and will come again, without effect", "message", m.id)
		a.done(m)
	}
	a.Metrics.Count(EventDeleteFailed, len(messages))
}
