package temporal

import (
	"context"
	"errors"
	"log/slog"

	"healthlake-cdc/internal/cdc"
)

// keyWindows is how many of a datastore's newest windows are looked at for one that
// our payload keys open.
const keyWindows = 10

// CheckKeys refuses payload keys that do not open the newest windows of the
// datastores: a program with these would start what the workers cannot read, and could
// read none of theirs. One window that they open is enough: whoever may write to the
// namespace can add one that nobody opens. What cannot be asked is left out.
func CheckKeys(ctx context.Context, executions Executions, datastores []string, logger *slog.Logger) error {
	for _, datastore := range datastores {
		windows, err := executions.List(ctx, Windows(datastore), keyWindows)
		if err != nil {
			logger.Warn("cannot check the payload keys against windows", "datastore", datastore, "error", err)
			continue
		}
		var closed error
		for _, info := range windows {
			var in cdc.CaptureWindowInput
			err := executions.Input(ctx, info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId(), &in)
			if err == nil {
				closed = nil
				break
			}
			if closed == nil && errors.Is(err, ErrUndecodable) {
				closed = err
			}
		}
		if closed != nil {
			return closed
		}
	}
	return nil
}
