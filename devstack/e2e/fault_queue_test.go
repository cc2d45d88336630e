package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

const (
	// maxReceives is the template's maxReceiveCount.
	maxReceives = 5
	// pollers is how many polls a worker runs at a time.
	pollers = 4
	// maxMessage is SQS's limit, in bytes.
	maxMessage = 1 << 20
)

// SQS first rejects every delete, so that processed messages come again. It is then
// unreachable while more triggers come, and comes back: everything is published once, and
// nothing reaches the dead-letter queue.
func TestSQSGoneAndBack(t *testing.T) {
	t.Parallel()
	r, sqs := newQueueRig(t)
	w := r.worker(t)

	const each = 15
	sqs.reject("DeleteMessageBatch")
	for i := range each {
		put(t, r.writer, "Patient", fmt.Sprintf("undeleted-%d", i))
	}
	counted(t, w, messagesMetric, "delete_failed", each)
	require.Equal(t, each, r.queueDepth(t, "QueueUrl").InFlight)

	sqs.cut()
	counted(t, w, messagesMetric, "poll_failed", pollers) // no poll is left that could take what comes
	for i := range each {
		put(t, r.writer, "Patient", fmt.Sprintf("unseen-%d", i))
	}
	said(t, w, "SQS is unavailable")
	counted(t, w, messagesMetric, "poll_failed", 2*pollers) // each of them tries again
	// A poll that was cut off may have received some: those are in flight.
	depth := r.queueDepth(t, "QueueUrl")
	require.Equal(t, 2*each, depth.Visible+depth.InFlight)

	sqs.reject("")
	sqs.lead(t, r.AWS.URL())
	r.showAgain(t, sqs.receipts(func(receipt) bool { return true }))
	said(t, w, "SQS is available again")
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, 2*each, report.Total.Published)
	require.Zero(t, r.queueDepth(t, "DlqUrl"))
	require.Len(t, sqs.receipts(func(m receipt) bool { return m.times == 2 }), each, "what could not be deleted came again")
	require.Equal(t, 2*each, outcome(t, w, messagesMetric, "acknowledged"))
}

// Messages that mean nothing end in the dead-letter queue, as they are, after as
// many receives as the template allows; those of others are acknowledged; and the
// good ones, one of them as large as a message can be, go through meanwhile. All of
// it is counted.
func TestMalformedOversizedAndOtherMessages(t *testing.T) {
	t.Parallel()
	r, sqs := newQueueRig(t)
	w := r.worker(t)

	malformed := r.malformedMessages(t)
	for _, body := range malformed {
		r.send(t, body)
	}
	acknowledged := r.othersMessages(t)
	for _, bodies := range acknowledged {
		for _, body := range bodies {
			r.send(t, body)
		}
	}
	write := func(prefix string) {
		for i := range 10 {
			put(t, r.writer, "Patient", fmt.Sprintf("%s-%d", prefix, i))
		}
	}
	write("beside")
	r.send(t, padded(t, r.recordBody(t, "Patient", time.Now()), maxMessage))

	isMalformed := func(m receipt) bool { return slices.Contains(malformed, m.body) }
	for round := 1; round <= maxReceives; round++ {
		counted(t, w, triggersMetric, "malformed", round*len(malformed))
		require.Zero(t, r.queueDepth(t, "DlqUrl"))
		again := sqs.receipts(isMalformed)
		require.Len(t, again, len(malformed))
		for _, message := range again {
			require.Equal(t, round, message.times)
		}
		write(fmt.Sprintf("between-%d", round))
		r.showAgain(t, again) // instead of waiting until their visibility timeout ends
	}
	until(t, "the malformed messages are in the dead-letter queue", func(context.Context) bool {
		return r.queueDepth(t, "DlqUrl").Visible >= len(malformed)
	})
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, 10*(1+maxReceives), report.Total.Published)
	require.ElementsMatch(t, malformed, r.deadLetters(t, len(malformed)), "dead letters are as they were sent")
	for _, message := range sqs.receipts(func(m receipt) bool { return !isMalformed(m) }) {
		require.Equal(t, 1, message.times, "what is understood is received once")
	}
	require.Equal(t, maxReceives*len(malformed), outcome(t, w, triggersMetric, "malformed"))
	for name, bodies := range acknowledged {
		require.Equal(t, len(bodies), outcome(t, w, triggersMetric, name), name)
	}
	require.Equal(t, r.Deliveries.Len()+1, outcome(t, w, triggersMetric, "trigger"), "the records of the writes, and the large one")
}

