package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"healthlake-cdc/internal/temporal"
)

// namespaceTimeout bounds the look at what the namespace holds.
const namespaceTimeout = 30 * time.Second

// connectToStart connects, for a command that starts or signals executions, when the
// workers will be able to read what it sends and to carry it out: its payload keys open
// what the namespace holds, and its task queue is theirs. The caller closes the client.
func (s *session) connectToStart(ctx context.Context) (*connection, error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.fits(ctx); err != nil {
		c.client.Close()
		return nil, err
	}
	return c, nil
}

// fits compares our settings with the newest windows and with the schedules of audits.
// What cannot be asked refuses nothing.
func (c *connection) fits(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, namespaceTimeout)
	defer cancel()
	const nothing = "nothing was started or signalled"
	if err := temporal.CheckKeys(asking, c.temporal.Executions(), c.config.Datastores, c.logger); err != nil {
		return fmt.Errorf("%s: CDC_PAYLOAD_KEYS do not open what the workers have written: %w", nothing, err)
	}
	schedules := &temporal.AuditSchedules{
		Service: c.client.WorkflowService(), Converter: c.temporal.Converter, Namespace: c.temporal.Namespace,
		Logger: c.logger, Now: time.Now,
	}
	for _, datastore := range c.config.Datastores {
		known, err := schedules.Read(asking, datastore)
		switch {
		case errors.Is(err, temporal.ErrUndecodable):
			return fmt.Errorf("%s: %w", nothing, err)
		case err != nil:
			c.logger.Warn("cannot look at the schedule of audits, which says whose the datastore is", "datastore", datastore, "error", err)
		case known != nil && known.Input.Owner.TaskQueue != c.config.TaskQueue:
			return fmt.Errorf("%s: datastore %s is captured by the workers of task queue %s, and CDC_TASK_QUEUE is %s",
				nothing, datastore, known.Input.Owner.TaskQueue, c.config.TaskQueue)
		}
	}
	return ctx.Err()
}
