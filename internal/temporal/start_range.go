package temporal

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"healthlake-cdc/internal/cdc"
)

// RangeID is the workflow ID of a range.
func RangeID(in cdc.CaptureRangeInput) string {
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
// name, open or closed: [Launcher.Existing] says what that one is. A dry run of a
// name is refused only while one is open, for it may be made again.
func (l *Launcher) Range(ctx context.Context, in cdc.CaptureRangeInput) (id string, started bool, err error) {
	if !cdc.ValidName(in.Name) {
		return "", false, errors.New("a range's name has 1 to 100 letters, digits, dots, hyphens and underscores, and no patient data")
	}
	id = RangeID(in)
	in.Salt = newSalt()
	started, err = l.start(ctx, func(attributes bool) (client.StartWorkflowOptions, string, any) {
		in.Attributes = attributes
		options := client.StartWorkflowOptions{ID: id, StaticSummary: rangeSummary(in)}
		if in.DryRun {
			options.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
		}
		if attributes {
			options.TypedSearchAttributes = temporal.NewSearchAttributes(cdc.AttrState.ValueSet(cdc.StateOpen))
		}
		return options, cdc.WorkflowCaptureRange, in
	})
	return id, started, err
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
func (l *Launcher) Existing(ctx context.Context, id string, data converter.DataConverter) (ExistingRange, error) {
	described, err := l.client.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return ExistingRange{}, fmt.Errorf("describing %s: %w", id, err)
	}
	info := described.RawResponse.GetWorkflowExecutionInfo()
	existing := ExistingRange{Status: info.GetStatus()}
	if info.GetCloseTime() != nil {
		existing.Closed = info.GetCloseTime().AsTime()
	}
	if err := l.startedWith(ctx, id, data, &existing.Input); err != nil {
		return ExistingRange{}, err
	}
	// A range that has continued as new gives its input to the next run, which begins
	// later than the range.
	existing.Started = existing.Input.SourceTime
	return existing, nil
}

// startedWith reads what the latest run of an ID was started with.
func (l *Launcher) startedWith(ctx context.Context, id string, data converter.DataConverter, input any) error {
	events := l.client.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return fmt.Errorf("%s has no history: it has just been deleted", id)
	}
	event, err := events.Next()
	if err != nil {
		return fmt.Errorf("reading the history of %s: %w", id, err)
	}
	if err := data.FromPayloads(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), input); err != nil {
		// The decoder may quote what it cannot decode: its error is left out.
		return fmt.Errorf("what %s was started with cannot be decoded: is its payload key in CDC_PAYLOAD_KEYS?", id)
	}
	return nil
}

func rangeSummary(in cdc.CaptureRangeInput) string {
	kind := "replay"
	if in.CapturedBy == cdc.ByBackfill {
		kind = "backfill"
	}
	if in.DryRun {
		kind = "dry run of a " + kind
	}
	return fmt.Sprintf("%s of %d types from %s to %s", kind, len(in.Types),
		in.Span.From.UTC().Format(time.DateTime), in.Span.To.UTC().Format(time.DateTime))
}

// lateRecords is how late a record may open its window (CloudTrail's come up to
// some 15 minutes late), with as much to spare: a backfill audits what is younger,
// so that it and such a window do not both publish.
const lateRecords = 30 * time.Minute

// Border is where the recent part of a backfill begins that starts now, on a
// window's edge: from here on there may be ledgers to compare with. That is the
// horizon, or the first hour within it of which there is any window: what was
// before the first window needs no window of its own for each ten seconds.
func (l *Launcher) Border(ctx context.Context, namespace string, datastores []string, now time.Time, horizon time.Duration) (time.Time, error) {
	latest := cdc.WindowAt("", now.Add(-min(horizon, lateRecords))).Start
	border := cdc.WindowAt("", now.Add(-horizon)).Start
	for border.Before(latest) {
		for _, datastore := range datastores {
			n, err := l.windowsOfHour(ctx, namespace, datastore, border)
			if err != nil || n > 0 {
				return border, err
			}
		}
		border = border.Truncate(time.Hour).Add(time.Hour)
	}
	return latest, nil
}

// windowsOfHour counts a datastore's windows of the hour in which t lies, reruns
// included.
func (l *Launcher) windowsOfHour(ctx context.Context, namespace, datastore string, t time.Time) (int64, error) {
	answer, err := l.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: namespace, Query: string(WindowsOfHour(datastore, t)),
	})
	if err != nil {
		return 0, fmt.Errorf("counting windows: %w", err)
	}
	return answer.GetCount(), nil
}
