package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/preflight"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/temporal"
)

const (
	// shortestReach is the least that must lie between CDC_AUDIT_AFTER and the
	// horizon for an audit to find anything.
	shortestReach = 10 * time.Minute
	// leastRetention is the shortest that Temporal allows a namespace ("Retention
	// Period", docs.temporal.io: a day).
	leastRetention = 24 * time.Hour
)

// auditPlan is what the audits of this worker's settings go by.
type auditPlan struct {
	// retention of the namespace; 0 when it is not known.
	retention time.Duration
	horizon   time.Duration
	// off says why nothing is audited, empty when something is.
	off string
}

// planAudits holds the settings against the namespace's retention. A horizon that
// it cannot hold is an error: what is older would be published again.
func planAudits(cfg *config.Config, kept time.Duration) (auditPlan, error) {
	if err := cfg.CheckHorizon(kept); err != nil {
		return auditPlan{}, err
	}
	plan := auditPlan{retention: kept, horizon: cfg.Horizon(kept)}
	switch {
	case cfg.AuditEvery == 0:
		plan.off = "CDC_AUDIT_EVERY=0"
	case cfg.AuditAfter == 0:
		plan.off = "CDC_AUDIT_AFTER=0"
	case plan.horizon < cfg.AuditAfter+shortestReach:
		plan.off = fmt.Sprintf("the horizon of %s leaves nothing that is older than CDC_AUDIT_AFTER=%s: raise the namespace's retention", plan.horizon, cfg.AuditAfter)
	}
	return plan, nil
}

func (a auditPlan) String() string {
	if a.off != "" {
		return "no audits: " + a.off
	}
	return fmt.Sprintf("ledgers are relied on for %s", a.horizon)
}

// auditPlan reads the namespace's retention. It fails only when a setting does not
// fit: where the retention cannot be read, audits that are asked for go by the least
// one that Temporal gives a namespace.
func (p *process) auditPlan(ctx context.Context) (auditPlan, error) {
	ctx, cancel := context.WithTimeout(ctx, namespaceTimeout)
	defer cancel()
	kept, err := temporal.Retention(ctx, p.temporal.Client, p.temporal.Namespace)
	if err != nil {
		p.logger.Error("the namespace's retention cannot be read; the schedules of audits are left as they are", "error", err)
		return auditPlan{horizon: p.cfg.Horizon(leastRetention)}, nil
	}
	return planAudits(p.cfg, kept)
}

// noticeRetention warns when queues keep messages for longer than the namespace
// keeps closed windows.
func (p *process) noticeRetention(ctx context.Context, awsConfig aws.Config, plan auditPlan) {
	if p.options.role == roleWorker { // which reads no queue, and may not be allowed to
		return
	}
	keeps, err := queue.Kept(ctx, sqs.NewFromConfig(awsConfig), p.cfg.QueueURL)
	if err != nil {
		p.logger.Info("cannot tell for how long the queues keep messages", "error", err)
	}
	if text := preflight.Notice(p.temporal.Namespace, plan.retention, keeps); text != "" {
		p.logger.Warn("queues keep messages for longer than Temporal keeps closed windows", "notice", text)
	}
}
