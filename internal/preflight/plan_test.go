package preflight

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/config"
)

func TestPlanAudits(t *testing.T) {
	const every, after = 15 * time.Minute, 20 * time.Minute
	for name, c := range map[string]struct {
		cfg       config.Config
		retention time.Duration
		horizon   time.Duration
		off       string
	}{
		"the retention less 2 h":      {config.Config{AuditEvery: every, AuditAfter: after}, 24 * time.Hour, 22 * time.Hour, ""},
		"72 h at most":                {config.Config{AuditEvery: every, AuditAfter: after}, 30 * 24 * time.Hour, 72 * time.Hour, ""},
		"an explicit one":             {config.Config{AuditEvery: every, AuditAfter: after, AuditHorizon: 5 * time.Hour}, 24 * time.Hour, 5 * time.Hour, ""},
		"off by every":                {config.Config{AuditAfter: after}, 24 * time.Hour, 22 * time.Hour, "CDC_AUDIT_EVERY=0"},
		"off by after":                {config.Config{AuditEvery: every}, 24 * time.Hour, 22 * time.Hour, "CDC_AUDIT_AFTER=0"},
		"a retention that is too low": {config.Config{AuditEvery: every, AuditAfter: after}, 2 * time.Hour, 0, "raise the namespace's retention"},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := planAudits(&c.cfg, c.retention)
			require.NoError(t, err)
			require.Equal(t, c.horizon, plan.Horizon)
			if c.off == "" {
				require.Empty(t, plan.Off)
			} else {
				require.Contains(t, plan.Off, c.off)
			}
		})
	}
}

// With a horizon that the retention does not cover, what is older would be published
// again: that is an error.
func TestAHorizonThatDoesNotFitIsAnError(t *testing.T) {
	cfg := config.Config{AuditEvery: time.Minute, AuditAfter: time.Minute, AuditHorizon: 23 * time.Hour}
	_, err := planAudits(&cfg, 24*time.Hour)
	require.EqualError(t, err, "CDC_AUDIT_HORIZON=23h0m0s does not fit: the namespace keeps closed windows for 24h0m0s, which holds a horizon of 22h0m0s at most; lower it, or raise the namespace's retention")
	cfg.AuditHorizon = 22 * time.Hour
	_, err = planAudits(&cfg, 24*time.Hour)
	require.NoError(t, err)
}
