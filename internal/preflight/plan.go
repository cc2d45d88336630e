package preflight

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/temporal"
)

const (
	// minReach is the least that must lie between CDC_AUDIT_AFTER and the
	// horizon for an audit to find anything.
	minReach = 10 * time.Minute
	// minRetention is the shortest that Temporal allows a namespace ("Retention
	// Period", docs.temporal.io: a day).
	minRetention = 24 * time.Hour
	// namespaceTimeout bounds the look at the namespace, which delays the start.
	namespaceTimeout = 30 * time.Second
)

// AuditPlan is how the settings' audits fit the namespace.
type AuditPlan struct {
	// Retention of the namespace; 0 when it is not known.
	Retention time.Duration
	Horizon   time.Duration
	// Off says why nothing is audited, empty when something is.
	Off string
}

// planAudits compares the settings with the namespace's retention. A horizon that it
// cannot hold is an error: what is older would be published again.
func planAudits(cfg *config.Config, retention time.Duration) (AuditPlan, error) {
	if err := cfg.CheckHorizon(retention); err != nil {
		return AuditPlan{}, err
	}
	plan := AuditPlan{Retention: retention, Horizon: cfg.Horizon(retention)}
	switch {
	case cfg.AuditEvery == 0:
		plan.Off = "CDC_AUDIT_EVERY=0"
	case cfg.AuditAfter == 0:
		plan.Off = "CDC_AUDIT_AFTER=0"
	case plan.Horizon < cfg.AuditAfter+minReach:
		plan.Off = fmt.Sprintf("the horizon of %s leaves nothing that is older than CDC_AUDIT_AFTER=%s: raise the namespace's retention", plan.Horizon, cfg.AuditAfter)
	}
	return plan, nil
}

// ReadAuditPlan reads the namespace's retention for an audit plan. Where it cannot be
// read, audits that are asked for go by the least one that Temporal gives a namespace.
func ReadAuditPlan(ctx context.Context, cfg *config.Config, conn *temporal.Connection, logger *slog.Logger) (AuditPlan, error) {
	ctx, cancel := context.WithTimeout(ctx, namespaceTimeout)
	defer cancel()
	retention, err := conn.Retention(ctx)
	if err != nil {
		logger.Error("the namespace's retention cannot be read; the schedules of audits are left as they are", "error", err)
		return AuditPlan{Horizon: cfg.Horizon(minRetention)}, nil
	}
	return planAudits(cfg, retention)
}

func (a AuditPlan) String() string {
	if a.Off != "" {
		return "no audits: " + a.Off
	}
	return fmt.Sprintf("audits can compare the last %s", a.Horizon)
}
