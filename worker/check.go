package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.temporal.io/api/workflowservice/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/connect"
	"healthlake-cdc/internal/healthlake"
)

// checkTimeout bounds each dependency's check.
const checkTimeout = 15 * time.Second

// checker goes through what a worker needs and says what is missing.
type checker struct {
	cfg    *config.Config
	logger *slog.Logger
	out    io.Writer
	failed int
	types  map[string][]string
}

// check is worker --check: the settings are valid already, or it would not be
// called.
func check(ctx context.Context, cfg *config.Config, logger *slog.Logger, out io.Writer) error {
	c := &checker{cfg: cfg, logger: logger, out: out}
	c.report("settings", nil, "valid")
	awsConfig, err := connect.AWS(ctx, cfg)
	if err != nil {
		return err
	}
	c.do(ctx, "AWS credentials", func(ctx context.Context) (string, error) { return credentials(ctx, awsConfig) })
	c.stores(ctx, awsConfig)
	c.do(ctx, "search rate", func(context.Context) (string, error) { return c.searchRate() })
	c.do(ctx, "queue", func(ctx context.Context) (string, error) { return c.queue(ctx, awsConfig) })
	c.do(ctx, "event bus", func(ctx context.Context) (string, error) { return c.bus(ctx, awsConfig) })
	c.do(ctx, "Temporal", c.temporal)
	if c.failed > 0 {
		return fmt.Errorf("%d checks failed", c.failed)
	}
	return nil
}

func (c *checker) do(ctx context.Context, name string, check func(context.Context) (string, error)) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	found, err := check(ctx)
	c.report(name, err, found)
}

func (c *checker) report(name string, err error, found string) {
	if err != nil {
		c.failed++
		fmt.Fprintf(c.out, "MISSING  %-16s %v\n", name, err)
		return
	}
	fmt.Fprintf(c.out, "ok       %-16s %s\n", name, found)
}

func credentials(ctx context.Context, awsConfig aws.Config) (string, error) {
	found, err := awsConfig.Credentials.Retrieve(ctx)
	if err != nil {
		return "", fmt.Errorf("no credentials: set a profile, a role or AWS_ACCESS_KEY_ID: %w", err)
	}
	return "from " + found.Source, nil
}

// stores makes one small search in each datastore.
func (c *checker) stores(ctx context.Context, awsConfig aws.Config) {
	client, err := connect.Stores(c.cfg, awsConfig, nil)
	if err != nil {
		c.report("datastores", err, "")
		return
	}
	c.do(ctx, "resource types", func(ctx context.Context) (string, error) {
		var err error
		c.types, err = connect.ResourceTypes(ctx, c.cfg, func() (*healthlake.Client, error) { return client, nil })
		return fmt.Sprintf("%d of the first datastore", len(c.types[c.cfg.Datastores[0]])), err
	})
	for _, datastore := range c.cfg.Datastores {
		c.do(ctx, "datastore", func(ctx context.Context) (string, error) {
			types := c.types[datastore]
			if len(types) == 0 {
				return "", errors.New(datastore + " has no resource types to sweep")
			}
			span := cdc.WindowAt(datastore, time.Now().Add(-time.Minute)).Span()
			page, err := client.Search(ctx, cdc.SearchRequest{Datastore: datastore, Type: types[0], Span: span, IDsOnly: true})
			if err != nil {
				return "", fmt.Errorf("%s does not let us search %s: %w", datastore, types[0], err)
			}
			return datastore + " answers a search" + clockText(page.Date), nil
		})
	}
}

// clockText tells how far the store's clock is from ours, when it said.
func clockText(date time.Time) string {
	if date.IsZero() {
		return ""
	}
	return fmt.Sprintf(", its clock differs by %s", time.Since(date).Truncate(time.Second))
}

// searchRate refuses settings under which windows of a store that is always busy
// would need more searches than their share.
func (c *checker) searchRate() (string, error) {
	share := c.cfg.SearchRate * liveShare
	most := 0.0
	for _, types := range c.types {
		need := float64(len(types)*(len(c.cfg.Passes)+1)) / cdc.WindowWidth.Seconds()
		most = max(most, need)
	}
	if most > share {
		return "", fmt.Errorf("windows need up to %.1f searches a second and store (types × (passes + 1) / 10 s), their share of CDC_SEARCH_RATE is %.1f: raise it to %.0f, or sweep fewer types", most, share, most/liveShare)
	}
	return fmt.Sprintf("windows need up to %.1f of %.1f searches a second and store", most, share), nil
}

func (c *checker) queue(ctx context.Context, awsConfig aws.Config) (string, error) {
	answer, err := sqs.NewFromConfig(awsConfig).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(c.cfg.QueueURL),
		AttributeNames: []sqstypes.QueueAttributeName{
			sqstypes.QueueAttributeNameApproximateNumberOfMessages, sqstypes.QueueAttributeNameRedrivePolicy,
		},
	})
	if err != nil {
		return "", fmt.Errorf("CDC_QUEUE_URL cannot be read: %w", err)
	}
	if answer.Attributes[string(sqstypes.QueueAttributeNameRedrivePolicy)] == "" {
		return "", errors.New("the queue has no dead-letter queue: malformed messages would come back for ever; set a redrive policy")
	}
	return answer.Attributes[string(sqstypes.QueueAttributeNameApproximateNumberOfMessages)] + " messages wait, it has a dead-letter queue", nil
}

func (c *checker) bus(ctx context.Context, awsConfig aws.Config) (string, error) {
	answer, err := eventbridge.NewFromConfig(awsConfig).DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: aws.String(c.cfg.EventBus)})
	if err != nil {
		return "", fmt.Errorf("CDC_EVENT_BUS cannot be described: EventBridge would drop what we publish: %w", err)
	}
	return aws.ToString(answer.Arn), nil
}

func (c *checker) temporal(ctx context.Context) (string, error) {
	temporal, err := connect.DialTemporal(ctx, c.cfg, config.Worker, c.logger, nil)
	if err != nil {
		return "", err
	}
	defer temporal.Client.Close()
	described, err := temporal.Client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: temporal.Namespace})
	if err != nil {
		return "", fmt.Errorf("namespace %s cannot be described: %w", temporal.Namespace, err)
	}
	if !temporal.Attributes {
		return "", errors.New("search attributes are missing and may not be created: run the commands that were logged")
	}
	retention := described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration()
	return fmt.Sprintf("namespace %s, retention %s, search attributes usable", temporal.Namespace, retention), nil
}
