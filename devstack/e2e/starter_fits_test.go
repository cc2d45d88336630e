package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
)

// A starter with payload keys that the workers do not have, or with a task queue that
// none of them polls, starts nothing and signals nothing: no worker could read it, or
// would run it.
func TestStarterThatDoesNotFitStartsNothing(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, "CDC_AUDIT_EVERY=15m")
	r.silenced(t)
	r.worker(t)
	window := windowAgo(r.datastore(), 3*time.Minute)
	r.writeAt(t, c, window, "Patient", "one", 1)
	r.capture(t, window.Start, "--wait")
	r.writePast(t, c, longAgo, "Patient", "slow", 300)
	r.operate(t, append([]string{"replay", "--name", "slow", "--rate", "1"}, yearOf...)...)

	at := window.Start.Format(time.RFC3339)
	commands := [][]string{
		{"capture", "--at", at},
		append([]string{"replay", "--name", "other"}, yearOf...),
		append([]string{"backfill", "--name", "other"}, yearOf...),
		{"audit", "--since", at, "--until", window.End().Format(time.RFC3339)},
		{"pause", "slow"}, {"retry", cdc.ReplayID("slow")}, {"skip", cdc.ReplayID("slow"), "--yes"},
	}
	for says, settings := range map[string][]string{
		"CDC_PAYLOAD_KEYS": append(r.environment("CDC_PAYLOAD_KEYS"), "CDC_PAYLOAD_KEYS="+payload.GenerateKey()),
		"task queue":       append(r.environment("CDC_TASK_QUEUE"), "CDC_TASK_QUEUE=elsewhere"),
	} {
		for _, command := range commands {
			got := runProgram(t, t.Context(), "starter", settings, nil, append(command, "--json")...)
			require.NotZero(t, got.code, "starter %v: %s", command, got.all())
			require.Contains(t, got.stderr, says, "starter %v", command)
			require.Empty(t, got.stdout)
		}
	}
	for _, id := range []string{window.RerunID(1), cdc.ReplayID("other"), cdc.BackfillID("other"), cdc.AuditID(r.datastore(), window.Span())} {
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED, r.status(t.Context(), id), id)
	}
	p, err := r.rangeProgress(t.Context(), cdc.ReplayID("slow"))
	require.NoError(t, err)
	require.False(t, p.Paused)
	r.operate(t, "cancel", "slow")
}
