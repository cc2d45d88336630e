package temporal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
)

// keyWindows is how many of a datastore's newest windows are looked at for one that
// our payload keys open.
const keyWindows = 10

// ErrWindowInput is the error of an input that our payload keys do not open, or that
// is none of a window.
var ErrWindowInput = errors.New("the input of a window cannot be decoded")

// CheckKeys refuses payload keys that do not open the newest windows of the
// datastores: a program with these would start what the workers cannot read, and could
// read none of theirs. One window that they open is enough: whoever may write to the
// namespace can add one that nobody opens. What cannot be asked is left out.
func CheckKeys(ctx context.Context, temporal *Connection, datastores []string, logger *slog.Logger) error {
	for _, datastore := range datastores {
		listed, err := temporal.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: temporal.Namespace, Query: cdc.WindowsQuery(datastore), PageSize: keyWindows,
		})
		if err != nil {
			logger.Warn("cannot check the payload keys against windows", "datastore", datastore, "error", err)
			continue
		}
		var closed error
		for _, info := range listed.GetExecutions() {
			_, err := WindowInput(ctx, temporal, info.GetExecution())
			if err == nil {
				closed = nil
				break
			}
			if closed == nil && errors.Is(err, ErrWindowInput) {
				closed = fmt.Errorf("%s: %w", info.GetExecution().GetWorkflowId(), err)
			}
		}
		if closed != nil {
			return closed
		}
	}
	return nil
}

// WindowInput reads what a window was opened with, from the first event of its history.
func WindowInput(ctx context.Context, temporal *Connection, execution *commonpb.WorkflowExecution) (in cdc.CaptureWindowInput, err error) {
	page, err := temporal.Client.WorkflowService().GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{
		Namespace: temporal.Namespace, Execution: execution, MaximumPageSize: 1,
	})
	if err != nil {
		return in, fmt.Errorf("reading a window's start: %w", err)
	}
	events := page.GetHistory().GetEvents()
	if len(events) == 0 {
		return in, errors.New("reading a window's start: its history is empty")
	}
	data := converter.WithDataConverterSerializationContext(temporal.Converter, converter.WorkflowSerializationContext{
		Namespace: temporal.Namespace, WorkflowID: execution.GetWorkflowId(),
	})
	input := events[0].GetWorkflowExecutionStartedEventAttributes().GetInput()
	if err := data.FromPayloads(input, &in); err != nil {
		return in, fmt.Errorf("%w: %w", ErrWindowInput, payload.Reason(err))
	}
	return in, nil
}
