package eventbus

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	smithytime "github.com/aws/smithy-go/time"

	"healthlake-cdc/internal/cdc"
)

const (
	// callTimeout bounds one call of EventBridge.
	callTimeout = 8 * time.Second
	// maxEntries is how many entries PutEvents takes (EventBridge API
	// reference, PutEvents: "Maximum number of 10 items").
	maxEntries = 10
	// callsInFlight is how many calls of one Publish are made side by side. What a worker
	// that is killed had in flight is sent again: so many calls of maxEntries.
	callsInFlight = 8
	// idleConnections are kept for reuse; the SDK keeps ten.
	idleConnections = 256
	// maxTries is how often in a row a call is made that gets nothing accepted.
	maxTries = 8
	// firstBackoff and maxBackoff bound the delay after the first and after later tries.
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 2 * time.Second
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
		o.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConns, t.MaxIdleConnsPerHost = idleConnections, idleConnections
		})
		o.Retryer = aws.NopRetryer{}
		o.RetryMaxAttempts = 1 // else AWS_MAX_ATTEMPTS or a profile would count
	})
}

// Call is what one PutEvents call came to, for metrics.
type Call struct {
	Rejected, Failed int       // entries; failed ones are sent again
	Class            cdc.Class // when the call as a whole failed
}

// Config says where and how to publish.
type Config struct {
	Client API
	// Bus is the name or the ARN of the event bus.
	Bus string
	// MaxBytes bounds an entry, and the sum of a call's entries, in bytes by
	// cdc.Event.Size (CDC_MAX_EVENT_BYTES).
	MaxBytes int
	// Observe is called after every PutEvents call; it must be safe for concurrent
	// use and must not block.
	Observe func(Call)
	// Logger logs that the bus cannot be checked.
	Logger *slog.Logger
}

// Publisher puts events on one bus. It is safe for concurrent use.
type Publisher struct {
	Config
	callTimeout time.Duration
	inFlight    int
	check       *busCheck

	backoff func(tries int) time.Duration
	sleep   func(context.Context, time.Duration) error
	now     func() time.Time
}

// New returns a publisher.
func New(c Config) *Publisher {
	p := &Publisher{Config: c, callTimeout: callTimeout, inFlight: callsInFlight, backoff: backoff, sleep: smithytime.SleepWithContext, now: time.Now}
	p.check = &busCheck{Publisher: p}
	return p
}

// Publish sends the events that are not accepted yet (accepted[i] == "", or accepted is
// nil), some calls at a time. progress gets a copy of all accepted ids so far after each
// call in which EventBridge accepted or rejected something; it is called by one call at a
// time.
//
// An entry that EventBridge rejects by an error code of its own is in Rejected, as is one
// that cannot be built, and the others are sent all the same. Everything else, the
// rejection of a whole call included, is a *cdc.Error. The result beside an error holds
// what was accepted before it; a next Publish that gets it repeats at most the calls whose
// answers were lost.
//
// A Publish that keeps failing returns within two call timeouts of its start or of the
// last progress. After a cancellation it sends nothing more, but waits for the answers to
// the calls that are in flight, which would else be repeated.
func (p *Publisher) Publish(ctx context.Context, batch cdc.Batch, accepted []string, progress func(accepted []string)) (cdc.PublishResult, error) {
	r := &run{
		Publisher: p, calls: calls{batch: batch, maxBytes: p.MaxBytes},
		ids: make([]string, batch.Len()), progress: progress, heard: p.now(),
	}
	copy(r.ids, accepted)
	err := r.all(ctx)
	slices.SortFunc(r.rejected, func(a, b cdc.Rejection) int { return a.Index - b.Index })
	return cdc.PublishResult{EventIDs: r.ids, Rejected: r.rejected}, err
}
