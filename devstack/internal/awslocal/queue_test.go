package awslocal

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

const redriveAfterTwo = `{"deadLetterTargetArn":"arn:aws:sqs:us-west-2:111122223333:dlq","maxReceiveCount":"2"}`

func TestMessageIsInvisibleUntilItsTimeoutEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t)
		url := r.queue(t, "q", map[string]string{"VisibilityTimeout": "60"})
		r.send(t, url, "one")
		sent := time.Now()

		first := r.receive(t, url, 0)
		require.Len(t, first, 1)
		require.Equal(t, "1", first[0].Attributes["ApproximateReceiveCount"])
		require.Equal(t, strconv.FormatInt(sent.UnixMilli(), 10), first[0].Attributes["SentTimestamp"])
		require.Equal(t, Depth{InFlight: 1}, r.depth(t, "q"))

		received := time.Now()
		require.Empty(t, r.receive(t, url, 20))
		require.Equal(t, 20*time.Second, time.Since(received), "the long poll lasts as long as was asked")

		// Two more polls: the second is woken by the end of the timeout.
		require.Empty(t, r.receive(t, url, 20))
		second := r.receive(t, url, 20)
		require.Len(t, second, 1)
		require.Equal(t, 60*time.Second, time.Since(received))
		require.Equal(t, "2", second[0].Attributes["ApproximateReceiveCount"])
		require.NotEqual(t, *first[0].ReceiptHandle, *second[0].ReceiptHandle)

		// A replaced handle succeeds and deletes nothing; the latest deletes.
		del := func(handle *string) {
			_, err := r.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: handle})
			require.NoError(t, err)
		}
		del(first[0].ReceiptHandle)
		require.Equal(t, Depth{InFlight: 1}, r.depth(t, "q"))
		del(second[0].ReceiptHandle)
		del(second[0].ReceiptHandle)
		require.Equal(t, Depth{}, r.depth(t, "q"))
	})
}

func TestHandleStillDeletesAfterItsTimeoutUnlessReceivedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t)
		url := r.queue(t, "q", map[string]string{"VisibilityTimeout": "1"})
		r.send(t, url, "one")
		got := r.receive(t, url, 0)
		pass(2 * time.Second)
		require.Equal(t, Depth{Visible: 1}, r.depth(t, "q"))
		_, err := r.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: got[0].ReceiptHandle})
		require.NoError(t, err)
		require.Equal(t, Depth{}, r.depth(t, "q"))
	})
}

func TestRedriveAfterTooManyReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t)
		dlq := r.queue(t, "dlq", nil)
		url := r.queue(t, "q", map[string]string{"VisibilityTimeout": "10", "RedrivePolicy": redriveAfterTwo})
		r.send(t, url, "poison")
		first := r.receive(t, url, 0)
		require.Len(t, r.receive(t, url, 20), 1)
		require.Empty(t, r.receive(t, url, 20), "the third receive gives it up instead")
		require.Equal(t, Depth{}, r.depth(t, "q"))

		dead := r.receive(t, dlq, 0)
		require.Len(t, dead, 1)
		require.Equal(t, "poison", *dead[0].Body)
		require.Equal(t, *first[0].MessageId, *dead[0].MessageId)
		require.Equal(t, first[0].Attributes["SentTimestamp"], dead[0].Attributes["SentTimestamp"])
		require.Equal(t, "arn:aws:sqs:us-west-2:111122223333:q", dead[0].Attributes["DeadLetterQueueSourceArn"])
	})
}

func TestDeadLettersWakeThePollOfTheirQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t)
		dlq := r.queue(t, "dlq", nil)
		url := r.queue(t, "q", map[string]string{"VisibilityTimeout": "0", "RedrivePolicy": redriveAfterTwo})
		r.send(t, url, "poison")
		woken := make(chan int)
		go func() { woken <- len(r.poll(t, dlq)) }()
		synctest.Wait()
		for range 3 {
			r.receive(t, url, 0)
		}
		require.Equal(t, 1, <-woken)
	})
}