// malformedMessages are distinct messages that nothing can be made of.
func (r *rig) malformedMessages(t *testing.T) []string {
	t.Helper()
	noStore := stack.WriteRecord("", "Patient", time.Now())
	future := stack.WriteRecord(r.datastore(), "Patient", time.Now().Add(time.Hour))
	return []string{
		"{", "[]", "plain text", `{"detail-type":"none of a known source"}`,
		asMessage(t, noStore), asMessage(t, future),
		strings.Repeat("x", maxMessage),
		`{"source":"aws.healthlake","detail-type":"AWS API Call via CloudTrail","detail":"` + strings.Repeat("y", maxMessage-1_000) + `"}`,
	}
}

// othersMessages are messages that are counted and acknowledged, by outcome.
func (r *rig) othersMessages(t *testing.T) map[string][]string {
	t.Helper()
	failed := stack.WriteRecord(r.datastore(), "Patient", time.Now())
	failed.Detail.ResponseElements.StatusCode = 412
	reading := stack.WriteRecord(r.datastore(), "Patient", time.Now())
	reading.Detail.EventName = "ReadResource"
	foreign := `{"source":"aws.s3","detail-type":"Object Created","detail":{}}`
	return map[string][]string{
		"other_source":      {foreign, padded(t, foreign, maxMessage)},
		"failed":            {asMessage(t, failed)},
		"read_only":         {asMessage(t, reading)},
		"unknown_store":     {asMessage(t, stack.WriteRecord("0000ffff0000ffff0000ffff0000ffff", "Patient", time.Now()))},
		"unconfigured_type": {r.recordBody(t, "Basic", time.Now())},
	}
}

func (r *rig) recordBody(t *testing.T, resourceType string, at time.Time) string {
	t.Helper()
	return asMessage(t, stack.WriteRecord(r.datastore(), resourceType, at))
}

// asMessage is a record as EventBridge delivers it.
func asMessage(t *testing.T, record simulator.Record) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"version": "0", "source": record.Source, "detail-type": record.DetailType, "detail": record.Detail,
	})
	require.NoError(t, err)
	return string(body)
}

// padded is a JSON object with one field more, size bytes in all.
func padded(t *testing.T, object string, size int) string {
	t.Helper()
	head := strings.TrimSuffix(object, "}") + `,"padding":"`
	const tail = `"}`
	require.Less(t, len(head)+len(tail), size)
	return head + strings.Repeat("z", size-len(head)-len(tail)) + tail
}

// send puts a message into the trigger queue.
func (r *rig) send(t *testing.T, body string) {
	t.Helper()
	_, err := r.SQS().SendMessage(t.Context(), &awssqs.SendMessageInput{
		QueueUrl: aws.String(r.Outputs["QueueUrl"]), MessageBody: &body,
	})
	require.NoError(t, err)
}

// showAgain ends the visibility timeout of messages that were received.
func (r *rig) showAgain(t *testing.T, messages []receipt) {
	t.Helper()
	for _, message := range messages {
		_, err := r.SQS().ChangeMessageVisibility(t.Context(), &awssqs.ChangeMessageVisibilityInput{
			QueueUrl: aws.String(r.Outputs["QueueUrl"]), ReceiptHandle: aws.String(message.handle), VisibilityTimeout: 0,
		})
		require.NoError(t, err)
	}
}

// deadLetters receives n messages of the dead-letter queue.
func (r *rig) deadLetters(t *testing.T, n int) []string {
	t.Helper()
	var bodies []string
	for len(bodies) < n {
		answer, err := r.SQS().ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
			QueueUrl: aws.String(r.Outputs["DlqUrl"]), MaxNumberOfMessages: 10,
		})
		require.NoError(t, err)
		require.NotEmpty(t, answer.Messages)
		for _, message := range answer.Messages {
			bodies = append(bodies, aws.ToString(message.Body))
		}
	}
	return bodies
}

// said waits until a process has logged a line that holds the text.
func said(t *testing.T, p interface {
	WaitLine(ctx context.Context, match func(line string) bool) (string, error)
}, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	line, err := p.WaitLine(ctx, func(line string) bool { return strings.Contains(line, text) })
	require.NoError(t, err, "waiting for %q in the log", text)
	return line
}

// lastOf is a queue's name, the last part of its URL.
func lastOf(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }
