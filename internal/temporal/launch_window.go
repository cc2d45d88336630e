package temporal

import (
	"context"
	"fmt"
	"time"

	"healthlake-cdc/internal/cdc"
)

// OpenWindow starts the window's first run. opened is false when it existed
// already, open or closed.
func (l *Launcher) OpenWindow(ctx context.Context, window cdc.Window, cause cdc.Cause) (opened bool, err error) {
	return l.Run(ctx, window, 0, cdc.WindowRun{Cause: cause})
}

// Capture opens the window, or reruns it when its last run has closed. It
// returns the workflow ID of the run, and whether this call started it: of two
// at once, one does.
func (l *Launcher) Capture(ctx context.Context, window cdc.Window, cause cdc.Cause) (id string, started bool, err error) {
	for n := 0; ; n++ {
		id = window.RerunID(n)
		existing, err := l.Connection.Latest(ctx, id)
		switch {
		case err != nil:
			return id, false, err
		case existing == nil:
			started, err := l.Run(ctx, window, n, cdc.WindowRun{Cause: cause})
			return id, started, err
		case cdc.IsOpen(existing.GetStatus()):
			return id, false, nil
		}
	}
}

// Run starts the n-th run of a window, 0 for its first. started is false when there
// is such a run already, open or closed: a caller that names the number of a run can
// repeat the call and starts no other.
func (l *Launcher) Run(ctx context.Context, window cdc.Window, n int, run cdc.WindowRun) (started bool, err error) {
	types, err := l.types(window.Datastore)
	if err != nil {
		return false, err
	}
	if len(run.Types) > 0 {
		types = run.Types
	}
	in := cdc.CaptureWindowInput{
		Window: window, Rerun: n, Salt: newSalt(), Types: types, Passes: l.Settings.Passes,
		Cause: run.Cause, Audited: l.Audited, Wanted: run.Wanted, Skip: run.Skip,
	}
	return l.start(ctx, execution{
		id: window.RerunID(n), workflow: cdc.WorkflowCaptureWindow,
		summary:   fmt.Sprintf("10 s of datastore %s from %s", window.Datastore, window.Start.UTC().Format(time.DateTime)),
		details:   windowDetails(in),
		datastore: window.Datastore, windowStart: window.Start,
		input: func(attributes bool) any {
			in.Attributes = attributes
			return in
		},
	})
}

func windowDetails(in cdc.CaptureWindowInput) string {
	opener := "Opened by a trigger"
	triggered := in.CapturedBy == cdc.ByCloudTrail || in.CapturedBy == cdc.BySubscription
	switch {
	case in.CapturedBy == cdc.ByOperator:
		opener = "Opened by an operator for the moment"
	case in.Bulk && triggered:
		opener = "Opened in the bulk lane by a late trigger"
	case in.Bulk:
		opener = "Run for an audit"
	}
	details := fmt.Sprintf("Captures what was written to the datastore from %s to %s (meta.lastUpdated), %d resource types, passes %v after its end. %s of %s (%s).",
		in.Window.Start.UTC().Format(time.RFC3339), in.Window.End().UTC().Format(time.RFC3339),
		len(in.Types), in.Passes, opener, in.SourceTime.UTC().Format(time.RFC3339), in.CapturedBy)
	if len(in.Wanted) > 0 {
		details += fmt.Sprintf(" %d versions that search does not show are wanted.", len(in.Wanted))
	}
	if in.Skip {
		details += " What it finds is skipped, not published."
	}
	return details
}
