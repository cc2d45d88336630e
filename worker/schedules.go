package main

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/preflight"
	"healthlake-cdc/internal/temporal"
)

const (
	// namespaceTimeout bounds the look at the namespace, which delays the start.
	namespaceTimeout = 30 * time.Second
	// followEvery is how often a worker looks at the schedules again.
	followEvery = time.Minute
)

// schedules are those of the audits that a worker keeps.
type schedules struct {
	temporal.AuditSchedules
	horizon time.Duration
	// readOnly leaves the schedules as they are, and only compares their owner.
	readOnly bool
	// kept are the datastores whose schedule is in line with our settings.
	kept map[string]bool
}

// ownerOf is this fleet.
func ownerOf(cfg *config.Config) cdc.Owner {
	return cdc.Owner{TaskQueue: cfg.TaskQueue, Bus: cfg.EventBus}
}

// checkNamespace returns an error when our payload keys do not decrypt what the
// namespace holds, or a datastore is another fleet's. Then it keeps the schedules of
// audits. What cannot be read is no error: without audits a worker still captures.
func (p *process) checkNamespace(ctx context.Context, awsConfig aws.Config, plan preflight.AuditPlan) error {
	ctx, cancel := context.WithTimeout(ctx, namespaceTimeout)
	defer cancel()
	if err := preflight.CheckKeys(ctx, p.temporal.Executions, p.cfg.Datastores, p.logger); err != nil {
		return err
	}
	p.schedules = &schedules{
		AuditSchedules: temporal.AuditSchedules{
			Connection: p.temporal, Owner: ownerOf(p.cfg), Every: p.cfg.AuditEvery, Off: plan.Off,
			TakeOver: p.options.takeOver, Logger: p.logger, Now: time.Now,
		},
		horizon: plan.Horizon, kept: make(map[string]bool),
		// A consumer runs no workflows, and a plan needs the retention.
		readOnly: p.options.role == roleConsumer || plan.Retention == 0,
	}
	if plan.Retention > 0 {
		p.logger.Info("audits", "namespace", p.temporal.Namespace, "retention", plan.Retention.String(), "horizon", plan.Horizon.String(), "plan", plan.String())
		p.noticeRetention(ctx, awsConfig, plan)
	}
	for _, datastore := range p.cfg.Datastores {
		err := p.keepSchedule(ctx, datastore)
		switch {
		case err == nil:
		case stopsStart(err):
			return err
		case errors.Is(err, temporal.ErrNotAllowed):
			p.logger.Error("going on without a schedule of audits: nothing finds what triggers did not report, and nothing says which fleet captures the datastore",
				"datastore", datastore, "error", err)
		default:
			p.logger.Error("the schedule of audits could not be kept; it is tried again while this worker runs", "datastore", datastore, "error", err)
		}
	}
	return nil
}

// noticeRetention warns when queues keep messages for longer than the namespace
// keeps closed windows.
func (p *process) noticeRetention(ctx context.Context, awsConfig aws.Config, plan preflight.AuditPlan) {
	if p.options.role == roleWorker { // which reads no queue, and may not be allowed to
		return
	}
	text, err := preflight.QueueNotice(ctx, p.cfg, awsConfig, p.temporal.Namespace, plan.Retention)
	if err != nil {
		p.logger.Info("cannot read for how long the queues keep messages", "error", err)
	}
	if text != "" {
		p.logger.Warn("queues keep messages for longer than Temporal keeps closed windows", "notice", text)
	}
}

// keepSchedule brings a datastore's schedule in line with the settings, once; after that
// it only follows the resource types of the fleet.
func (p *process) keepSchedule(ctx context.Context, datastore string) error {
	s := p.schedules
	switch {
	case s.readOnly:
		known, err := s.AuditSchedule(ctx, datastore)
		if err != nil || known == nil || known.Input.Owner == s.Owner {
			return err
		}
		return &temporal.OtherOwnerError{Datastore: datastore, Found: known.Input.Owner, Ours: s.Owner}
	case s.kept[datastore]:
		return s.KeepTypes(ctx, datastore, p.types[datastore])
	}
	err := s.Keep(ctx, cdc.AuditInput{
		Datastore: datastore, Types: p.types[datastore], Versions: p.cfg.Versions, Cause: cdc.Cause{CapturedBy: cdc.ByAudit},
		After: p.cfg.AuditAfter, Horizon: s.horizon,
	})
	s.kept[datastore] = err == nil
	return err
}

// stopsStart reports whether a worker must not run beside what it found.
func stopsStart(err error) bool {
	_, other := errors.AsType[*temporal.OtherOwnerError](err)
	return other || errors.Is(err, temporal.ErrUndecodable)
}

// followSchedules looks at the schedules again while the worker runs. It ends when
// another fleet has taken a datastore over.
func (p *process) followSchedules(ctx context.Context) error {
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, datastore := range p.cfg.Datastores {
			err := p.keepSchedule(ctx, datastore)
			var other *temporal.OtherOwnerError
			switch {
			case errors.As(err, &other):
				return err
			case err != nil && ctx.Err() == nil:
				p.logger.Info("cannot follow the schedule of audits", "datastore", datastore, "error", err)
			}
		}
	}
}
