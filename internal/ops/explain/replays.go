package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"healthlake-cdc/internal/cdc"
)

// mostReplays bounds how many replays are looked through, the newest first.
const mostReplays = 20

// sliceOf is a slice of a replay, or of a backfill's older part, that published the version.
type sliceOf struct {
	replay     Replay
	workflowID string
}

// replays finds the replays that published the version. A replay's own history
// is short: it names its slices, with the span of each and the hashes of what
// each published.
func (e *Explainer) replays(ctx context.Context, datastore string, version cdc.Version) ([]sliceOf, error) {
	answer, err := e.Runs.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: e.Namespace, PageSize: mostReplays,
		Query: fmt.Sprintf("WorkflowType = '%s'", cdc.WorkflowCaptureRange),
	})
	if err != nil {
		return nil, fmt.Errorf("listing replays: %w", err)
	}
	var all []sliceOf
	for _, info := range answer.GetExecutions() {
		execution := info.GetExecution()
		name, ok := rangeName(execution.GetWorkflowId())
		if !ok {
			continue // a dry run
		}
		found, err := e.inReplay(ctx, execution.GetWorkflowId(), execution.GetRunId(), datastore, version)
		var notFound *serviceerror.NotFound
		if errors.As(err, &notFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range found {
			found[i].replay.Name = name
			found[i].replay.URL = e.url(found[i].workflowID, "")
		}
		all = append(all, found...)
	}
	return all, nil
}

// rangeName is a replay's name, or the whole ID of a backfill.
func rangeName(id string) (name string, ok bool) {
	if name, err := cdc.ParseReplayID(id); err == nil {
		return name, true
	}
	_, err := cdc.ParseBackfillID(id)
	return id, err == nil
}

func (e *Explainer) inReplay(ctx context.Context, workflowID, runID, datastore string, version cdc.Version) ([]sliceOf, error) {
	var found []sliceOf
	var wanted []string
	events := e.Runs.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("reading history of %s: %w", workflowID, err)
		}
		started, err := e.sliceFor(event, datastore, version)
		if err != nil {
			return nil, err
		}
		if started != "" {
			wanted = append(wanted, started)
		}
		id, published := sliceEnded(event)
		if id == "" || !slices.Contains(wanted, id) {
			continue
		}
		var result cdc.CaptureSliceResult
		if err := e.Converter.FromPayloads(published, &result); err != nil {
			return nil, fmt.Errorf("history of %s cannot be decoded: is its payload key in CDC_PAYLOAD_KEYS?", workflowID)
		}
		if result.Published.Has(result.Salt.Hash(version)) {
			found = append(found, sliceOf{workflowID: id, replay: Replay{At: event.GetEventTime().AsTime()}})
		}
	}
	return found, nil
}

// sliceEnded is the ID of the slice of which the event tells that it is done, or
// was cancelled with its range, and what it had published.
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

// sliceFor is the ID of the slice that the event starts, when the version lies
// in it.
func (e *Explainer) sliceFor(event *historypb.HistoryEvent, datastore string, version cdc.Version) (string, error) {
	started := event.GetStartChildWorkflowExecutionInitiatedEventAttributes()
	if started == nil {
		return "", nil
	}
	_, resourceType, _, _, err := cdc.ParseSliceID(started.GetWorkflowId())
	if err != nil || resourceType != version.Type {
		return "", nil //nolint:nilerr // a child that is no slice of the type
	}
	var in cdc.CaptureSliceInput
	if err := e.Converter.FromPayloads(started.GetInput(), &in); err != nil {
		return "", fmt.Errorf("input of %s cannot be decoded: is its payload key in CDC_PAYLOAD_KEYS?", started.GetWorkflowId())
	}
	if in.Origin.Datastore != datastore || !in.Span.Contains(version.Time()) {
		return "", nil
	}
	return started.GetWorkflowId(), nil
}
