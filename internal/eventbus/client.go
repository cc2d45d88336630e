package eventbus

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
)

// API is the part of *eventbridge.Client that the publisher calls.
type API interface {
	PutEvents(context.Context, *eventbridge.PutEventsInput, ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
	DescribeEventBus(context.Context, *eventbridge.DescribeEventBusInput, ...func(*eventbridge.Options)) (*eventbridge.DescribeEventBusOutput, error)
}

// NewClient returns an EventBridge client that makes one attempt a call. The publisher
// retries: it knows which entries were accepted. An SDK that repeated a call would put
// its entries twice.
func NewClient(cfg aws.Config) *eventbridge.Client {
	return eventbridge.NewFromConfig(cfg, func(o *eventbridge.Options) {
		o.Retryer = aws.NopRetryer{}
		o.RetryMaxAttempts = 1 // else AWS_MAX_ATTEMPTS or a profile would count
	})
}
