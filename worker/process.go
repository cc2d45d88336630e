package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"healthlake-cdc/activities"
	"healthlake-cdc/activities/audit"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/eventbus"
	"healthlake-cdc/internal/healthlake"
	"healthlake-cdc/internal/ledger"
	"healthlake-cdc/internal/preflight"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/telemetry"
	"healthlake-cdc/internal/temporal"
	"healthlake-cdc/internal/trigger"
)

// process holds what one worker runs.
type process struct {
	cfg        *config.Config
	options    options
	logger     *slog.Logger
	temporal   *temporal.Connection
	metrics    *telemetry.Metrics
	activities *activities.Activities
	auditing   *audit.Activities
	limits     *activities.Limits
	consumer   *queue.Consumer
	schedules  *schedules
	// types are the resource types to search, by datastore.
	types map[string][]string
}

// newProcess waits for what the worker needs and puts it together.
func newProcess(ctx context.Context, cfg *config.Config, o options, logger *slog.Logger, t *telemetry.Telemetry) (_ *process, err error) {
	p := &process{cfg: cfg, options: o, logger: logger, metrics: t.Metrics}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	awsConfig, err := cfg.AWS(ctx)
	if err != nil {
		return nil, err
	}
	stores, err := healthlake.New(healthlake.Config{
		Endpoint: cfg.HealthLakeEndpoint, Region: cfg.Region, Credentials: awsConfig.Credentials, Observe: t.Metrics.StoreCall,
	})
	if err != nil {
		return nil, err
	}
	if err := p.await(ctx, preflight.NewProbes(cfg, awsConfig, stores), t); err != nil {
		return nil, err
	}
	plan, err := preflight.ReadAuditPlan(ctx, cfg, p.temporal, logger)
	if err != nil {
		return nil, err
	}
	launcher := &temporal.Launcher{
		Connection: p.temporal, Settings: cfg, Types: p.types, Horizon: plan.Horizon, Audited: cfg.AuditOn() && plan.Off == "", Logger: logger,
	}
	if err := p.checkNamespace(ctx, awsConfig, plan); err != nil {
		return nil, err
	}
	p.newActivities(awsConfig, stores, launcher)
	p.newConsumer(awsConfig, launcher)
	return p, nil
}

// await waits for what the role needs, and for Temporal.
func (p *process) await(ctx context.Context, probes *preflight.Probes, t *telemetry.Telemetry) error {
	err := preflight.Await(ctx, p.options.startupWait, p.logger, preflight.Dependency{Name: "list of resource types", Probe: probes.ReadTypes})
	if err != nil {
		return err
	}
	p.types = probes.Types
	needed := []preflight.Dependency{{Name: "Temporal", Probe: func(ctx context.Context) (_ string, err error) {
		p.temporal, err = temporal.Dial(ctx, p.cfg, config.Worker, p.logger, temporal.Observers{
			Metrics: t.TemporalHandler(), Plaintext: t.Metrics.Plaintext,
		})
		return "", err
	}}}
	if p.options.role != roleWorker {
		needed = append(needed, probes.Consuming()...)
	}
	if p.options.role != roleConsumer {
		needed = append(needed, probes.Working()...)
	}
	return preflight.Await(ctx, p.options.startupWait, p.logger, needed...)
}

// close ends the connection to Temporal.
func (p *process) close() {
	if p.temporal != nil {
		p.temporal.Client.Close()
	}
}

// newActivities makes the activities, and what they share.
func (p *process) newActivities(awsConfig aws.Config, stores *healthlake.Client, launcher *temporal.Launcher) {
	buses := &buses{config: eventbus.Config{
		Client: eventbus.NewClient(awsConfig), Bus: p.cfg.EventBus, MaxBytes: p.cfg.MaxEventBytes,
		Observe: p.metrics.BusCall, Logger: p.logger,
	}}
	executions := p.temporal.Executions
	p.limits = activities.NewLimits(p.cfg.SearchRate)
	reader := &activities.Reader{
		Store: stores, Limits: p.limits, Observer: p.metrics, Logger: p.logger,
		Format:        cdc.EventFormat{Source: p.cfg.EventSource, DetailType: p.cfg.DetailType},
		MaxEventBytes: p.cfg.MaxEventBytes,
		References:    p.cfg.EventPayload == cdc.PayloadReference,
	}
	p.activities = &activities.Activities{
		Reader: reader, Bus: buses.get,
		Heartbeats: p.temporal.Client, Ledgers: ledger.Reader{Executions: executions},
	}
	p.auditing = &audit.Activities{Reader: reader, Executions: executions, Windows: launcher, Logger: p.logger}
}

func (p *process) newConsumer(awsConfig aws.Config, launcher *temporal.Launcher) {
	p.consumer = queue.New(queue.Config{
		// Two clients: ReceiveMessage backs off when the SDK's retry token budget
		// is empty, and deletes would empty it.
		Receive: sqs.NewFromConfig(awsConfig), Delete: sqs.NewFromConfig(awsConfig),
		QueueURL: p.cfg.QueueURL,
		Scope:    trigger.Scope{Datastores: setOf(p.cfg.Datastores), Types: setOf(launcher.AllTypes()), Lookback: p.cfg.Lookback},
		Opener:   launcher, Logger: p.logger, Metrics: p.metrics,
		Grace: max(time.Second, p.options.grace-queue.WaitTime),
	})
}

func setOf(names []string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, name := range names {
		all[name] = true
	}
	return all
}
