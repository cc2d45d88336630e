package preflight

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/temporal"
)

// windows are a datastore's windows with their inputs, the newest first.
type windows struct {
	temporal.Client
	inputs []*commonpb.Payloads
	err    error
}

func windowID(i int) string {
	return cdc.WindowAt("store", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(i)*time.Minute)).ID()
}

func (w windows) ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	page := &workflowservice.ListWorkflowExecutionsResponse{}
	for i := range w.inputs {
		page.Executions = append(page.Executions, &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: windowID(i)}})
	}
	return page, w.err
}

func (w windows) GetWorkflowHistory(_ context.Context, id, _ string, _ bool, _ enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	for i, input := range w.inputs {
		if windowID(i) == id {
			return &firstEvent{input: input}
		}
	}
	return nil
}

type firstEvent struct{ input *commonpb.Payloads }

func (firstEvent) HasNext() bool { return true }

func (e firstEvent) Next() (*historypb.HistoryEvent, error) {
	return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
		WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{Input: e.input},
	}}, nil
}

func executionsWithKey(t *testing.T) temporal.Executions {
	t.Helper()
	ring, err := payload.ParseKeys(payload.GenerateKey())
	require.NoError(t, err)
	codec, err := payload.NewCodec(ring, "default", payload.Migration{})
	require.NoError(t, err)
	return temporal.Executions{Data: payload.NewDataConverter(codec)}
}

// One window that our keys decrypt is enough: anybody who may write to the namespace can
// add one that nobody can read.
func TestKeysMustDecryptTheNewestWindows(t *testing.T) {
	ours, others := executionsWithKey(t), executionsWithKey(t)
	input := func(by temporal.Executions, i int) *commonpb.Payloads {
		payloads, err := by.ConverterOf(windowID(i)).ToPayloads(cdc.CaptureWindowInput{})
		require.NoError(t, err)
		return payloads
	}
	plain, err := converter.GetDefaultDataConverter().ToPayloads("x")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		windows windows
		want    error
	}{
		"no window":        {windows{}, nil},
		"ours":             {windows{inputs: []*commonpb.Payloads{input(ours, 0)}}, nil},
		"ours and others'": {windows{inputs: []*commonpb.Payloads{input(others, 0), plain, input(ours, 2)}}, nil},
		"copied":           {windows{inputs: []*commonpb.Payloads{input(ours, 7)}}, payload.ErrOtherWorkflow},
		"others' only":     {windows{inputs: []*commonpb.Payloads{input(others, 0), plain}}, payload.ErrUnknownKey},
		"cannot be listed": {windows{err: errors.New("unavailable")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			ours.Client = c.windows
			err := CheckKeys(t.Context(), ours, []string{"store"}, slog.New(slog.DiscardHandler))
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, temporal.ErrUndecodable)
			require.ErrorIs(t, err, c.want)
		})
	}
}
