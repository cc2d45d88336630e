package temporal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
)

func TestQueries(t *testing.T) {
	for want, query := range map[string]Query{
		"WorkflowType = 'CaptureWindow' AND WorkflowId STARTS_WITH 'window/store/'":               Windows("store"),
		"WorkflowType = 'CaptureWindow' AND WorkflowId STARTS_WITH 'window/store/2026-03-01T12:'": WindowsOfHour("store", noon.Add(time.Minute)),
		"WorkflowType IN ('Audit', 'CaptureRange') AND ExecutionStatus IN ('Failed', 'TimedOut')": OfType(cdc.WorkflowAudit, cdc.WorkflowCaptureRange).WithStatus("Failed", "TimedOut"),
		"WorkflowType = 'Audit' AND StartTime >= '2026-03-01T12:00:00Z' AND CdcWindowStart < '2026-03-01T12:00:00.5Z'": OfType(cdc.WorkflowAudit).
			Since(StartTime, noon).Before(cdc.AttrWindowStart.GetName(), noon.Add(time.Second/2)),
		"CdcState = 'waiting' AND ExecutionStatus = 'Running'": Waiting(),
	} {
		require.Equal(t, want, string(query))
	}
}

func TestListReadsEveryPage(t *testing.T) {
	f := startFrontend(t)
	for i := range 5 {
		f.closes(cdc.WindowAt("store", noon.Add(time.Duration(i)*time.Minute)).ID())
	}
	f.closes(cdc.WindowAt("other", noon).ID())
	conn := connect(t, f)
	for limit, want := range map[int]int{0: 5, 1: 1, 3: 3, 4: 4, 9: 5} {
		found, err := conn.List(t.Context(), Windows("store"), limit)
		require.NoError(t, err)
		require.Len(t, found, want)
	}
}

// An input that was copied from another workflow cannot be decoded, as in a workflow
// task.
func TestInputIsOfItsWorkflow(t *testing.T) {
	f := startFrontend(t)
	conn := connect(t, f)
	for _, id := range []string{"a", "b"} {
		_, err := conn.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "q"}, "any", "of "+id)
		require.NoError(t, err)
	}
	var in string
	require.NoError(t, conn.Input(t.Context(), "a", "", &in))
	require.Equal(t, "of a", in)
	f.starts[0].Input = f.starts[1].GetInput()
	err := conn.Input(t.Context(), "a", "", &in)
	require.ErrorIs(t, err, ErrUndecodable)
	require.ErrorIs(t, err, payload.ErrOtherWorkflow)
	require.True(t, IsNotFound(conn.Input(t.Context(), "c", "", &in)))
	latest, err := conn.Latest(t.Context(), "c")
	require.NoError(t, err)
	require.Nil(t, latest)
}
