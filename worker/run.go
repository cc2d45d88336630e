package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/telemetry"
	"healthlake-cdc/internal/temporal"
	"healthlake-cdc/workflows"
)

const (
	// activitySlots is how many activities of the main task queue a process
	// runs at once; with 1 MiB results it bounds their memory.
	activitySlots = 100
	// pageSlots is the same for each of a datastore's task queues.
	pageSlots = 8
	// bulkPublishSlots is the same for what ranges publish.
	bulkPublishSlots = 8
)

// run is the life of a worker: serve, wait for what it needs, work, stop.
func run(ctx context.Context, cfg *config.Config, o options, logger *slog.Logger) error {
	metrics, err := telemetry.New(logger)
	if err != nil {
		return err
	}
	// What it still holds is scraped until the process ends.
	defer func() { _ = metrics.Shutdown(context.WithoutCancel(ctx)) }()
	ready := telemetry.NewReadiness(logger)
	stopServing, err := serve(ctx, cfg, metrics, ready, logger)
	if err != nil {
		return err
	}
	defer stopServing()
	var life lifecycle
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
	return p.live(ctx, &life)
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

// live works until ctx ends or a part of the worker fails.
func (p *process) live(ctx context.Context, life *lifecycle) error {
	group, groupCtx := errgroup.WithContext(ctx)
	role := p.options.role
	if role != roleConsumer {
		group.Go(func() error { return p.work(groupCtx, life) })
		group.Go(func() error { return p.followFleet(groupCtx) })
		group.Go(func() error {
			return p.temporal.CountWaiting(groupCtx, p.cfg.Datastores, p.metrics.Waiting, p.logger)
		})
	} else {
		life.set(stageRunning)
	}
	if role != roleWorker {
		group.Go(func() error { return p.consumer.Run(groupCtx) })
	}
	group.Go(func() error { return p.followSchedules(groupCtx) })
	group.Go(func() error {
		<-groupCtx.Done()
		life.set(stageStopping)
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

// lifecycle is the stage of a worker, for /readyz.
type lifecycle struct{ stage atomic.Int32 }

const (
	stageStarting int32 = iota
	stageRunning
	stageStopping
)

func (l *lifecycle) set(stage int32) { l.stage.Store(stage) }

func (l *lifecycle) check(context.Context) error {
	switch l.stage.Load() {
	case stageStarting:
		return errors.New("the worker is starting: it waits for what it needs")
	case stageStopping:
		return errors.New("the worker is stopping")
	default:
		return nil
	}
}

// work runs the Temporal workers until ctx ends: one for workflows, first pages
// and publishing, one for what ranges publish, and two for each datastore's further
// pages and bulk work.
func (p *process) work(ctx context.Context, life *lifecycle) error {
	fatal := make(chan error, 1)
	main := worker.New(p.temporal.Client, p.cfg.TaskQueue, p.mainOptions(fatal))
	workflows.Register(main)
	workflows.RegisterActivities(main, p.activities, p.auditing)
	all := []worker.Worker{main, p.bulkPublishWorker(fatal)}
	for _, datastore := range p.cfg.Datastores {
		all = append(all, p.pageWorkers(datastore, fatal)...)
	}
	for i, w := range all {
		if err := w.Start(); err != nil {
			stopAll(all[:i])
			return fmt.Errorf("starting Temporal worker: %w", err)
		}
	}
	life.set(stageRunning)
	var err error
	select {
	case <-ctx.Done():
	case err = <-fatal:
		err = fmt.Errorf("working for Temporal: %w", err)
	}
	stopAll(all)
	return err
}

// stopAll stops the workers side by side, each within its WorkerStopTimeout.
func stopAll(all []worker.Worker) {
	var group errgroup.Group
	for _, w := range slices.Backward(all) {
		group.Go(func() error {
			w.Stop()
			return nil
		})
	}
	_ = group.Wait() // Stop has no error
}

func (p *process) mainOptions(fatal chan<- error) worker.Options {
	options := p.publishOptions(fatal, activitySlots)
	if p.cfg.DeploymentName != "" {
		options.DeploymentOptions = worker.DeploymentOptions{
			UseVersioning: true,
			Version: worker.WorkerDeploymentVersion{
				DeploymentName: p.cfg.DeploymentName, BuildID: p.cfg.BuildID,
			},
			DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
		}
	}
	return options
}

// bulkPublishWorker publishes for ranges, in slots of its own: however many ranges
// run, live windows find theirs free.
func (p *process) bulkPublishWorker(fatal chan<- error) worker.Worker {
	options := p.publishOptions(fatal, bulkPublishSlots)
	options.DisableWorkflowWorker = true
	w := worker.New(p.temporal.Client, cdc.BulkPublishQueue(p.cfg.TaskQueue), options)
	workflows.RegisterActivities(w, p.activities, p.auditing)
	return w
}

// publishOptions are of workers that publish.
func (p *process) publishOptions(fatal chan<- error, slots int) worker.Options {
	options := p.baseOptions(fatal)
	options.MaxConcurrentActivityExecutionSize = slots
	return options
}

// baseOptions are of every Temporal worker. An error that one cannot survive (its
// namespace is gone, its credentials are rejected) ends the process.
func (p *process) baseOptions(fatal chan<- error) worker.Options {
	return worker.Options{
		WorkerStopTimeout:           p.options.grace,
		DisableRegistrationAliasing: true,
		OnFatalError: func(err error) {
			select {
			case fatal <- err:
			default: // the first one ends the process
			}
		},
	}
}

// pageWorkers poll a datastore's own task queues. The server enforces the rate
// for the whole fleet and follows the last worker that polled, so it is the same
// on all: the share of CDC_SEARCH_RATE, whatever the fleet's size.
func (p *process) pageWorkers(datastore string, fatal chan<- error) []worker.Worker {
	queues := pageQueues(p.cfg, datastore)
	var all []worker.Worker
	for _, queue := range queues {
		options := p.baseOptions(fatal)
		options.DisableWorkflowWorker = true
		options.MaxConcurrentActivityExecutionSize = pageSlots
		options.TaskQueueActivitiesPerSecond = queue.rate
		options.Identity = p.temporal.Identity + temporal.Mark(p.types[datastore], ownerOf(p.cfg))
		w := worker.New(p.temporal.Client, queue.name, options)
		workflows.RegisterActivities(w, p.activities, p.auditing)
		all = append(all, w)
	}
	return all
}

// temporalCheck asks Temporal whether it serves.
func (p *process) temporalCheck(ctx context.Context) error {
	_, err := p.temporal.Client.CheckHealth(ctx, &client.CheckHealthRequest{})
	return err
}

func (p *process) addChecks(ready *telemetry.Readiness) {
	ready.Add("temporal", p.temporalCheck)
	if p.options.role != roleWorker {
		ready.Add("queue", func(context.Context) error { return p.consumer.Ready() })
	}
}
