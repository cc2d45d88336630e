package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Keeps tells for how long the trigger queue and its dead-letter queue keep
// messages. A message keeps its age when it is moved to the latter.
type Keeps struct {
	Queue time.Duration
	// DLQ is 0 when there is no dead-letter queue.
	DLQ time.Duration
}

// Longest is the longer of the two.
func (k Keeps) Longest() time.Duration { return max(k.Queue, k.DLQ) }

// Kept asks both queues for how long they keep messages. What could be found out
// is returned with the error.
func Kept(ctx context.Context, api API, url string) (Keeps, error) {
	found, err := Find(ctx, api, url)
	if err != nil {
		return Keeps{}, err
	}
	var keeps Keeps
	if keeps.Queue, err = kept(ctx, api, url); err != nil {
		return keeps, fmt.Errorf("asking the trigger queue how long it keeps messages: %w", err)
	}
	dead, _, err := found.Dead(ctx, api)
	if errors.Is(err, ErrNoDLQ) {
		return keeps, nil
	}
	if err != nil {
		return keeps, err
	}
	if keeps.DLQ, err = kept(ctx, api, dead); err != nil {
		return keeps, fmt.Errorf("asking the dead-letter queue how long it keeps messages: %w", err)
	}
	return keeps, nil
}

func kept(ctx context.Context, api API, url string) (time.Duration, error) {
	name := types.QueueAttributeNameMessageRetentionPeriod
	out, err := api.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(url), AttributeNames: []types.QueueAttributeName{name},
	})
	if err != nil {
		return 0, withoutURL(err)
	}
	seconds, err := strconv.Atoi(out.Attributes[string(name)])
	if err != nil || seconds <= 0 {
		return 0, errors.New("it does not say")
	}
	return time.Duration(seconds) * time.Second, nil
}
