package main

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
	"healthlake-cdc/workflows"
)

const (
	// activitySlots is how many activities of the main task queue a process
	// runs at once; with 1 MiB results it bounds their memory.
	activitySlots = 100
	// pageSlots is the same for each of a datastore's task queues. What waits there for a
	// search token holds a slot. That is enough because live and bulk work have queues of
	// their own, so that no live page waits for a slot that bulk work holds, and because
	// attempts that read pages end within a minute, with or without a token: the next task
	// of the queue, which is in order, gets the slot then.
	pageSlots = 8
	// bulkPublishSlots is the same for what ranges publish.
	bulkPublishSlots = 8
	// fleetEvery is how often a worker looks how many there are.
	fleetEvery = 15 * time.Second
)

// work runs the Temporal workers until ctx ends.
func (p *process) work(ctx context.Context, life *lifecycle) error {
	fatal := make(chan error, 1)
	all := p.workers(fatal)
	for i, w := range all {
		if err := w.Start(); err != nil {
			stopAll(all[:i])
			return fmt.Errorf("starting Temporal worker: %w", err)
		}
	}
	life.set("")
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
	for _, w := range all {
		group.Go(func() error {
			w.Stop()
			return nil
		})
	}
	_ = group.Wait() // Stop has no error
}

// workers are one for workflows, first pages and publishing; one for what ranges
// publish, in slots of its own, so that live windows find theirs free; and two for each
// datastore's further pages and bulk work.
func (p *process) workers(fatal chan<- error) []worker.Worker {
	main := worker.Options{MaxConcurrentActivityExecutionSize: activitySlots}
	if p.cfg.DeploymentName != "" {
		main.DeploymentOptions = worker.DeploymentOptions{
			UseVersioning:             true,
			Version:                   worker.WorkerDeploymentVersion{DeploymentName: p.cfg.DeploymentName, BuildID: p.cfg.BuildID},
			DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
		}
	}
	bulk := worker.Options{MaxConcurrentActivityExecutionSize: bulkPublishSlots, DisableWorkflowWorker: true}
	all := []worker.Worker{p.newWorker(p.cfg.TaskQueue, main, fatal), p.newWorker(cdc.BulkPublishQueue(p.cfg.TaskQueue), bulk, fatal)}
	for _, datastore := range p.cfg.Datastores {
		pages := worker.Options{
			MaxConcurrentActivityExecutionSize: pageSlots, DisableWorkflowWorker: true,
			Identity: p.temporal.Identity + temporal.Mark(p.types[datastore], ownerOf(p.cfg)),
		}
		all = append(all,
			p.newWorker(cdc.LiveTaskQueue(p.cfg.TaskQueue, datastore), pages, fatal),
			p.newWorker(cdc.BulkTaskQueue(p.cfg.TaskQueue, datastore), pages, fatal))
	}
	return all
}

// newWorker makes a Temporal worker. An error that one cannot survive (its namespace is
// gone, its credentials are rejected) ends the process.
func (p *process) newWorker(taskQueue string, options worker.Options, fatal chan<- error) worker.Worker {
	options.WorkerStopTimeout = p.options.grace
	options.DisableRegistrationAliasing = true
	options.OnFatalError = func(err error) {
		select {
		case fatal <- err:
		default: // the first one ends the process
		}
	}
	w := worker.New(p.temporal.Client, taskQueue, options)
	if !options.DisableWorkflowWorker {
		workflows.Register(w)
	}
	w.RegisterActivity(p.activities)
	w.RegisterActivity(p.auditing)
	return w
}

// followFleet divides the search rate, which each process keeps by itself, by the number of
// workers that the task queue shows.
func (p *process) followFleet(ctx context.Context) error {
	ticker := time.NewTicker(fleetEvery)
	defer ticker.Stop()
	for {
		if n, err := p.fleetSize(ctx); err == nil {
			p.limits.SetRate(p.cfg.SearchRate / float64(n))
		} else if ctx.Err() == nil {
			p.logger.Debug("cannot see the fleet's size; keeping the search rate", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// fleetSize is how many workers poll the task queue, at least this one.
func (p *process) fleetSize(ctx context.Context) (int, error) {
	described, err := p.temporal.Client.DescribeTaskQueue(ctx, p.cfg.TaskQueue, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	if err != nil {
		return 0, err
	}
	seen := make(map[string]bool)
	for _, poller := range described.GetPollers() {
		if time.Since(poller.GetLastAccessTime().AsTime()) < temporal.PollerAge {
			seen[poller.GetIdentity()] = true
		}
	}
	return max(1, len(seen)), nil
}
