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

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

// stockSQS is the URL of an SQS server that runs already.
var stockSQS = testVariable("CDC_TEST_SQS_ENDPOINT")

// The queue's side of the main job against an independent SQS server by
// AWS_ENDPOINT_URL_SQS alone. See docs/compatibility.md.
func TestStockSQSServer(t *testing.T) {
	if stockSQS == "" {
		t.Skip("needs an SQS server that runs already: set CDC_TEST_SQS_ENDPOINT to its URL")
	}
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	config := r.AWSConfig()
	config.BaseEndpoint = &stockSQS
	q := &stockQueue{sqs: sqs.NewFromConfig(config)}
	dead := q.create(t, "dead", nil)
	q.url = q.create(t, "triggers", map[string]string{
		"VisibilityTimeout": "30",
		"RedrivePolicy":     fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"2"}`, q.attribute(t, dead, sqstypes.QueueAttributeNameQueueArn)),
	})
	// The records of the store go to that server instead of the stand-in.
	require.NoError(t, r.Simulator.SetTrail(simulator.Trail{Repeat: 0.5, Sink: q.put}))
	r.env = append(r.env, "AWS_ENDPOINT_URL_SQS="+stockSQS, "CDC_QUEUE_URL="+q.url)
	check := runProgram(t, t.Context(), "worker", r.environment(), nil, "--check")
	require.Zero(t, check.code, check.all())
	workers := []*stack.Worker{r.worker(t), r.worker(t)}

	window := r.earlyInWindow(t)
	for i := range 60 {
		_, err := r.writer.Create(t.Context(), "Observation", fmt.Appendf(nil, `{"resourceType":"Observation","valueInteger":%d}`, i))
		require.NoError(t, err)
	}
	r.writeMany(t, window, "Patient", "queued", 300)
	patient, err := r.writer.Create(t.Context(), "Patient", []byte(`{"resourceType":"Patient"}`))
	require.NoError(t, err)
	r.received(t, 360)
	require.NoError(t, r.writer.Delete(t.Context(), "Patient", patient.ID))
	_, err = q.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String("not a message of ours")})
	require.NoError(t, err)

	until(t, "every trigger is acknowledged, and what is malformed is a dead letter", func(context.Context) bool {
		return q.depth(t, q.url) == 0 && q.depth(t, dead) == 1
	})
	complete(t, r.drained(t))
	require.Len(t, r.subscriber.Events(), 362, "versions and the delete")
	require.NoError(t, q.err)
	exit, err := workers[0].Stop(t.Context())
	require.NoError(t, err)
	require.True(t, exit.OK(), exit)
}

// stockQueue is a queue of another SQS server.
type stockQueue struct {
	sqs *sqs.Client
	url string
	err error
}

// create makes a queue that no earlier run has used.
func (q *stockQueue) create(t *testing.T, name string, attributes map[string]string) string {
	t.Helper()
	out, err := q.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName: aws.String(fmt.Sprintf("%s-%d", name, time.Now().UnixNano())), Attributes: attributes,
	})
	require.NoError(t, err)
	return aws.ToString(out.QueueUrl)
}

func (q *stockQueue) attribute(t *testing.T, url string, name sqstypes.QueueAttributeName) string {
	t.Helper()
	out, err := q.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	require.NoError(t, err)
	return out.Attributes[string(name)]
}

// depth is how many messages a queue holds, in flight or not.
func (q *stockQueue) depth(t *testing.T, url string) int {
	t.Helper()
	sum := 0
	for _, name := range []sqstypes.QueueAttributeName{
		sqstypes.QueueAttributeNameApproximateNumberOfMessages, sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
	} {
		n, err := strconv.Atoi(q.attribute(t, url, name))
		require.NoError(t, err)
		sum += n
	}
	return sum
}

// put delivers a record as a rule's target would. Records come one at a time.
func (q *stockQueue) put(r simulator.Record) {
	body, err := json.Marshal(r)
	if err == nil {
		// A record is delivered whether or not its test still runs.
		_, err = q.sqs.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String(string(body))})
	}
	if err != nil {
		q.err = err
	}
}
