package queue

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// callTimeout bounds every call of SQS but a poll.
const callTimeout = 5 * time.Second

// held is a message in hand.
type held struct {
	id      string // SQS's message id
	receipt string
	due     time.Time // when its visibility is to be extended; the keeper's
}

// keeper extends the visibility of the messages in hand, at half time, and
// gives back those that will not be worked off.
type keeper struct {
	Config
	mu   sync.Mutex
	held map[*held]struct{}
	// extending is held for reading during a call that extends: who gives back
	// waits for it, lest a message be hidden again.
	extending sync.RWMutex
}

func newKeeper(cfg Config) *keeper {
	return &keeper{Config: cfg, held: make(map[*held]struct{})}
}

// hold begins to keep messages that were just received.
func (k *keeper) hold(messages []*held) {
	due := time.Now().Add(k.VisibilityTimeout / 2)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range messages {
		m.due = due
		k.held[m] = struct{}{}
	}
}

// drop ends the keeping of messages; they may have been dropped before.
func (k *keeper) drop(messages ...*held) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range messages {
		delete(k.held, m)
	}
}

// run extends until stop is closed; ctx, for the calls, outlives it. A call that fails is repeated at the next
// tick: there are some five more before the visibility ends.
func (k *keeper) run(ctx context.Context, stop <-chan struct{}) {
	ticker := time.NewTicker(k.VisibilityTimeout / 12)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			k.extendDue(ctx)
		case <-stop:
			return
		}
	}
}

func (k *keeper) extendDue(ctx context.Context) {
	var due []*held
	now := time.Now()
	k.mu.Lock()
	for m := range k.held {
		if !m.due.After(now) {
			due = append(due, m)
		}
	}
	k.mu.Unlock()
	for chunk := range chunks(due) {
		k.extend(ctx, chunk)
	}
}

func (k *keeper) extend(ctx context.Context, messages []*held) {
	k.extending.RLock()
	defer k.extending.RUnlock()
	messages = k.stillHeld(messages)
	if len(messages) == 0 {
		return
	}
	started := time.Now()
	done, failed := k.change(ctx, messages, k.VisibilityTimeout)
	k.mu.Lock()
	for _, m := range done {
		m.due = started.Add(k.VisibilityTimeout / 2)
	}
	k.mu.Unlock()
	// The receipt is not valid any more, or the message has reached the 12 hours
	// that SQS allows: it may come again, which does no harm.
	// One that was worked off and deleted during the call is neither.
	failed = k.stillHeld(failed)
	k.drop(failed...)
	k.Metrics.Count(EventExtended, len(done))
	k.Metrics.Count(EventExpired, len(failed))
}

func (k *keeper) stillHeld(messages []*held) []*held {
	k.mu.Lock()
	defer k.mu.Unlock()
	var still []*held
	for _, m := range messages {
		if _, found := k.held[m]; found {
			still = append(still, m)
		}
	}
	return still
}

// giveBack makes messages visible at once, for someone else.
func (k *keeper) giveBack(ctx context.Context, messages []*held) {
	k.extending.Lock() // waits for the call in flight; later ones leave these out
	k.drop(messages...)
	k.extending.Unlock()
	for chunk := range chunks(messages) {
		done, _ := k.change(ctx, chunk, 0)
		k.Metrics.Count(EventGivenBack, len(done))
	}
}

// change sets the visibility timeout of up to 10 messages. Those in neither
// result may be tried again; failed ones can't be helped.
func (k *keeper) change(ctx context.Context, messages []*held, visibility time.Duration) (done, failed []*held) {
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
			Id:                aws.String(strconv.Itoa(i)),
			ReceiptHandle:     aws.String(m.receipt),
			VisibilityTimeout: int32(visibility / time.Second),
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := k.Delete.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{
		QueueUrl: aws.String(k.QueueURL),
		Entries:  entries,
	})
	if err != nil {
		k.Logger.Warn("changing the visibility of messages failed", "messages", len(messages), "cause", describe(err))
		return nil, nil
	}
	for _, entry := range out.Successful {
		if m := entryOf(messages, entry.Id); m != nil {
			done = append(done, m)
		}
	}
	for _, entry := range out.Failed {
		if m := entryOf(messages, entry.Id); m != nil && entry.SenderFault {
			failed = append(failed, m)
		}
	}
	return done, failed
}

// entryOf is the message of a batch's entry, nil if the id is none of ours.
func entryOf(messages []*held, id *string) *held {
	i, err := strconv.Atoi(aws.ToString(id))
	if err != nil || i < 0 || i >= len(messages) {
		return nil
	}
	return messages[i]
}
