package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/temporal"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// What EventBridge had accepted when a Publish failed, timed out or was cancelled counts:
// the ids are in the details of its end.
func TestLedgerHoldsWhatAnEndedPublishHadAccepted(t *testing.T) {
	for _, how := range []string{"failed", "timed out", "cancelled"} {
		t.Run(how, func(t *testing.T) {
			in, _ := batch("Patient", "a", "b")
			h := temporaltest.Started(windows).EndedPublish(how, in, []string{"event", ""})
			got, err := readLedger(temporaltest.Executions{window.ID(): {Status: temporaltest.Terminated, Events: h.Events}}, window.ID())
			require.NoError(t, err)
			requireSame(t, ledgerWith("Patient", "a"), got)
		})
	}
}

// The SDK encodes a failure's details without saying of which workflow they are, and a
// heartbeat's as of its workflow.
func TestDetailsAreDecodedAsTheSDKEncodesThem(t *testing.T) {
	ring, err := payload.ParseKeys(payload.GenerateKey())
	require.NoError(t, err)
	codec, err := payload.NewCodec(ring, "default", payload.Migration{})
	require.NoError(t, err)
	e := temporal.Executions{Data: payload.NewDataConverter(codec)}
	bound := e.ConverterOf(window.ID())
	in, _ := batch("Patient", "a", "b")
	for how, details := range map[string]converter.DataConverter{"failed": e.Data, "timed out": bound} {
		t.Run(how, func(t *testing.T) {
			h := temporaltest.Started(windows).EndedPublish(how, in, []string{"event", ""})
			started := h.Events[0].GetWorkflowExecutionStartedEventAttributes()
			started.Input, err = bound.ToPayloads(windows)
			require.NoError(t, err)
			h.Events[1].GetActivityTaskScheduledEventAttributes().Input, err = bound.ToPayloads(in)
			require.NoError(t, err)
			ids, err := details.ToPayloads([]string{"event", ""})
			require.NoError(t, err)
			if failed := h.Events[2].GetActivityTaskFailedEventAttributes(); failed != nil {
				failed.GetFailure().GetApplicationFailureInfo().Details = ids
			} else {
				h.Events[2].GetActivityTaskTimedOutEventAttributes().GetFailure().GetTimeoutFailureInfo().LastHeartbeatDetails = ids
			}
			e.Client = temporaltest.Executions{window.ID(): {Status: temporaltest.Terminated, Events: h.Events}}
			got, err := Reader{Executions: e}.Closed(t.Context(), window.ID())
			require.NoError(t, err)
			requireSame(t, ledgerWith("Patient", "a"), got)
		})
	}
}
