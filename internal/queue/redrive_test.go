package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// aQueue is SQS where it fails in ways that the stand-in of the development stack
// does not: its real ways are tested end to end.
type aQueue struct {
	API        // what is not faked is not called
	dead, live []string
	calls      []string
	// failSend and failDelete are the bodies whose call fails.
	failSend, failDelete string
	tasks                []types.ListMessageMoveTasksResultEntry
	startError           error
	noDLQ                bool
	policy               string // the redrive policy, if not the usual
	// keeps is for how many seconds a queue keeps messages, by URL.
	keeps map[string]string
}

func (q *aQueue) GetQueueAttributes(_ context.Context, in *sqs.GetQueueAttributesInput, _ ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	n := len(q.live)
	if aws.ToString(in.QueueUrl) == "dead" {
		n = len(q.dead)
	}
	attributes := map[string]string{"ApproximateNumberOfMessages": fmt.Sprint(n)}
	if q.keeps[aws.ToString(in.QueueUrl)] != "" {
		attributes["MessageRetentionPeriod"] = q.keeps[aws.ToString(in.QueueUrl)]
	}
	if !q.noDLQ {
		attributes["RedrivePolicy"] = cmp.Or(q.policy, `{"deadLetterTargetArn":"arn:aws:sqs:us-west-2:111122223333:dead","maxReceiveCount":5}`)
	}
	return &sqs.GetQueueAttributesOutput{Attributes: attributes}, nil
}

//nolint:revive // the name is the SDK's
func (q *aQueue) GetQueueUrl(_ context.Context, in *sqs.GetQueueUrlInput, _ ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error) {
	return &sqs.GetQueueUrlOutput{QueueUrl: in.QueueName}, nil
}

func (q *aQueue) StartMessageMoveTask(context.Context, *sqs.StartMessageMoveTaskInput, ...func(*sqs.Options)) (*sqs.StartMessageMoveTaskOutput, error) {
	q.calls = append(q.calls, "start")
	return &sqs.StartMessageMoveTaskOutput{}, q.startError
}

// ListMessageMoveTasks answers with one of tasks after the other, and goes on with the
// last one.
func (q *aQueue) ListMessageMoveTasks(context.Context, *sqs.ListMessageMoveTasksInput, ...func(*sqs.Options)) (*sqs.ListMessageMoveTasksOutput, error) {
	if len(q.tasks) == 0 {
		return &sqs.ListMessageMoveTasksOutput{}, nil
	}
	task := q.tasks[0]
	if len(q.tasks) > 1 {
		q.tasks = q.tasks[1:]
	}
	return &sqs.ListMessageMoveTasksOutput{Results: []types.ListMessageMoveTasksResultEntry{task}}, nil
}

func (q *aQueue) ReceiveMessage(_ context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	out := &sqs.ReceiveMessageOutput{}
	for _, body := range q.dead[:min(len(q.dead), int(in.MaxNumberOfMessages))] {
		out.Messages = append(out.Messages, types.Message{Body: aws.String(body), ReceiptHandle: aws.String(body)})
	}
	return out, nil
}

func (q *aQueue) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	body := aws.ToString(in.MessageBody)
	q.calls = append(q.calls, "send "+body)
	if body == q.failSend {
		return nil, errors.New("https://queue.example fails")
	}
	q.live = append(q.live, body)
	return &sqs.SendMessageOutput{}, nil
}

func (q *aQueue) DeleteMessage(ctx context.Context, in *sqs.DeleteMessageInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageOutput, error) {
	body := aws.ToString(in.ReceiptHandle)
	q.calls = append(q.calls, "delete "+body)
	if body == q.failDelete || ctx.Err() != nil {
		return nil, errors.New("https://queue.example fails")
	}
	q.dead = slices.DeleteFunc(q.dead, func(other string) bool { return other == body })
	return &sqs.DeleteMessageOutput{}, nil
}

func mover(t require.TestingT, q API) Mover {
	m, err := NewMover(context.Background(), q, "live", func(int, int) {})
	require.NoError(t, err)
	m.lookEvery = time.Nanosecond
	return m
}

func bodies(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("message %d", i)
	}
	return all
}

