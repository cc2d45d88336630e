package awslocal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

func requireCode(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode())
}

func entries(bodies ...string) []sqstypes.SendMessageBatchRequestEntry {
	out := make([]sqstypes.SendMessageBatchRequestEntry, len(bodies))
	for i, body := range bodies {
		out[i] = sqstypes.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(body)}
	}
	return out
}

func TestBatchesFailEntryByEntry(t *testing.T) {
	r := start(t, testConfig)
	url := r.queue(t, "q", nil)
	sent, err := r.sqs.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{
		QueueUrl: url, Entries: entries("a", "not\x01allowed", "<c> & ü\n"),
	})
	require.NoError(t, err)
	require.Len(t, sent.Successful, 2)
	require.Len(t, sent.Failed, 1)
	require.Equal(t, "InvalidMessageContents", *sent.Failed[0].Code)
	require.True(t, sent.Failed[0].SenderFault)

	got := r.receive(t, url, 0)
	require.Len(t, got, 2)
	require.Equal(t, "<c> & ü\n", *got[1].Body)

	deleted, err := r.sqs.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{
		QueueUrl: url, Entries: []sqstypes.DeleteMessageBatchRequestEntry{
			{Id: aws.String("good"), ReceiptHandle: got[0].ReceiptHandle},
			{Id: aws.String("bad"), ReceiptHandle: aws.String("no handle")},
		},
	})
	require.NoError(t, err)
	require.Equal(t, "good", *deleted.Successful[0].Id)
	require.Equal(t, "ReceiptHandleIsInvalid", *deleted.Failed[0].Code)

	changed, err := r.sqs.ChangeMessageVisibilityBatch(t.Context(), &sqs.ChangeMessageVisibilityBatchInput{
		QueueUrl: url, Entries: []sqstypes.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("gone"), ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 1},
			{Id: aws.String("there"), ReceiptHandle: got[1].ReceiptHandle, VisibilityTimeout: 0},
		},
	})
	require.NoError(t, err)
	require.Equal(t, "there", *changed.Successful[0].Id)
	require.Equal(t, "InvalidParameterValue", *changed.Failed[0].Code)
	require.Equal(t, Depth{Visible: 1}, r.depth(t, "q"))
}

func TestSQSErrorCodes(t *testing.T) {
	r := start(t, testConfig)
	url := r.queue(t, "q", nil)
	ctx := t.Context()
	sendBatch := func(e []sqstypes.SendMessageBatchRequestEntry) error {
		_, err := r.sqs.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: url, Entries: e})
		return err
	}
	twice := append(entries("a"), entries("b")...)
	badID := entries("a")
	badID[0].Id = aws.String("no spaces")
	_, missing := r.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("missing")})
	_, tooMany := r.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 11})
	_, tooLongWait := r.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 21})
	_, tooLong := r.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String(strings.Repeat("x", maxMessageBytes+1))})
	_, otherSettings := r.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: aws.String("q"), Attributes: map[string]string{"VisibilityTimeout": "5"},
	})
	_, noSuchDlq := r.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: aws.String("r"), Attributes: map[string]string{"RedrivePolicy": redriveAfterTwo},
	})
	_, unknownAttribute := r.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
		QueueUrl: url, Attributes: map[string]string{"Colour": "blue"},
	})
	_, badValue := r.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
		QueueUrl: url, Attributes: map[string]string{"VisibilityTimeout": "43201"},
	})
	_, fifo := r.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q.fifo")})
	_, notADlq := r.sqs.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{
		SourceArn: aws.String("arn:aws:sqs:us-west-2:111122223333:q"),
	})
	_, unknown := r.sqs.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: url})
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"no such queue":     {missing, "AWS.SimpleQueueService.NonExistentQueue"},
		"eleven entries":    {sendBatch(entries(strings.Split(strings.Repeat("x", 11), "")...)), "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"},
		"no entries":        {sendBatch([]sqstypes.SendMessageBatchRequestEntry{}), "AWS.SimpleQueueService.EmptyBatchRequest"},
		"id used twice":     {sendBatch(twice), "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"},
		"bad entry id":      {sendBatch(badID), "AWS.SimpleQueueService.InvalidBatchEntryId"},
		"batch too long":    {sendBatch(entries(strings.Repeat("x", 600_000), strings.Repeat("x", 600_000))), "AWS.SimpleQueueService.BatchRequestTooLong"},
		"receive eleven":    {tooMany, "InvalidParameterValue"},
		"wait 21 s":         {tooLongWait, "InvalidParameterValue"},
		"message too long":  {tooLong, "InvalidParameterValue"},
		"other settings":    {otherSettings, "QueueAlreadyExists"},
		"no such DLQ":       {noSuchDlq, "InvalidParameterValue"},
		"unknown attribute": {unknownAttribute, "InvalidAttributeName"},
		"value too large":   {badValue, "InvalidAttributeValue"},
		"FIFO":              {fifo, "AWS.SimpleQueueService.UnsupportedOperation"},
		"move from no DLQ":  {notADlq, "InvalidParameterValue"},
		"no such operation": {unknown, "UnknownOperationException"},
	} {
		t.Run(name, func(t *testing.T) { requireCode(t, c.err, c.code) })
	}
	r.send(t, url, strings.Repeat("x", maxMessageBytes)) // exactly the limit is allowed
}

