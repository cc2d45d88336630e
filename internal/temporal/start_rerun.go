package temporal

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"healthlake-cdc/internal/cdc"
)

// Capture opens the window, or reruns it when its last run has closed. It
// returns the workflow ID of the run, and whether this call started it: of two
// at once, one does.
func (l *Launcher) Capture(ctx context.Context, window cdc.Window, cause cdc.Cause) (id string, started bool, err error) {
	for n := 0; ; n++ {
		id = window.RerunID(n)
		exists, open, err := l.status(ctx, id)
		if err != nil {
			return id, false, err
		}
		if exists && !open {
			continue
		}
		if open {
			return id, false, nil
		}
		started, err := l.startWindow(ctx, window, n, cause)
		return id, started, err
	}
}

func (l *Launcher) status(ctx context.Context, id string) (exists, open bool, err error) {
	described, err := l.client.DescribeWorkflow(ctx, id, "")
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return false, false, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("describing %s: %w", id, err)
	}
	status := described.RawResponse.GetWorkflowExecutionInfo().GetStatus()
	open = status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING || status == enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED
	return true, open, nil
}
