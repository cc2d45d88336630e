package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/connect"
	"healthlake-cdc/internal/consumer"
	"healthlake-cdc/internal/telemetry"
	"healthlake-cdc/workflows"
)

const (
	// activitySlots is how many activities of the main task queue a process
	// runs at once; with 1 MiB results it bounds their memory.
	activitySlots = 100
	// pageSlots is the same for each of a datastore's task queues.
	pageSlots = 8
)

// run is the life of a worker: connect, serve, poll, stop.
func run(ctx context.Context, cfg *config.Config, o options, logger *slog.Logger) error {
	metrics, err := telemetry.New(logger)
	if err != nil {
		return err
	}
	// What it still holds is scraped until the process ends.
	defer func() { _ = metrics.Shutdown(context.WithoutCancel(ctx)) }()
	ready := telemetry.NewReadiness(logger)

	group, groupCtx := errgroup.WithContext(ctx)
	if cfg.MetricsAddr != "" {
		server, err := telemetry.Listen(cfg.MetricsAddr, metrics.Handler(), ready, logger)
		if err != nil {
			return err
		}
		group.Go(func() error { return server.Serve(groupCtx) })
	}
	p, err := newProcess(ctx, cfg, o, logger, metrics)
	if err != nil {
		return err
	}
	defer p.temporal.Client.Close()
	metrics.Metrics.TemporalUp(ctx, true)
	if cfg.InsecurePlaintext {
		logger.Warn("CDC_INSECURE_PLAINTEXT=true: Temporal stores patient data unencrypted; for synthetic data only")
	}
	p.addChecks(ready)
	if o.role != roleConsumer {
		group.Go(func() error { return p.work(groupCtx) })
		group.Go(func() error { return p.followFleet(groupCtx) })
	}
	if o.role != roleWorker {
		group.Go(func() error { return p.consumer.Run(groupCtx) })
	}
	logger.Info("worker is running", "role", o.role, "datastores", cfg.Datastores,
		"taskQueue", cfg.TaskQueue, "namespace", p.temporal.Namespace, "types", len(p.types), "passes", fmt.Sprint(cfg.Passes))
	err = group.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	logger.Info("worker has stopped")
	return err
}

// process holds what one worker runs.
type process struct {
	cfg        *config.Config
	options    options
	logger     *slog.Logger
	temporal   *connect.Temporal
	activities *activities.Activities
	consumer   *consumer.Consumer
	types      []string
}

// work runs the Temporal workers until ctx ends: one for workflows, first pages
// and publishing, and two for each datastore's further pages and bulk work.
func (p *process) work(ctx context.Context) error {
	main := worker.New(p.temporal.Client, p.cfg.TaskQueue, p.mainOptions())
	workflows.Register(main)
	workflows.RegisterActivities(main, p.activities)
	all := []worker.Worker{main}
	for _, datastore := range p.cfg.Datastores {
		all = append(all, p.pageWorkers(datastore)...)
	}
	for i, w := range all {
		if err := w.Start(); err != nil {
			stopAll(all[:i])
			return fmt.Errorf("starting Temporal worker: %w", err)
		}
	}
	<-ctx.Done()
	stopAll(all)
	return nil
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

func (p *process) mainOptions() worker.Options {
	options := p.baseOptions()
	options.MaxConcurrentActivityExecutionSize = activitySlots
	// Heartbeats are sent as they are recorded, which is once a second.
	options.MaxHeartbeatThrottleInterval = activities.HeartbeatEvery
	options.DefaultHeartbeatThrottleInterval = activities.HeartbeatEvery
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

func (p *process) baseOptions() worker.Options {
	return worker.Options{
		WorkerStopTimeout:           p.options.grace,
		DisableRegistrationAliasing: true,
		OnFatalError: func(err error) {
			p.logger.Error("Temporal worker stops on an error that it cannot survive", "error", err)
		},
	}
}

// pageWorkers poll a datastore's own task queues. The server enforces the rate
// for the whole fleet and follows the last worker that polled, so it is the same
// on all: the share of CDC_SEARCH_RATE, whatever the fleet's size.
func (p *process) pageWorkers(datastore string) []worker.Worker {
	queues := pageQueues(p.cfg, datastore)
	var all []worker.Worker
	for _, queue := range queues {
		options := p.baseOptions()
		options.DisableWorkflowWorker = true
		options.MaxConcurrentActivityExecutionSize = pageSlots
		options.TaskQueueActivitiesPerSecond = queue.rate
		w := worker.New(p.temporal.Client, queue.name, options)
		workflows.RegisterActivities(w, p.activities)
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
