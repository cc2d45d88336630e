package preflight

import (
	"context"
	"errors"
	"log/slog"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// keyWindows is how many of a datastore's newest windows are read to find one that our
// payload keys decrypt.
const keyWindows = 10

// CheckKeys returns an error for payload keys that do not decrypt the newest windows of
// the datastores: a program with these would start what the workers cannot read, and
// could read none of theirs. One window that they decrypt is enough: everybody who may
// write to the namespace can add one that nobody can read. What cannot be listed or read
// is no error.
func CheckKeys(ctx context.Context, executions temporal.Executions, datastores []string, logger *slog.Logger) error {
	for _, datastore := range datastores {
		windows, err := executions.List(ctx, temporal.Windows(datastore), keyWindows)
		if err != nil {
			logger.Warn("cannot check the payload keys against windows", "datastore", datastore, "error", err)
			continue
		}
		var undecodable error
		for _, info := range windows {
			var in cdc.CaptureWindowInput
			err := executions.Input(ctx, info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId(), &in)
			if err == nil {
				undecodable = nil
				break
			}
			if undecodable == nil && errors.Is(err, temporal.ErrUndecodable) {
				undecodable = err
			}
		}
		if undecodable != nil {
			return undecodable
		}
	}
	return nil
}
