package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

// stockTemporal is the host:port of a Temporal server that runs already, of any
// release, with nothing else in its default namespace.
var stockTemporal = testVariable("CDC_TEST_TEMPORAL_ADDRESS")

// testVariable reads a variable of the tests and removes it from the environment, because
// the programs inherit that and reject unknown CDC_ variables.
func testVariable(name string) string {
	value := os.Getenv(name)
	_ = os.Unsetenv(name) // fails for no name that is in the environment
	return value
}

// The main job against a stock Temporal server by TEMPORAL_ADDRESS alone. See
// docs/compatibility.md.
func TestStockTemporalServer(t *testing.T) {
	if stockTemporal == "" {
		t.Skip("needs a Temporal server that runs already: set CDC_TEST_TEMPORAL_ADDRESS to its host:port")
	}
	// The server may have kept the windows of an earlier run.
	store := fmt.Sprintf("%032x", time.Now().UnixNano())
	r := newRig(t, stack.Options{
		ExternalTemporal: stockTemporal, Simulator: simulator.Config{Limits: noLimits, Datastores: []string{store}},
	}, fewTypes)
	info, err := r.temporal.WorkflowService().GetSystemInfo(t.Context(), &workflowservice.GetSystemInfoRequest{})
	require.NoError(t, err)
	t.Logf("Temporal server %s", info.GetServerVersion())
	eventfulRun(t, r)
	found, err := r.executions(t.Context(), "CdcDatastore = '"+store+"' AND CdcState = 'closed'")
	require.NoError(t, err)
	require.NotEmpty(t, found)
}
