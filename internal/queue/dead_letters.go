// Package redrive looks at the trigger queue and its dead-letter queue, and moves
// messages back from the one to the other.
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// API is what is asked of SQS.
type API interface {
	GetQueueAttributes(ctx context.Context, in *sqs.GetQueueAttributesInput, options ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
	GetQueueUrl(ctx context.Context, in *sqs.GetQueueUrlInput, options ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error)
	StartMessageMoveTask(ctx context.Context, in *sqs.StartMessageMoveTaskInput, options ...func(*sqs.Options)) (*sqs.StartMessageMoveTaskOutput, error)
	ListMessageMoveTasks(ctx context.Context, in *sqs.ListMessageMoveTasksInput, options ...func(*sqs.Options)) (*sqs.ListMessageMoveTasksOutput, error)
	ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, options ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	SendMessageBatch(ctx context.Context, in *sqs.SendMessageBatchInput, options ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
	DeleteMessageBatch(ctx context.Context, in *sqs.DeleteMessageBatchInput, options ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
}

// Depth is how many messages a queue holds, as SQS estimates.
type Depth struct {
	Visible  int `json:"visible"`
	InFlight int `json:"inFlight"`
	Delayed  int `json:"delayed"`
}

// Queues are the trigger queue and its dead-letter queue.
type Queues struct {
	URL   string
	Depth Depth
	// DLQ is the dead-letter queue's ARN, empty when there is none.
	DLQ string
}

// ErrNoQueue tells that no trigger queue is configured.
var ErrNoQueue = errors.New("the trigger queue is not known: set CDC_QUEUE_URL")

// ErrNoDLQ tells that the trigger queue has no dead-letter queue.
var ErrNoDLQ = errors.New("the trigger queue has no dead-letter queue: set a redrive policy on it, as deploy/ does")

// Find looks at the trigger queue.
func Find(ctx context.Context, api API, url string) (Queues, error) {
	if url == "" {
		return Queues{}, ErrNoQueue
	}
	depth, attributes, err := look(ctx, api, url)
	if err != nil {
		return Queues{}, fmt.Errorf("looking at the trigger queue: %w", withoutURL(err))
	}
	found := Queues{URL: url, Depth: depth}
	policy := attributes[string(types.QueueAttributeNameRedrivePolicy)]
	if policy == "" {
		return found, nil
	}
	var redrive struct {
		DeadLetterTargetArn string `json:"deadLetterTargetArn"`
	}
	if json.Unmarshal([]byte(policy), &redrive) != nil || !arn.IsARN(redrive.DeadLetterTargetArn) {
		return found, errors.New("the trigger queue's redrive policy cannot be read: set it anew")
	}
	found.DLQ = redrive.DeadLetterTargetArn
	return found, nil
}

// Dead looks at the dead-letter queue: its URL and depth.
func (q Queues) Dead(ctx context.Context, api API) (url string, depth Depth, err error) {
	if q.DLQ == "" {
		return "", Depth{}, ErrNoDLQ
	}
	name, err := arn.Parse(q.DLQ)
	if err != nil {
		return "", Depth{}, errors.New("the dead-letter queue's ARN cannot be read: set the redrive policy anew")
	}
	found, err := api.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{
		QueueName: aws.String(name.Resource), QueueOwnerAWSAccountId: aws.String(name.AccountID),
	})
	if err != nil {
		return "", Depth{}, fmt.Errorf("finding the dead-letter queue: %w", withoutURL(err))
	}
	url = aws.ToString(found.QueueUrl)
	if depth, _, err = look(ctx, api, url); err != nil {
		return "", Depth{}, fmt.Errorf("looking at the dead-letter queue: %w", withoutURL(err))
	}
	return url, depth, nil
}

func look(ctx context.Context, api API, url string) (Depth, map[string]string, error) {
	out, err := api.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(url),
		AttributeNames: []types.QueueAttributeName{
			types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
			types.QueueAttributeNameApproximateNumberOfMessagesDelayed, types.QueueAttributeNameRedrivePolicy,
		},
	})
	if err != nil {
		return Depth{}, nil, err
	}
	count := func(name types.QueueAttributeName) int {
		n, _ := strconv.Atoi(out.Attributes[string(name)]) // 0 where SQS does not say
		return n
	}
	return Depth{
		Visible:  count(types.QueueAttributeNameApproximateNumberOfMessages),
		InFlight: count(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible),
		Delayed:  count(types.QueueAttributeNameApproximateNumberOfMessagesDelayed),
	}, out.Attributes, nil
}

// describe is an error of SQS without its text, which holds the queue's URL.
func withoutURL(err error) error {
	var coded interface{ ErrorCode() string }
	var missing *types.QueueDoesNotExist
	switch {
	case errors.As(err, &missing):
		return errors.New("there is no such queue: check CDC_QUEUE_URL and AWS_REGION")
	case errors.As(err, &coded):
		code := coded.ErrorCode()
		if strings.Contains(code, "AccessDenied") {
			return fmt.Errorf("%s: allow the call on the queue to whoever runs this", code)
		}
		return errors.New(code)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return errors.New("interrupted")
	default:
		return errors.New("SQS does not answer: check AWS_REGION, the credentials and the network")
	}
}
