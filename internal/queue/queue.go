package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// API is what we call of the SDK's client.
type API interface {
	GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
	GetQueueUrl(context.Context, *sqs.GetQueueUrlInput, ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error)
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
	DeleteMessage(context.Context, *sqs.DeleteMessageInput, ...func(*sqs.Options)) (*sqs.DeleteMessageOutput, error)
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
	StartMessageMoveTask(context.Context, *sqs.StartMessageMoveTaskInput, ...func(*sqs.Options)) (*sqs.StartMessageMoveTaskOutput, error)
	ListMessageMoveTasks(context.Context, *sqs.ListMessageMoveTasksInput, ...func(*sqs.Options)) (*sqs.ListMessageMoveTasksOutput, error)
}

// Depth is how many messages a queue holds, as SQS estimates.
type Depth struct {
	Visible  int `json:"visible"`
	InFlight int `json:"inFlight"`
	Delayed  int `json:"delayed"`
}

// Queue is what SQS says of a queue.
type Queue struct {
	URL   string
	ARN   string // of a dead-letter queue
	Depth Depth
	// Retention is how long the queue keeps messages, 0 where SQS does not say.
	Retention time.Duration

	redrivePolicy string
}

// ErrNoDLQ says that the trigger queue has no dead-letter queue.
var ErrNoDLQ = errors.New("the trigger queue has no dead-letter queue: set a redrive policy on it, as deploy/ does")

// Find looks at the trigger queue.
func Find(ctx context.Context, api API, url string) (Queue, error) {
	if url == "" {
		return Queue{}, errors.New("the trigger queue is not known: set CDC_QUEUE_URL")
	}
	found, err := readAttributes(ctx, api, url)
	if err != nil {
		return Queue{}, fmt.Errorf("reading the trigger queue: %w", withoutURL(err))
	}
	return found, nil
}

// HasDeadLetters reports whether the queue has a dead-letter queue.
func (q Queue) HasDeadLetters() bool { return q.redrivePolicy != "" }

// DeadLetters looks at the queue's dead-letter queue.
func (q Queue) DeadLetters(ctx context.Context, api API) (Queue, error) {
	if !q.HasDeadLetters() {
		return Queue{}, ErrNoDLQ
	}
	var policy struct {
		Target string `json:"deadLetterTargetArn"`
	}
	_ = json.Unmarshal([]byte(q.redrivePolicy), &policy) // what has no ARN is an error below
	name, err := arn.Parse(policy.Target)
	if err != nil {
		return Queue{}, errors.New("the trigger queue's redrive policy cannot be read: set it anew")
	}
	address, err := api.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{
		QueueName: aws.String(name.Resource), QueueOwnerAWSAccountId: aws.String(name.AccountID),
	})
	if err != nil {
		return Queue{}, fmt.Errorf("finding the dead-letter queue: %w", withoutURL(err))
	}
	found, err := readAttributes(ctx, api, aws.ToString(address.QueueUrl))
	if err != nil {
		return Queue{}, fmt.Errorf("reading the dead-letter queue: %w", withoutURL(err))
	}
	found.ARN = policy.Target
	return found, nil
}

// readAttributes reads a queue's attributes.
func readAttributes(ctx context.Context, api API, url string) (Queue, error) {
	out, err := api.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(url), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return Queue{}, err
	}
	number := func(name types.QueueAttributeName) int {
		n, _ := strconv.Atoi(out.Attributes[string(name)]) // 0 where SQS does not say
		return n
	}
	return Queue{
		URL: url,
		Depth: Depth{
			Visible:  number(types.QueueAttributeNameApproximateNumberOfMessages),
			InFlight: number(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible),
			Delayed:  number(types.QueueAttributeNameApproximateNumberOfMessagesDelayed),
		},
		Retention:     time.Duration(number(types.QueueAttributeNameMessageRetentionPeriod)) * time.Second,
		redrivePolicy: out.Attributes[string(types.QueueAttributeNameRedrivePolicy)],
	}, nil
}

// Keeps is how long the trigger queue and its dead-letter queue keep messages; DLQ is 0
// when there is none. A message keeps its age when it is moved.
type Keeps struct{ Queue, DLQ time.Duration }

// Max is the longer of the two.
func (k Keeps) Max() time.Duration { return max(k.Queue, k.DLQ) }

// Kept reads from both queues how long they keep messages, as far as it can.
func Kept(ctx context.Context, api API, url string) (Keeps, error) {
	found, err := Find(ctx, api, url)
	if err != nil {
		return Keeps{}, err
	}
	dead, err := found.DeadLetters(ctx, api)
	if errors.Is(err, ErrNoDLQ) {
		err = nil
	}
	return Keeps{Queue: found.Retention, DLQ: dead.Retention}, err
}

// withoutURL is an error of the SDK without its text, which holds the queue's URL.
func withoutURL(err error) error {
	var code interface{ ErrorCode() string }
	var missing *types.QueueDoesNotExist
	switch {
	case errors.As(err, &missing):
		return errors.New("there is no such queue: check CDC_QUEUE_URL and AWS_REGION")
	case denied(err):
		return errors.New("access is denied: allow the call on the queue to the program's role")
	case errors.As(err, &code):
		return errors.New(code.ErrorCode())
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time")
	case status(err) != 0:
		return fmt.Errorf("HTTP status %d", status(err))
	default:
		return errors.New("no connection: check AWS_REGION, the credentials and the network")
	}
}

// denied reports whether the program's role may not make the call.
func denied(err error) bool {
	var code interface{ ErrorCode() string }
	return errors.As(err, &code) && (status(err) == 403 || strings.Contains(code.ErrorCode(), "AccessDenied"))
}

// status is the HTTP status of an answer, 0 when there was none.
func status(err error) int {
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return answer.HTTPStatusCode()
	}
	return 0
}
