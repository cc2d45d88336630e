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
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/telemetry"
	"healthlake-cdc/internal/temporal"
	"healthlake-cdc/internal/trigger"
)

// newProcess waits for what the worker needs and puts it together.
func newProcess(ctx context.Context, cfg *config.Config, o options, logger *slog.Logger, t *telemetry.Telemetry) (*process, error) {
	awsConfig, err := temporal.AWS(ctx, cfg)
	if err != nil {
		return nil, err
	}
	stores, err := temporal.Stores(cfg, awsConfig, t.Metrics.StoreCall)
	if err != nil {
		return nil, err
	}
	asked := newProbes(cfg, awsConfig, stores)
	if err := await(ctx, o.startupWait, logger, dependency{name: "list of resource types", probe: asked.resourceTypes}); err != nil {
		return nil, err
	}
	p := &process{cfg: cfg, options: o, logger: logger, metrics: t.Metrics}
	dial := dependency{name: "Temporal", probe: func(ctx context.Context) (_ string, err error) {
		p.temporal, err = temporal.Dial(ctx, cfg, config.Worker, logger, temporal.Observers{
			Metrics: t.TemporalHandler(), Plaintext: t.Metrics.Plaintext,
		})
		return "", err
	}}
	if err := await(ctx, o.startupWait, logger, append(asked.dependencies(o.role), dial)...); err != nil {
		p.close()
		return nil, err
	}
	plan, err := p.auditPlan(ctx)
	if err != nil {
		p.close()
		return nil, err
	}
	launcher := temporal.NewLauncher(p.temporal.Client, temporal.LauncherConfig{
		TaskQueue: cfg.TaskQueue, Types: asked.types, Passes: cfg.Passes, Audited: cfg.AuditOn() && plan.off == "", Versions: cfg.Versions, Imports: cfg.Imports,
		Horizon: plan.horizon, Attributes: p.temporal.Attributes, Logger: logger,
	})
	p.types, p.sweeps = launcher.AllTypes(), asked.types
	if err := p.checkNamespace(ctx, awsConfig, plan); err != nil {
		p.close()
		return nil, err
	}
	p.newActivities(awsConfig, stores, launcher)
	p.newConsumer(awsConfig, launcher)
	return p, nil
}

// close ends the connection to Temporal.
func (p *process) close() {
	if p.temporal != nil {
		p.temporal.Client.Close()
	}
}

func (p *process) newActivities(awsConfig aws.Config, stores *healthlake.Client, launcher *temporal.Launcher) {
	buses := &buses{config: eventbus.Config{
		Client: eventbus.NewClient(awsConfig), MaxBytes: p.cfg.MaxEventBytes,
		Observe: p.metrics.BusCall, Logger: p.logger,
	}}
	executions := p.temporal.Executions()
	p.limits = activities.NewLimits(p.cfg.SearchRate*liveShare, p.cfg.SearchRate*auditShare)
	reader := &activities.Reader{
		Store: stores, Limits: p.limits, Observer: p.metrics, Logger: p.logger,
		Format:        cdc.EventFormat{Source: p.cfg.EventSource, DetailType: p.cfg.DetailType},
		MaxEventBytes: p.cfg.MaxEventBytes,
		References:    p.cfg.EventPayload == config.PayloadReference,
	}
	p.activities = &activities.Activities{
		Reader: reader, Bus: buses.get(p.cfg.EventBus), OtherBus: buses.get,
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
		Scope:    trigger.Scope{Datastores: set(p.cfg.Datastores), Types: set(p.types), Lookback: p.cfg.Lookback},
		Opener:   launcher, Logger: p.logger, Metrics: p.metrics,
		Grace: max(time.Second, p.options.grace-queue.WaitTime),
	})
}

func set(names []string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, name := range names {
		all[name] = true
	}
	return all
}
