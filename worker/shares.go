package main

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/temporal"
)

// fleetEvery is how often a worker looks how many there are.
const fleetEvery = 15 * time.Second

type pageQueue struct {
	name string
	rate float64
}

// pageQueues are a datastore's task queues and their searches a second.
func pageQueues(cfg *config.Config, datastore string) []pageQueue {
	return []pageQueue{
		{cdc.LiveTaskQueue(cfg.TaskQueue, datastore), cfg.SearchRate * config.FurtherShare},
		{cdc.BulkTaskQueue(cfg.TaskQueue, datastore), cfg.SearchRate * config.BulkShare},
	}
}

// followFleet divides the shares of the search rate that each process limits by
// itself by the number of workers that the task queue shows.
func (p *process) followFleet(ctx context.Context) error {
	ticker := time.NewTicker(fleetEvery)
	defer ticker.Stop()
	for {
		if n, err := p.fleetSize(ctx); err == nil {
			each := p.cfg.SearchRate / float64(n)
			p.limits.SetRates(each*config.LiveShare, each*config.AuditShare)
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
