package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/telemetry"
)

// run is the life of a worker: serve, wait for what it needs, work, stop.
func run(ctx context.Context, cfg *config.Config, o options, logger *slog.Logger) error {
	metrics, err := telemetry.New(logger)
	if err != nil {
		return err
	}
	ready := telemetry.NewReadiness(logger)
	stopServing, err := serve(ctx, cfg, metrics, ready, logger)
	if err != nil {
		return err
	}
	defer stopServing()
	if o.pprofAddr != "" {
		stopProfiles, err := serveProfiles(o.pprofAddr, logger)
		if err != nil {
			return err
		}
		defer stopProfiles()
	}
	life := &lifecycle{}
	life.set("the worker is starting: it waits for what it needs")
	ready.Add("running", life.check)

	p, err := newProcess(ctx, cfg, o, logger, metrics)
	if err != nil && ctx.Err() != nil {
		logger.Info("worker was told to end before it had started")
		return nil // that is no failure
	}
	if err != nil {
		return err
	}
	defer p.close()
	metrics.Metrics.Paused(false)
	if cfg.InsecurePlaintext {
		logger.Warn("CDC_INSECURE_PLAINTEXT=true: Temporal stores everything unencrypted; for synthetic data only")
	}
	p.addChecks(ready)
	return p.runAll(ctx, life)
}

// serve answers /metrics, /healthz and /readyz until stop is called: while the
// worker waits for its dependencies and while it stops, too.
func serve(ctx context.Context, cfg *config.Config, metrics *telemetry.Telemetry, ready *telemetry.Readiness, logger *slog.Logger) (stop func(), err error) {
	if cfg.MetricsAddr == "" {
		return func() {}, nil
	}
	server, err := telemetry.Listen(cfg.MetricsAddr, metrics.Handler(), ready, logger)
	if err != nil {
		return nil, err
	}
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- server.Serve(serving) }()
	return func() {
		cancel()
		if err := <-served; err != nil {
			logger.Error("serving metrics failed", "error", err)
		}
	}, nil
}

// runAll works until ctx ends or a part of the worker fails.
func (p *process) runAll(ctx context.Context, life *lifecycle) error {
	group, groupCtx := errgroup.WithContext(ctx)
	role := p.options.role
	if role != roleConsumer {
		group.Go(func() error { return p.work(groupCtx, life) })
		group.Go(func() error { return p.followFleet(groupCtx) })
		group.Go(func() error {
			return p.temporal.CountWaiting(groupCtx, p.cfg.Datastores, p.metrics.Waiting, p.logger)
		})
	} else {
		life.set("")
	}
	if role != roleWorker {
		group.Go(func() error {
			p.consumer.Run(groupCtx)
			return nil
		})
	}
	group.Go(func() error { return p.followSchedules(groupCtx) })
	group.Go(func() error {
		<-groupCtx.Done()
		life.set("the worker is stopping")
		return nil
	})
	p.logger.Info("worker is running", "role", role, "datastores", p.cfg.Datastores, "taskQueue", p.cfg.TaskQueue,
		"namespace", p.temporal.Namespace, "types", len(p.types[p.cfg.Datastores[0]]), "passes", fmt.Sprint(p.cfg.Passes))
	err := group.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	p.logger.Info("worker has stopped")
	return err
}

// lifecycle is why a worker is not ready, empty while it runs: for /readyz.
type lifecycle struct{ reason atomic.Value }

// set makes the worker not ready, for a reason, or ready without one.
func (l *lifecycle) set(reason string) { l.reason.Store(reason) }

func (l *lifecycle) check(context.Context) error {
	if reason, _ := l.reason.Load().(string); reason != "" {
		return errors.New(reason)
	}
	return nil
}

func (p *process) addChecks(ready *telemetry.Readiness) {
	ready.Add("temporal", func(ctx context.Context) error {
		_, err := p.temporal.Client.CheckHealth(ctx, &client.CheckHealthRequest{})
		return err
	})
	if p.options.role != roleWorker {
		ready.Add("queue", func(context.Context) error { return p.consumer.Ready() })
	}
}
