package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/healthlake"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/temporal"
)

// probes ask each dependency whether it is there and can be used. Each returns
// what it found, or what is missing and what to do.
type probes struct {
	cfg    *config.Config
	aws    aws.Config
	stores *healthlake.Client
	// types is set by resourceTypes.
	types map[string][]string
	// answered are the types of each datastore whose search was answered before: an
	// attempt that follows searches the others.
	answered map[string]map[string]bool
}

func newProbes(cfg *config.Config, awsConfig aws.Config, stores *healthlake.Client) *probes {
	p := &probes{cfg: cfg, aws: awsConfig, stores: stores, answered: make(map[string]map[string]bool)}
	for _, datastore := range cfg.Datastores { // which are asked side by side
		p.answered[datastore] = make(map[string]bool)
	}
	return p
}

func (p *probes) credentials(ctx context.Context) (string, error) {
	found, err := p.aws.Credentials.Retrieve(ctx)
	if err != nil {
		return "", fmt.Errorf("no credentials: set a profile, a role or AWS_ACCESS_KEY_ID: %w", err)
	}
	return "from " + found.Source, nil
}

func (p *probes) resourceTypes(ctx context.Context) (string, error) {
	types, err := temporal.ResourceTypes(ctx, p.cfg, func() (*healthlake.Client, error) { return p.stores, nil })
	if err != nil {
		return "", err
	}
	p.types = types
	return fmt.Sprintf("%d of the first datastore", len(types[p.cfg.Datastores[0]])), nil
}

// clockText says how far the store's clock is from ours, when it said.
func clockText(date time.Time) string {
	if date.IsZero() {
		return ""
	}
	return fmt.Sprintf(", its clock differs by %s", time.Since(date).Truncate(time.Second))
}

// searchRate refuses settings under which windows of a store that is always busy
// would need more searches than their share.
func (p *probes) searchRate(context.Context) (string, error) {
	share := p.cfg.SearchRate * liveShare
	most := 0.0
	for _, types := range p.types {
		need := float64(len(types)*(len(p.cfg.Passes)+1)) / cdc.WindowWidth.Seconds()
		most = max(most, need)
	}
	if most > share {
		return "", fmt.Errorf("windows need up to %.1f searches a second and store (types × (passes + 1) / 10 s), their share of CDC_SEARCH_RATE is %.1f: raise it to %.0f, or sweep fewer types", most, share, most/liveShare)
	}
	return fmt.Sprintf("windows need up to %.1f of %.1f searches a second and store", most, share), nil
}

func (p *probes) queue(ctx context.Context) (string, error) {
	found, err := queue.Find(ctx, sqs.NewFromConfig(p.aws), p.cfg.QueueURL)
	if err != nil {
		return "", fmt.Errorf("CDC_QUEUE_URL: %w", err)
	}
	if !found.HasDeadLetters() {
		return "", fmt.Errorf("%w: malformed messages would come back until they expire", queue.ErrNoDLQ)
	}
	return fmt.Sprintf("%d messages wait, it has a dead-letter queue", found.Depth.Visible), nil
}

func (p *probes) bus(ctx context.Context) (string, error) {
	answer, err := eventbridge.NewFromConfig(p.aws).DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: aws.String(p.cfg.EventBus)})
	if err != nil {
		return "", fmt.Errorf("CDC_EVENT_BUS cannot be described: EventBridge would drop what we publish: %w", err)
	}
	return aws.ToString(answer.Arn), nil
}