func TestQueuesAndTheirAttributes(t *testing.T) {
	r := start(t, testConfig)
	r.queue(t, "dlq", nil)
	url := r.queue(t, "q", map[string]string{"VisibilityTimeout": "60", "RedrivePolicy": redriveAfterTwo})
	require.Equal(t, url, r.queue(t, "q", map[string]string{"VisibilityTimeout": "60"}), "creating again answers the queue")
	found, err := r.sqs.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("q")})
	require.NoError(t, err)
	require.Equal(t, url, found.QueueUrl)
	listed, err := r.sqs.ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: aws.String("d")})
	require.NoError(t, err)
	require.Len(t, listed.QueueUrls, 1)

	r.send(t, url, "one")
	got, err := r.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	require.NoError(t, err)
	require.Equal(t, "60", got.Attributes["VisibilityTimeout"])
	require.Equal(t, "1", got.Attributes["ApproximateNumberOfMessages"])
	require.JSONEq(t, redriveAfterTwo, got.Attributes["RedrivePolicy"])

	_, err = r.sqs.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: url})
	require.NoError(t, err)
	require.Equal(t, Depth{}, r.depth(t, "q"))
	_, err = r.sqs.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: url})
	requireCode(t, err, "AWS.SimpleQueueService.PurgeQueueInProgress")
	_, err = r.sqs.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: url})
	require.NoError(t, err)
	_, ok := r.Messages("q")
	require.False(t, ok)
}

func TestMessageAttributesAndTheirDigest(t *testing.T) {
	r := start(t, testConfig)
	url := r.queue(t, "q", nil)
	out, err := r.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: url, MessageBody: aws.String("b"),
		MessageAttributes: map[string]sqstypes.MessageAttributeValue{
			"text": {DataType: aws.String("String"), StringValue: aws.String("v")},
			"raw":  {DataType: aws.String("Binary"), BinaryValue: []byte{1, 2}},
		},
	})
	require.NoError(t, err)
	got := r.receive(t, url, 0)[0]
	require.Equal(t, "v", *got.MessageAttributes["text"].StringValue)
	require.Equal(t, []byte{1, 2}, got.MessageAttributes["raw"].BinaryValue)
	require.Equal(t, *out.MD5OfMessageAttributes, *got.MD5OfMessageAttributes)
}

func TestFullServerRejectsUntilSomethingIsDeleted(t *testing.T) {
	cfg := testConfig
	cfg.MaxStoredBytes = 10
	r := start(t, cfg)
	url := r.queue(t, "q", nil)
	r.send(t, url, "0123456789")
	_, err := r.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")})
	var over *sqstypes.OverLimit
	require.ErrorAs(t, err, &over)
	got := r.receive(t, url, 0)
	_, err = r.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: got[0].ReceiptHandle})
	require.NoError(t, err)
	r.send(t, url, "x")
}

func TestMoveTaskReturnsDeadLettersToWhereTheyCameFrom(t *testing.T) {
	r := start(t, testConfig)
	r.queue(t, "dlq", nil)
	url := r.queue(t, "q", map[string]string{"VisibilityTimeout": "0", "RedrivePolicy": redriveAfterTwo})
	for i := range 25 {
		r.send(t, url, fmt.Sprint(i))
	}
	for r.depth(t, "dlq").Visible < 25 {
		r.receive(t, url, 0)
	}
	arn := aws.String("arn:aws:sqs:us-west-2:111122223333:dlq")
	_, err := r.sqs.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: arn})
	require.NoError(t, err)
	for {
		listed, err := r.sqs.ListMessageMoveTasks(t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: arn})
		require.NoError(t, err)
		if status := *listed.Results[0].Status; status != "RUNNING" {
			require.Equal(t, "COMPLETED", status)
			require.EqualValues(t, 25, listed.Results[0].ApproximateNumberOfMessagesMoved)
			break
		}
	}
	require.Equal(t, Depth{}, r.depth(t, "dlq"))
	require.Equal(t, Depth{Visible: 25}, r.depth(t, "q"))
	require.Equal(t, "1", r.receive(t, url, 0)[0].Attributes["ApproximateReceiveCount"], "they begin a new life")
}
