package main

import (
	"context"

	"healthlake-cdc/internal/temporal"
)

// countWaiting exposes how many executions wait for an operator. In a namespace
// without our search attributes that is not known, and the metric is absent.
func (p *process) countWaiting(ctx context.Context) error {
	if !p.temporal.Attributes {
		return nil
	}
	return temporal.WaitingCounter{
		Temporal: p.temporal.Client, Namespace: p.temporal.Namespace, Datastores: p.cfg.Datastores,
		Observe: p.metrics.Waiting,
		Logger:  p.logger,
	}.Run(ctx)
}
