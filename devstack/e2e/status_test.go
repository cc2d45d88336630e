package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/ops/status"
	"healthlake-cdc/internal/queue"
)

// transactions are bundles of n small Patients.
func transactions(prefix string, n int) [][]byte {
	resources := make([]fhirdata.Resource, n)
	for i := range resources {
		id := fmt.Sprintf("%s-%d", prefix, i)
		resources[i] = fhirdata.Resource{Type: "Patient", ID: id, Body: smallBody("Patient", id)}
	}
	return fhirdata.Transactions(resources, 500)
}

// starterStatus is what starter status --json says.
func (r *rig) starterStatus(t *testing.T, more ...string) status.Report {
	t.Helper()
	var report status.Report
	got := r.operate(t, append([]string{"status", "--json"}, more...)...)
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &report), got.stdout)
	return report
}

// starter status shows what was published last, what is open, the depth of the queues and
// the workers.
func TestStatus(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	require.Empty(t, r.starterStatus(t).Workers, "nothing runs yet")
	require.Contains(t, r.operate(t, "status").stdout, "NONE polls")
	r.worker(t)
	r.worker(t)
	window := windowAgo(r.datastore(), 2*time.Minute)
	c.pin(window.Start.Add(alone))
	put(t, r.writer, "Patient", "one")
	put(t, r.writer, "Observation", "one")
	c.release(0)
	r.closed(t, window.ID())
	r.buryMessages(t, 3)

	var report status.Report
	until(t, "visibility shows the window", func(context.Context) bool {
		report = r.starterStatus(t)
		return report.Stores[0].WindowsPerHour != 0 && !report.Stores[0].Types[2].Published.IsZero() && report.Stores[0].OpenWindows == 0
	})
	store := report.Stores[0]
	require.Equal(t, r.datastore(), store.Datastore)
	require.Equal(t, []string{"Condition", "Observation", "Patient"}, []string{store.Types[0].Type, store.Types[1].Type, store.Types[2].Type})
	require.True(t, store.Types[0].Published.IsZero(), "no Condition was written")
	for _, one := range store.Types[1:] {
		require.Equal(t, window.ID(), one.Window)
		require.Equal(t, window.Start.Add(alone), one.LastUpdated.UTC())
		require.InDelta(t, one.Published.Sub(one.LastUpdated).Seconds(), one.Lag, 0.001)
	}
	require.InDelta(t, 1, store.WindowsPerHour, 0)
	require.InDelta(t, 7, store.ActionsPerHour, 0)
	require.InDelta(t, 7*50/1e6, store.DollarsPerHour, 1e-9)
	require.InDelta(t, r.result(t, window.ID()).Counts.Searches, store.SearchesPerHour, 0)
	require.Len(t, report.Workers, 2)
	require.Empty(t, report.Waiting)
	require.Equal(t, &queue.Depth{}, report.Queue)
	require.Equal(t, &queue.Depth{Visible: 3}, report.DLQ)

	text := r.operate(t, "status").stdout
	require.Contains(t, text, "3 wait")
	require.Contains(t, text, "last published")

	got := runProgram(t, t.Context(), "starter", r.environment("CDC_QUEUE_URL"), nil, "status")
	require.Zero(t, got.code, got.all())
	require.Contains(t, got.stdout, "set CDC_QUEUE_URL")
}

// buryMessages puts n messages into the dead-letter queue.
func (r *rig) buryMessages(t *testing.T, n int) {
	t.Helper()
	triggers, err := queue.Find(t.Context(), r.SQS(), r.Outputs["QueueUrl"])
	require.NoError(t, err)
	dead, err := triggers.DeadLetters(t.Context(), r.SQS())
	require.NoError(t, err)
	for i := range n {
		_, err := r.SQS().SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl: aws.String(dead.URL), MessageBody: aws.String(fmt.Sprintf(`{"source":"elsewhere","n":%d}`, i)),
			MessageAttributes: map[string]sqstypes.MessageAttributeValue{
				"n": {DataType: aws.String("Number"), StringValue: aws.String(strconv.Itoa(i))},
			},
		})
		require.NoError(t, err)
	}
}

// starter redrive moves some, with body and attributes as they were.
func TestRedrive(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{}, fewTypes)
	r.buryMessages(t, 25)
	var report struct {
		Moved     int         `json:"moved"`
		Remaining queue.Depth `json:"remaining"`
	}
	redriven := func(args ...string) {
		t.Helper()
		require.NoError(t, json.Unmarshal([]byte(r.operate(t, append([]string{"redrive", "--json"}, args...)...).stdout), &report))
	}
	redriven("--max", "12")
	require.Equal(t, 12, report.Moved)
	require.Equal(t, queue.Depth{Visible: 13}, report.Remaining)
	redriven("--max", "100")
	require.Equal(t, 13, report.Moved)
	require.Zero(t, report.Remaining)
	redriven()
	require.Zero(t, report.Moved, "there was nothing")

	seen := make(map[string]bool)
	for len(seen) < 25 {
		out, err := r.SQS().ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(r.Outputs["QueueUrl"]), MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		})
		require.NoError(t, err)
		require.NotEmpty(t, out.Messages, "%d of 25 came", len(seen))
		for _, message := range out.Messages {
			n := aws.ToString(message.MessageAttributes["n"].StringValue)
			require.Contains(t, aws.ToString(message.Body), `"n":`+n+"}", "the body as it was")
			require.False(t, seen[n], "none twice")
			seen[n] = true
		}
	}

	for name, c := range map[string]struct {
		env  []string
		args []string
		says string
	}{
		"no queue":  {r.environment("CDC_QUEUE_URL"), []string{"redrive"}, "CDC_QUEUE_URL"},
		"bad limit": {r.environment(), []string{"redrive", "--max", "0"}, "--max"},
		"no such queue": {append(r.environment("CDC_QUEUE_URL"), "CDC_QUEUE_URL="+r.Outputs["QueueUrl"]+"-x"),
			[]string{"redrive"}, "queue"},
	} {
		got := runProgram(t, t.Context(), "starter", c.env, nil, c.args...)
		require.NotZero(t, got.code, name)
		require.Contains(t, got.stderr, c.says, name)
	}
}

// What SQS itself moved to the dead-letter queue goes back as a whole: SQS knows where it
// came from.
func TestRedriveAll(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{}, fewTypes)
	_, err := r.SQS().SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: aws.String(r.Outputs["QueueUrl"]), Attributes: map[string]string{"VisibilityTimeout": "0"},
	})
	require.NoError(t, err)
	for range 3 {
		_, err := r.SQS().SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl: aws.String(r.Outputs["QueueUrl"]), MessageBody: aws.String("not an event"),
		})
		require.NoError(t, err)
	}
	queues, err := queue.Find(t.Context(), r.SQS(), r.Outputs["QueueUrl"])
	require.NoError(t, err)
	eventually(t, "the messages are in the dead-letter queue", func(ctx context.Context) error {
		if _, err := r.SQS().ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: aws.String(queues.URL), MaxNumberOfMessages: 10}); err != nil {
			return err
		}
		if dead, err := queues.DeadLetters(ctx, r.SQS()); err != nil || dead.Depth.Visible < 3 {
			return errNotYet
		}
		return nil
	})
	got := r.operate(t, "redrive")
	require.Contains(t, got.stdout, "3 messages moved")
	require.Contains(t, got.stderr, "3 of 3 moved")
	after, err := queue.Find(t.Context(), r.SQS(), queues.URL)
	require.NoError(t, err)
	require.Equal(t, 3, after.Depth.Visible)
}
