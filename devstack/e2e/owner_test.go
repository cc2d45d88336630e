package e2e

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

// A second fleet in the namespace, with another task queue or another bus, does not
// start; its error and --check name the owner.
func TestASecondFleetDoesNotStart(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	_, err := r.EventBridge().CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: aws.String("second")})
	require.NoError(t, err)
	none := runProgram(t, t.Context(), "worker", r.environment(), nil, "--check")
	require.Contains(t, none.stdout, "ok       owner")
	r.worker(t)
	r.worker(t) // a second worker of the same fleet

	ours := runProgram(t, t.Context(), "worker", r.environment(), nil, "--check")
	require.Zero(t, ours.code, ours.all())
	require.Contains(t, ours.stdout, "event bus "+r.Outputs["BusName"])
	for _, second := range []string{"CDC_TASK_QUEUE=second", "CDC_EVENT_BUS=second"} {
		env := append(r.environment("CDC_TASK_QUEUE", "CDC_EVENT_BUS"), "CDC_EVENT_BUS="+r.Outputs["BusName"], second, "CDC_METRICS_ADDR=")
		for _, args := range [][]string{nil, {"--role", "consumer"}} {
			got := runProgram(t, t.Context(), "worker", env, nil, args...)
			require.Equal(t, 1, got.code, got.all())
			require.Contains(t, got.stderr, r.datastore())
			require.Contains(t, got.stderr, "--take-over")
		}
		checked := runProgram(t, t.Context(), "worker", env, nil, "--check")
		require.NotEmpty(t, missingLine(checked.stdout, "owner"), checked.all())
	}
	early := runProgram(t, t.Context(), "worker", append(r.environment(), "CDC_TASK_QUEUE=second", "CDC_METRICS_ADDR="), nil, "--take-over")
	require.Equal(t, 1, early.code)
	require.Contains(t, early.stderr, "healthlake-cdc-worker@")
}

// For a name that R4 does not have the error suggests the nearest one; types that the
// store does not have end the start, and are named.
func TestTypesThatAreNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Types: []string{"Patient", "Observation"}, Limits: noLimits}})
	for types, want := range map[string]string{
		"Patient,Observations":       "Observation?",
		"Patient,Claim,Group,Device": "Claim, Group, Device",
	} {
		env := append(r.environment(), "CDC_RESOURCE_TYPES="+types, "CDC_METRICS_ADDR=")
		started := runProgram(t, t.Context(), "worker", env, nil, "--startup-wait", patience.String())
		require.Equal(t, 1, started.code)
		require.Contains(t, started.stderr, want)
		checked := runProgram(t, t.Context(), "worker", env, nil, "--check")
		require.Equal(t, 1, checked.code)
		require.Contains(t, checked.all(), want)
	}

	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.Forbid, Type: "Observation", Count: -1}))
	env := append(r.environment(), "CDC_RESOURCE_TYPES=Patient,Observation", "CDC_METRICS_ADDR=")
	started := runProgram(t, t.Context(), "worker", env, nil, "--startup-wait", "2s")
	require.Equal(t, 1, started.code)
	require.Contains(t, started.stderr, "Observation")
	checked := runProgram(t, t.Context(), "worker", env, nil, "--check")
	require.Contains(t, missingLine(checked.stdout, "datastore"), "Observation")
}
