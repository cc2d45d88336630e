package preflight

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
)

// Probes check of each dependency that it is there and can be used. Each returns
// what it found, or what is missing and what to do.
type Probes struct {
	cfg    *config.Config
	aws    aws.Config
	stores *healthlake.Client
	// Types are the resource types to search, by datastore: see [Probes.ReadTypes].
	Types map[string][]string
	// searched are the types of each datastore whose search succeeded before: an
	// attempt that follows searches the others.
	searched map[string]map[string]bool
}

// NewProbes returns the probes of the settings.
func NewProbes(cfg *config.Config, awsConfig aws.Config, stores *healthlake.Client) *Probes {
	p := &Probes{cfg: cfg, aws: awsConfig, stores: stores, searched: make(map[string]map[string]bool)}
	for _, datastore := range cfg.Datastores { // which are probed side by side
		p.searched[datastore] = make(map[string]bool)
	}
	return p
}

func (p *Probes) credentials(ctx context.Context) (string, error) {
	found, err := p.aws.Credentials.Retrieve(ctx)
	if err != nil {
		return "", fmt.Errorf("no credentials: set a profile, a role or AWS_ACCESS_KEY_ID: %w", err)
	}
	return "from " + found.Source, nil
}

// ReadTypes sets Types.
func (p *Probes) ReadTypes(ctx context.Context) (string, error) {
	types, err := ResourceTypes(ctx, p.cfg, func() (*healthlake.Client, error) { return p.stores, nil })
	if err != nil {
		return "", err
	}
	p.Types = types
	return fmt.Sprintf("%d of the first datastore", len(types[p.cfg.Datastores[0]])), nil
}

// clockText says how far the store's clock is from ours, when it said.
func clockText(date time.Time) string {
	if date.IsZero() {
		return ""
	}
	return fmt.Sprintf(", its clock differs by %s", time.Since(date).Truncate(time.Second))
}

// searchRate returns an error for settings under which windows of a store that is
// always busy would need more searches than may go into first pages.
func (p *Probes) searchRate(context.Context) (string, error) {
	share := p.cfg.LiveRate()
	highest := 0.0
	for _, types := range p.Types {
		need := float64(len(types)*(len(p.cfg.Passes)+1)) / cdc.WindowWidth.Seconds()
		highest = max(highest, need)
	}
	if highest > share {
		return "", fmt.Errorf("windows need up to %.1f searches a second and store (types × (passes + 1) / 10 s), %.0f %% of CDC_SEARCH_RATE may go into that, which is %.1f: raise it to %.0f, or search fewer types", highest, 100*config.LiveShare, share, highest/config.LiveShare)
	}
	return fmt.Sprintf("windows need up to %.1f of %.1f searches a second and store", highest, share), nil
}

func (p *Probes) queue(ctx context.Context) (string, error) {
	found, err := queue.Find(ctx, sqs.NewFromConfig(p.aws), p.cfg.QueueURL)
	if err != nil {
		return "", fmt.Errorf("CDC_QUEUE_URL: %w", err)
	}
	if !found.HasDeadLetters() {
		return "", fmt.Errorf("%w: malformed messages would come back until they expire", queue.ErrNoDLQ)
	}
	return fmt.Sprintf("%d messages wait, it has a dead-letter queue", found.Depth.Visible), nil
}

func (p *Probes) bus(ctx context.Context) (string, error) {
	found, err := eventbridge.NewFromConfig(p.aws).DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: aws.String(p.cfg.EventBus)})
	if err != nil {
		return "", fmt.Errorf("CDC_EVENT_BUS cannot be described: EventBridge would drop what we publish: %w", err)
	}
	return aws.ToString(found.Arn), nil
}