func TestChangingVisibility(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t)
		url := r.queue(t, "q", nil)
		r.send(t, url, "one")
		got := r.receive(t, url, 0)
		change := func(seconds int32) error {
			_, err := r.sqs.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
				QueueUrl: url, ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: seconds,
			})
			return err
		}
		require.NoError(t, change(300))
		pass(4 * time.Minute)
		require.Equal(t, Depth{InFlight: 1}, r.depth(t, "q"), "extended beyond the default of 30 s")

		// A poll that waits while the timeout is cut short is woken by it.
		woken := make(chan []sqstypes.Message)
		go func() { woken <- r.poll(t, url) }()
		synctest.Wait()
		require.NoError(t, change(0))
		require.Len(t, <-woken, 1)

		var notInFlight *sqstypes.MessageNotInflight
		require.ErrorAs(t, change(5), &notInFlight, "a replaced handle changes nothing")
	})
}

func TestDelayedMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t)
		url := r.queue(t, "q", nil)
		_, err := r.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl: url, MessageBody: aws.String("later"), DelaySeconds: 7,
		})
		require.NoError(t, err)
		require.Equal(t, Depth{Delayed: 1}, r.depth(t, "q"))
		began := time.Now()
		require.Len(t, r.receive(t, url, 20), 1)
		require.Equal(t, 7*time.Second, time.Since(began))
	})
}

func TestRetentionEndsAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t)
		url := r.queue(t, "q", map[string]string{"MessageRetentionPeriod": "60"})
		r.send(t, url, "old")
		pass(61 * time.Second)
		require.Empty(t, r.receive(t, url, 0))
		require.Equal(t, Depth{}, r.depth(t, "q"))
		require.Zero(t, r.Server.sqs.stored.Load())
	})
}

func TestVanishedLongPollTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t)
		url := r.queue(t, "q", nil)
		ctx, vanish := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := r.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 20})
			ended <- err
		}()
		synctest.Wait()
		began := time.Now()
		vanish()
		require.Error(t, <-ended)
		synctest.Wait()
		require.Zero(t, r.Server.sqs.byName("q").waiters.Len(), "the poll has ended on the server too")
		require.Zero(t, time.Since(began))

		r.send(t, url, "kept")
		require.Len(t, r.receive(t, url, 0), 1)
	})
}

func TestMessageHandedToAVanishedClientStaysInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t)
		url := r.queue(t, "q", map[string]string{"VisibilityTimeout": "30"})
		r.send(t, url, "stranded")
		r.SetFaults(Faults{LoseResponse: map[string]int{"ReceiveMessage": 1}})
		_, err := r.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url})
		require.Error(t, err)
		require.Equal(t, Depth{InFlight: 1}, r.depth(t, "q"))
		began := time.Now()
		require.Empty(t, r.receive(t, url, 20))
		got := r.receive(t, url, 20)
		require.Len(t, got, 1)
		require.Equal(t, "2", got[0].Attributes["ApproximateReceiveCount"])
		require.Equal(t, 30*time.Second, time.Since(began))
	})
}

// Many polls wait and some vanish, while messages come one by one: each
// message reaches a poll at once, none waits beside a sleeping poll.
func TestNoMessageWaitsBesideASleepingPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue("q", "arn", defaultAttributes(), &(&sqsService{}).stored)
		const polls = 20
		got := make(chan int, polls)
		var vanish []context.CancelFunc
		for range polls {
			ctx, cancel := context.WithCancel(t.Context())
			vanish = append(vanish, cancel)
			go func() {
				r, _ := q.receive(ctx, 1, time.Hour, 20*time.Second, nil)
				got <- len(r)
			}()
		}
		synctest.Wait()
		began := time.Now()
		for i := range polls / 2 {
			q.push(newMessage("m", nil, time.Now()), 0)
			vanish[i]() // races with the wake-up, which the loser passes on
		}
		synctest.Wait()
		require.Zero(t, q.depth().Visible)
		require.Equal(t, polls/2, q.depth().InFlight)
		for _, cancel := range vanish {
			cancel()
		}
		total := 0
		for range polls {
			total += <-got
		}
		require.Equal(t, polls/2, total)
		require.Zero(t, time.Since(began))
	})
}
