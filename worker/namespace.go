package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/temporal"
)

const (
	// namespaceTimeout bounds the look at the namespace, which holds up the start.
	namespaceTimeout = 30 * time.Second
	// followEvery is how often a worker looks at the schedules again.
	followEvery = time.Minute
)

// ownerOf is this fleet.
func ownerOf(cfg *config.Config) cdc.Owner {
	return cdc.Owner{TaskQueue: cfg.TaskQueue, Bus: cfg.EventBus}
}

// newKeeper makes what reads and keeps the schedules of audits.
func newKeeper(cfg *config.Config, conn *temporal.Connection, off string, logger *slog.Logger) *temporal.AuditSchedules {
	return &temporal.AuditSchedules{
		Service: conn.Client.WorkflowService(), Converter: conn.Converter, Namespace: conn.Namespace,
		Owner: ownerOf(cfg), Identity: "healthlake-cdc-worker", Every: cfg.AuditEvery, Off: off,
		Attributes: conn.Attributes, Logger: logger, Now: time.Now,
	}
}

// checkNamespace looks at what the namespace holds: whether our payload keys open it
// and whether the datastores are this fleet's, each of which refuses the start. Then it
// keeps the schedules of audits. What cannot be asked refuses nothing: without audits a
// worker still captures.
func (p *process) checkNamespace(ctx context.Context, awsConfig aws.Config, plan auditPlan) error {
	ctx, cancel := context.WithTimeout(ctx, namespaceTimeout)
	defer cancel()
	if err := temporal.CheckKeys(ctx, p.temporal.Executions(), p.cfg.Datastores, p.logger); err != nil {
		return err
	}
	p.audits = &audits{
		AuditSchedules: newKeeper(p.cfg, p.temporal, plan.off, p.logger), horizon: plan.horizon,
		// A consumer runs no workflows, and a plan needs the retention.
		readOnly: p.options.role == roleConsumer || plan.retention == 0,
	}
	p.audits.TakeOver = p.options.takeOver
	if plan.retention > 0 {
		p.logger.Info("audits", "namespace", p.temporal.Namespace, "retention", plan.retention.String(), "horizon", plan.horizon.String(), "plan", plan.String())
		p.noticeRetention(ctx, awsConfig, plan)
	}
	for _, datastore := range p.cfg.Datastores {
		err := p.keepAudit(ctx, datastore)
		switch {
		case err == nil:
		case refuses(err):
			return err
		case errors.Is(err, temporal.ErrNotAllowed):
			p.logger.Error("going on without a schedule of audits: nothing finds what triggers did not report, and nothing says whose the datastore is",
				"datastore", datastore, "error", err)
		default:
			p.logger.Error("the schedule of audits could not be kept; it is tried again while this worker runs", "datastore", datastore, "error", err)
		}
	}
	return nil
}

// audits are the schedules that a worker keeps.
type audits struct {
	*temporal.AuditSchedules
	horizon time.Duration
	// readOnly leaves the schedules as they are, and only looks whose they are.
	readOnly bool
	// kept are the datastores whose schedule is in line with our settings.
	kept map[string]bool
}

// keepAudit brings a datastore's schedule in line with the settings, once; after that
// it only follows the resource types of the fleet.
func (p *process) keepAudit(ctx context.Context, datastore string) error {
	switch {
	case p.audits.readOnly:
		known, err := p.audits.Read(ctx, datastore)
		if err != nil || known == nil || known.Input.Owner == p.audits.Owner {
			return err
		}
		return &temporal.OtherOwnerError{Datastore: datastore, Found: known.Input.Owner, Ours: p.audits.Owner}
	case p.audits.kept[datastore]:
		return p.audits.Follow(ctx, datastore, p.sweeps[datastore])
	}
	err := p.audits.Keep(ctx, cdc.AuditInput{
		Datastore: datastore, Types: p.sweeps[datastore], Versions: p.cfg.Versions, CapturedBy: cdc.ByAudit,
		After: p.cfg.AuditAfter, Horizon: p.audits.horizon,
	})
	if err == nil {
		if p.audits.kept == nil {
			p.audits.kept = make(map[string]bool)
		}
		p.audits.kept[datastore] = true
	}
	return err
}

// refuses reports whether a worker must not run beside what it found.
func refuses(err error) bool {
	var other *temporal.OtherOwnerError
	return errors.As(err, &other) || errors.Is(err, temporal.ErrUndecodable)
}

// followAudits looks at the schedules again while the worker runs. It ends when
// another fleet has taken a datastore over.
func (p *process) followAudits(ctx context.Context) error {
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, datastore := range p.cfg.Datastores {
			err := p.keepAudit(ctx, datastore)
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
