package temporal

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/internal/cdc"
)

// rangeID is the workflow ID of a replay or a backfill.
func rangeID(in cdc.CaptureRangeInput) string {
	id := cdc.ReplayID(in.Name)
	if in.CapturedBy == cdc.ByBackfill {
		id = cdc.BackfillID(in.Name)
	}
	if in.DryRun {
		id = cdc.DryRunID(id)
	}
	return id
}

// Range starts a replay or a backfill. started is false when there is one of that
// name, open or closed: see [Launcher.Existing]. A dry run runs again once it has
// closed.
func (l *Launcher) Range(ctx context.Context, in cdc.CaptureRangeInput) (id string, started bool, err error) {
	id = rangeID(in)
	in.Salt = newSalt()
	started, err = l.start(ctx, execution{
		id: id, workflow: cdc.WorkflowCaptureRange, summary: rangeSummary(in), again: in.DryRun,
		input: func(attributes bool) any {
			in.Attributes = attributes
			return in
		},
	})
	return id, started, err
}

func rangeSummary(in cdc.CaptureRangeInput) string {
	kind := "replay"
	if in.CapturedBy == cdc.ByBackfill {
		kind = "backfill"
	}
	if in.DryRun {
		kind = "dry run of a " + kind
	}
	return fmt.Sprintf("%s of %d types %s", kind, len(in.Types), period(in.Span))
}

// ExistingRange is the range that has a name already.
type ExistingRange struct {
	// Input is what it was started with.
	Input   cdc.CaptureRangeInput
	Started time.Time
	// Closed is zero while it is open.
	Closed time.Time
	Status enumspb.WorkflowExecutionStatus
}

// Existing reads the range of a workflow ID: the newest one, where there were
// several (dry runs).
func (l *Launcher) Existing(ctx context.Context, id string) (existing ExistingRange, err error) {
	info, err := l.Connection.Latest(ctx, id)
	if err != nil {
		return existing, err
	}
	if err := l.Connection.Input(ctx, id, "", &existing.Input); err != nil {
		return existing, err
	}
	existing.Status = info.GetStatus()
	if info.GetCloseTime() != nil {
		existing.Closed = info.GetCloseTime().AsTime()
	}
	// A range that has continued as new gives its input to the next run, which begins
	// later than the range.
	existing.Started = existing.Input.SourceTime
	return existing, nil
}

// lateRecords is how late a record may open its window (CloudTrail's come up to
// some 15 minutes late), with as much to spare: a backfill audits what is younger,
// so that it and such a window do not both publish.
const lateRecords = 30 * time.Minute

// Border is where the recent part of a backfill begins that starts now, on a
// window's edge: from here on there may be ledgers to compare with. That is the
// horizon, or the first hour within it of which there is any window: what was
// before the first window needs no window of its own for each ten seconds.
func (l *Launcher) Border(ctx context.Context, datastores []string, now time.Time, horizon time.Duration) (time.Time, error) {
	latest := cdc.WindowAt("", now.Add(-min(horizon, lateRecords))).Start
	border := cdc.WindowAt("", now.Add(-horizon)).Start
	for border.Before(latest) {
		for _, datastore := range datastores {
			found, err := l.Connection.List(ctx, WindowsOfHour(datastore, border), 1)
			if err != nil || len(found) > 0 {
				return border, err
			}
		}
		border = border.Truncate(time.Hour).Add(time.Hour)
	}
	return latest, nil
}