// Whatever fails on the way, every message is in one of the queues, and what was
// told as moved is in the trigger queue.
func TestSomeLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := bodies(rapid.IntRange(1, 35).Draw(t, "messages"))
		q := &aQueue{dead: slices.Clone(all)}
		pick := rapid.SampledFrom(append([]string{""}, all...))
		q.failSend, q.failDelete = pick.Draw(t, "send that fails"), pick.Draw(t, "delete that fails")
		limit := rapid.IntRange(1, 40).Draw(t, "limit")
		moved, err := mover(t, q).Some(context.Background(), limit)
		for _, body := range all {
			require.True(t, slices.Contains(q.dead, body) || slices.Contains(q.live, body), "lost %s", body)
		}
		require.LessOrEqual(t, moved, limit)
		require.Len(t, q.live, moved)
		if err == nil {
			require.Len(t, q.live, min(limit, len(all)))
			require.Len(t, q.dead, len(all)-moved)
		} else {
			require.NotContains(t, err.Error(), "https://")
		}
	})
}

func TestSomeSendsFirst(t *testing.T) {
	q := &aQueue{dead: []string{"a", "b", "c"}}
	moved, err := mover(t, q).Some(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, 2, moved)
	require.Equal(t, []string{"send a", "delete a", "send b", "delete b"}, q.calls)

	q = &aQueue{dead: []string{"a", "b", "c"}, failSend: "b"}
	moved, err = mover(t, q).Some(t.Context(), 3)
	require.ErrorContains(t, err, "still in the dead-letter queue")
	require.Equal(t, 1, moved)
	require.NotContains(t, q.calls, "delete b")
}

// stopping is told to stop while it sends: it deletes what was sent all the same.
type stopping struct {
	*aQueue
	stop context.CancelFunc
}

func (s stopping) SendMessage(ctx context.Context, in *sqs.SendMessageInput, options ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	defer s.stop()
	return s.aQueue.SendMessage(ctx, in, options...)
}

func TestSomeDeletesWhatWasSent(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	q := stopping{aQueue: &aQueue{dead: bodies(1)}, stop: stop}
	moved, err := mover(t, q).Some(ctx, 1)
	require.NoError(t, err)
	require.Equal(t, 1, moved)
	require.Empty(t, q.dead)
}

func task(status string, moved, of int64) types.ListMessageMoveTasksResultEntry {
	return types.ListMessageMoveTasksResultEntry{
		Status: aws.String(status), StartedTimestamp: 2, ApproximateNumberOfMessagesMoved: moved, ApproximateNumberOfMessagesToMove: aws.Int64(of),
		FailureReason: aws.String("CouldNotDetermineMessageSource"),
	}
}

func TestRedriveNeedsADeadLetterQueue(t *testing.T) {
	_, err := NewMover(t.Context(), &aQueue{noDLQ: true}, "live", nil)
	require.ErrorIs(t, err, ErrNoDLQ)
}

func TestAll(t *testing.T) {
	before := task("COMPLETED", 9, 9)
	before.StartedTimestamp = 1
	for name, c := range map[string]struct {
		queue   aQueue
		moved   int
		says    string
		starts  bool
		reports []string
	}{
		"moves": {queue: aQueue{dead: bodies(3), tasks: []types.ListMessageMoveTasksResultEntry{before, task("RUNNING", 1, 3), task("COMPLETED", 3, 3)}},
			moved: 3, starts: true, reports: []string{"1/3", "3/3"}},
		"running already": {queue: aQueue{dead: bodies(3), tasks: []types.ListMessageMoveTasksResultEntry{task("RUNNING", 1, 3)}}, says: "1 of 3"},
		"started by someone else": {queue: aQueue{dead: bodies(3), startError: &types.UnsupportedOperation{}},
			starts: true, says: "running already"},
		"fails": {queue: aQueue{dead: bodies(3), tasks: []types.ListMessageMoveTasksResultEntry{before, task("FAILED", 2, 3)}},
			moved: 2, starts: true, says: "CouldNotDetermineMessageSource", reports: []string{"2/3"}},
		"shows late, behind the one before": {queue: aQueue{dead: bodies(3), tasks: []types.ListMessageMoveTasksResultEntry{before, before, before, task("COMPLETED", 3, 3)}},
			moved: 3, starts: true, reports: []string{"3/3"}},
		"never shows, the one before does": {queue: aQueue{dead: bodies(3), tasks: []types.ListMessageMoveTasksResultEntry{before}},
			starts: true, says: "does not list it"},
		"never shows":     {queue: aQueue{dead: bodies(3)}, starts: true, says: "does not list it"},
		"nothing to move": {},
	} {
		t.Run(name, func(t *testing.T) {
			m := mover(t, &c.queue)
			var reports []string
			m.Progress = func(moved, of int) { reports = append(reports, fmt.Sprintf("%d/%d", moved, of)) }
			moved, err := m.All(t.Context())
			require.Equal(t, c.moved, moved)
			require.Equal(t, c.starts, slices.Contains(c.queue.calls, "start"))
			require.Equal(t, c.reports, reports)
			if c.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.says)
			}
		})
	}
}
