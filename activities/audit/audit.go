// Package audit holds the activities of audits: AuditSpan compares what a datastore
// holds of a span with what was published, Heal runs the windows that miss something,
// FirstWindow finds where the audit of a type begins.
package audit

import (
	"context"
	"log/slog"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// Windows starts the n-th run of a window, 0 for its first. started is false when
// there is such a run already, open or closed.
type Windows interface {
	Run(ctx context.Context, window cdc.Window, n int, run cdc.WindowRun) (started bool, err error)
}

// Activities holds what the activities of audits need. Its methods are the activities.
type Activities struct {
	Reader *activities.Reader
	// Executions finds windows and deletes, and reads their ledgers and results.
	Executions temporal.Executions
	Windows    Windows
	Logger     *slog.Logger

	deletes deleteResults
}
