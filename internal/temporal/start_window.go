package temporal

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"healthlake-cdc/internal/cdc"
)

// Run starts the n-th run of a window, 0 for its first. started is false when there
// is such a run already, open or closed: whoever names the number of a run can ask
// for it again and starts no other.
func (l *Launcher) Run(ctx context.Context, window cdc.Window, n int, run cdc.WindowRun) (started bool, err error) {
	types, err := l.types(window.Datastore)
	if err != nil {
		return false, err
	}
	if len(run.Types) > 0 {
		types = run.Types
	}
	return l.start(ctx, func(attributes bool) (client.StartWorkflowOptions, string, any) {
		input := cdc.CaptureWindowInput{
			Window: window, Rerun: n, Salt: newSalt(), Types: types, Passes: l.config.Passes,
			Cause: run.Cause, Attributes: attributes, Audited: l.config.Audited,
			Wanted: run.Wanted, Skip: run.Skip,
		}
		options := client.StartWorkflowOptions{
			ID: window.RerunID(n),
			StaticSummary: fmt.Sprintf("10 s of datastore %s from %s",
				window.Datastore, window.Start.UTC().Format(time.DateTime)),
			StaticDetails: windowDetails(input),
		}
		if attributes {
			options.TypedSearchAttributes = temporal.NewSearchAttributes(
				cdc.AttrDatastore.ValueSet(window.Datastore),
				cdc.AttrWindowStart.ValueSet(window.Start),
				cdc.AttrState.ValueSet(cdc.StateOpen),
			)
		}
		return options, cdc.WorkflowCaptureWindow, input
	})
}

func windowDetails(in cdc.CaptureWindowInput) string {
	opener := "Opened by a trigger"
	triggered := in.CapturedBy == cdc.ByCloudTrail || in.CapturedBy == cdc.BySubscription
	switch {
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
