// Package explain finds out what happened to one version: which window it lies in, what
// opened that window, and when the version was published, or why it was not.
//
// The FHIR logical id is patient data: it is in the operator's request and in the result,
// never in an error or a request to Temporal.
package explain

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/temporal"
)

// Request names what is to be explained.
type Request struct {
	Datastore, Type, ID string
	// Version is empty for the current one.
	Version string
}

// errRequest does not repeat the text: that may be patient data.
var errRequest = errors.New("name a resource as Type/id or Type/id/_history/version, as in Patient/123/_history/4")

// ParseRequest reads "Patient/123" or "Patient/123/_history/4".
func ParseRequest(text string) (Request, error) {
	resourceType, id, version, ok := cdc.ParseReference(text)
	if !ok {
		return Request{}, errRequest
	}
	return Request{Type: resourceType, ID: id, Version: version}, nil
}

// Explainer holds what explaining needs.
type Explainer struct {
	Store      Store
	Executions temporal.Executions
	Queries    temporal.Queries
	Types      map[string][]string // by datastore
	Audited    bool                // audits are on
	Namespace  string
	Retention  time.Duration
	UIURL      string
	// Triggers is called only for a version whose window no trigger has opened.
	Triggers func(ctx context.Context) Triggers
	Now      func() time.Time
}

// Triggers is where the trigger of a window may be that was not opened.
type Triggers struct {
	// Queue and DLQ are the trigger queue and its dead-letter queue, nil when not known;
	// Unknown says why.
	Queue, DLQ *queue.Depth
	Unknown    string
	// NoWorker is set when no worker polls TaskQueue, Temporal's.
	NoWorker  bool
	TaskQueue string
}

// url leads to the latest run of an execution in the Temporal UI.
func (e *Explainer) url(workflowID string) string {
	return strings.TrimRight(e.UIURL, "/") + "/namespaces/" + url.PathEscape(e.Namespace) + "/workflows/" + url.PathEscape(workflowID)
}

// Explain explains one version. It fails when the datastore or Temporal cannot be read;
// that a version is unknown is a result.
func (e *Explainer) Explain(ctx context.Context, request Request) (Result, error) {
	known, err := reader{store: e.Store, Request: request}.find(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("reading from datastore %s: %w", request.Datastore, err)
	}
	f := facts{
		request: request, found: known, now: e.Now(), retention: e.Retention, audited: e.Audited,
		configured: slices.Contains(e.Types[request.Datastore], request.Type),
	}
	result := Result{
		Datastore: request.Datastore, Type: request.Type, ID: request.ID,
		Version: known.version.VersionID, LastUpdated: known.version.LastUpdated, Store: known.state,
	}
	if !known.version.Time().IsZero() {
		if err := e.window(ctx, &f, &result); err != nil {
			return Result{}, err
		}
	}
	f.decide(&result)
	return result, nil
}

func (e *Explainer) window(ctx context.Context, f *facts, result *Result) error {
	version := f.found.version
	f.window = cdc.WindowAt(f.request.Datastore, version.Time())
	pending, err := e.findRuns(ctx, f)
	if err != nil {
		return err
	}
	result.Window = &Window{WorkflowID: f.window.ID(), Start: f.window.Start, End: f.window.End(), Runs: f.runs}
	if len(f.runs) == 0 {
		f.triggers = e.Triggers(ctx)
	}
	if err := e.publication(ctx, f, result, pending); err != nil {
		return err
	}
	if f.open != nil && result.Publication == nil {
		e.progress(ctx, f, result.Window, pending)
	}
	replayed, err := e.replays(ctx, f.request.Datastore, version)
	if err != nil {
		return err
	}
	result.Replays = replayed
	if len(replayed) > 0 && result.Publication == nil && f.holder == nil {
		t, err := e.follow(ctx, version, replayed[0].slice, "")
		if err != nil {
			return err
		}
		result.Publication, f.replayed = t.accepted, true
	}
	return nil
}

// publication looks for the Publish of the version in the first run whose ledger has it,
// else in the open run.
func (e *Explainer) publication(ctx context.Context, f *facts, result *Result, pending []*workflowpb.PendingActivityInfo) error {
	run := f.holder
	if run == nil {
		run = f.open
	}
	if run == nil {
		return nil
	}
	t, err := e.follow(ctx, f.found.version, run.WorkflowID, "")
	if err != nil {
		return err
	}
	result.Publication = t.accepted
	if run == f.holder {
		return nil
	}
	f.rejected, f.publishing = t.rejected, t.open
	if t.skipped && t.accepted == nil {
		f.skippedAt = t.skippedAt
	}
	for _, p := range pending {
		if t.open != nil && p.GetActivityId() == t.open.activityID {
			t.open.Attempt = int(p.GetAttempt())
			f.failing = p.GetLastFailure().GetApplicationFailureInfo().GetType()
		}
	}
	return nil
}

// progress queries an open window for its next step, and what blocks it.
func (e *Explainer) progress(ctx context.Context, f *facts, window *Window, pending []*workflowpb.PendingActivityInfo) {
	for _, p := range pending {
		if p.GetActivityType().GetName() == "Hydrate" && p.GetLastFailure() != nil {
			window.Blocked = p.GetLastFailure().GetApplicationFailureInfo().GetType()
			if next := p.GetScheduledTime(); next != nil {
				window.NextStep = next.AsTime()
			}
		}
	}
	progress, err := temporal.Progress(ctx, e.Queries, f.open.WorkflowID)
	if err != nil {
		f.noWorker = !errors.Is(err, temporal.ErrUndecodable)
		return
	}
	if due, ok := progress.Due[f.request.Type]; ok && window.NextStep.IsZero() {
		window.NextStep = due
	}
	if class := progress.Unavailable[f.request.Type]; class != "" {
		window.Blocked = string(class)
	}
}
