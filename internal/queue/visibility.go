package queue

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// callTimeout bounds every call of SQS but a poll.
const callTimeout = 5 * time.Second

// message is a message in hand.
type message struct {
	id      string // SQS's message id
	receipt string

	// Of the visibilityExtender:
	due       time.Time // when its visibility is to be extended
	abandoned bool      // it is to be released at the stop
}

// visibilityExtender extends the visibility of the messages in hand, at half time, and
// releases those that will not be worked off.
type visibilityExtender struct {
	Config
	visibility time.Duration
	mu         sync.Mutex
	tracked    map[*message]bool
	// extending is locked during a call that extends: a release waits for it, or the
	// call could hide a message again.
	extending sync.Mutex
}

// track keeps a received message hidden from now on.
func (e *visibilityExtender) track(m *message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m.due = time.Now().Add(e.visibility / 2)
	e.tracked[m] = true
}

// drop ends what track began; the messages may have been dropped before.
func (e *visibilityExtender) drop(messages ...*message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range messages {
		delete(e.tracked, m)
	}
}

// abandon marks a message that release is to make visible.
func (e *visibilityExtender) abandon(m *message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m.abandoned = true
}

// trackedWhere returns the messages that are still tracked and for trackedWhere the condition holds.
func (e *visibilityExtender) trackedWhere(condition func(*message) bool) []*message {
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []*message
	for m := range e.tracked {
		if condition(m) {
			found = append(found, m)
		}
	}
	return found
}

// run extends until stop is closed; ctx, for the calls, outlives it. A call that fails
// is repeated at the next tick: there are some five more before the visibility ends.
func (e *visibilityExtender) run(ctx context.Context, stop <-chan struct{}) {
	ticker := time.NewTicker(e.visibility / 12)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			due := e.trackedWhere(func(m *message) bool { return !m.due.After(now) })
			for chunk := range slices.Chunk(due, batchSize) {
				e.extend(ctx, chunk)
			}
		case <-stop:
			return
		}
	}
}

// extend extends the visibility of up to ten messages; those that cannot be extended are lost to us.
func (e *visibilityExtender) extend(ctx context.Context, messages []*message) {
	e.extending.Lock()
	defer e.extending.Unlock()
	messages = e.trackedWhere(func(m *message) bool { return slices.Contains(messages, m) })
	if len(messages) == 0 {
		return
	}
	started := time.Now()
	extended, failed := e.change(ctx, messages, e.visibility)
	e.mu.Lock()
	for _, m := range extended {
		m.due = started.Add(e.visibility / 2)
	}
	e.mu.Unlock()
	// The receipt is not valid any more, or the message has reached SQS's 12 hours. One
	// that was acknowledged during the call is neither.
	failed = e.trackedWhere(func(m *message) bool { return slices.Contains(failed, m) })
	e.drop(failed...)
	e.Metrics.Count(EventExtended, len(extended))
	e.Metrics.Count(EventExpired, len(failed))
}

// release makes the abandoned messages visible at once, for another consumer, and
// returns them.
func (e *visibilityExtender) release(ctx context.Context) []*message {
	e.extending.Lock() // waits for the call in flight; later ones leave these out
	messages := e.trackedWhere(func(m *message) bool { return m.abandoned })
	e.drop(messages...)
	e.extending.Unlock()
	for chunk := range slices.Chunk(messages, batchSize) {
		released, _ := e.change(ctx, chunk, 0)
		e.Metrics.Count(EventReleased, len(released))
	}
	return messages
}

// change sets the visibility timeout of up to 10 messages. Those in neither result may
// be tried again; failed ones cannot.
func (e *visibilityExtender) change(ctx context.Context, messages []*message, visibility time.Duration) (changed, failed []*message) {
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(m.receipt), VisibilityTimeout: int32(visibility / time.Second),
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := e.Delete.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: aws.String(e.QueueURL), Entries: entries})
	if err != nil {
		e.Logger.Warn("changing the visibility of messages failed", "messages", len(messages), "cause", withoutURL(err))
		return nil, nil
	}
	for _, entry := range out.Successful {
		if m := entryOf(messages, entry.Id); m != nil {
			changed = append(changed, m)
		}
	}
	for _, entry := range out.Failed {
		if m := entryOf(messages, entry.Id); m != nil && entry.SenderFault {
			failed = append(failed, m)
		}
	}
	return changed, failed
}

// entryOf is the message of a batch's entry, nil if the id is none of ours.
func entryOf(messages []*message, id *string) *message {
	i, err := strconv.Atoi(aws.ToString(id))
	if err != nil || i < 0 || i >= len(messages) {
		return nil
	}
	return messages[i]
}
