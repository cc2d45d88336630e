package explain

import (
	"context"
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// maxReplays bounds how many replays are looked through, the newest first.
const maxReplays = 20

// replays finds the replays, and the older parts of backfills, that published the version.
// A replay's own history is short: it names its slices, with the time range of each and
// the hashes of what each published.
func (e *Explainer) replays(ctx context.Context, datastore string, version cdc.Version) ([]Replay, error) {
	executions, err := e.Executions.List(ctx, temporal.OfType(cdc.WorkflowCaptureRange), maxReplays)
	if err != nil {
		return nil, err
	}
	var all []Replay
	for _, info := range executions {
		id := info.GetExecution().GetWorkflowId()
		name, replay, err := cdc.ParseRangeID(id)
		if err != nil {
			continue // a dry run
		}
		if !replay {
			name = id
		}
		v := replayVisitor{explainer: e, datastore: datastore, version: version, name: name, rangeID: id}
		err = e.Executions.Visit(ctx, id, info.GetExecution().GetRunId(), v.apply)
		if err != nil && !temporal.IsNotFound(err) {
			return nil, err
		}
		all = append(all, v.found...)
	}
	return all, nil
}

// replayVisitor reads the history of a replay.
type replayVisitor struct {
	explainer     *Explainer
	datastore     string
	version       cdc.Version
	name, rangeID string
	// candidates are the slices that the version may be in.
	candidates []string
	found      []Replay
}

func (v *replayVisitor) apply(event *historypb.HistoryEvent) error {
	data := v.explainer.Executions.Data
	if started := event.GetStartChildWorkflowExecutionInitiatedEventAttributes(); started != nil {
		_, resourceType, _, _, err := cdc.ParseSliceID(started.GetWorkflowId())
		if err != nil || resourceType != v.version.Type {
			return nil //nolint:nilerr // a child that is no slice of the type
		}
		var in cdc.CaptureSliceInput
		if err := data.FromPayloads(started.GetInput(), &in); err != nil {
			return err
		}
		if in.Origin.Datastore == v.datastore && in.Span.Contains(v.version.Time()) {
			v.candidates = append(v.candidates, started.GetWorkflowId())
		}
		return nil
	}
	id, published := sliceEnded(event)
	if id == "" || !slices.Contains(v.candidates, id) {
		return nil
	}
	var result cdc.CaptureSliceResult
	if err := data.FromPayloads(published, &result); err != nil {
		return err
	}
	if result.Published.Has(result.Salt.Hash(v.version)) {
		v.found = append(v.found, Replay{Name: v.name, At: event.GetEventTime().AsTime(), URL: v.explainer.url(id), rangeID: v.rangeID, slice: id})
	}
	return nil
}

// sliceEnded is the ID and the result of the slice that completed with the event, or was
// cancelled with its replay.
func sliceEnded(event *historypb.HistoryEvent) (id string, result *commonpb.Payloads) {
	if done := event.GetChildWorkflowExecutionCompletedEventAttributes(); done != nil {
		return done.GetWorkflowExecution().GetWorkflowId(), done.GetResult()
	}
	cancelled := event.GetChildWorkflowExecutionCanceledEventAttributes()
	if cancelled.GetDetails() == nil {
		return "", nil
	}
	return cancelled.GetWorkflowExecution().GetWorkflowId(), cancelled.GetDetails()
}
