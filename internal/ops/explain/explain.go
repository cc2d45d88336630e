// Package explain finds out what happened to one version: which window it lies in, what
// opened that window, and when the version was published, or why it was not.
//
// The FHIR logical id is patient data: it is in the operator's request and in the result,
// never in an error or a request to Temporal.
package explain

import (
	"cmp"
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
	// Backlog is called only for a version whose window no trigger has opened.
	Backlog func(ctx context.Context) Backlog
	Now     func() time.Time
}

// Backlog is where the trigger of a window may be that was not opened.
type Backlog struct {
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
	known := finder{store: e.Store, Request: request}
	if err := known.find(ctx); err != nil {
		return Result{}, fmt.Errorf("reading from datastore %s: %w", request.Datastore, err)
	}
	x := explanation{
		Result: Result{
			Datastore: request.Datastore, Type: request.Type, ID: request.ID,
			Version: known.version.VersionID, LastUpdated: known.version.LastUpdated, Store: known.state,
		},
		version: known.version, now: e.Now(), retention: e.Retention, audited: e.Audited,
		configured: slices.Contains(e.Types[request.Datastore], request.Type),
	}
	if !x.version.Time().IsZero() {
		if err := e.readExecutions(ctx, &x); err != nil {
			return Result{}, err
		}
	}
	x.decide()
	return x.Result, nil
}

// readExecutions reads what Temporal has of the version: the runs of its window, its
// Publish, and replays.
func (e *Explainer) readExecutions(ctx context.Context, x *explanation) error {
	window := cdc.WindowAt(x.Datastore, x.version.Time())
	x.Window = &Window{WorkflowID: window.ID(), Start: window.Start, End: window.End()}
	if err := e.findRuns(ctx, window, x); err != nil {
		return err
	}
	if len(x.Window.Runs) == 0 {
		x.backlog = e.Backlog(ctx)
	}
	if err := e.findPublication(ctx, x); err != nil {
		return err
	}
	if x.open != nil && x.holder == nil {
		e.findNextStep(ctx, x)
	}
	var err error
	if x.Replays, err = e.replays(ctx, x.Datastore, x.version); err != nil {
		return err
	}
	if len(x.Replays) > 0 && x.Publication == nil && x.holder == nil {
		t, err := e.follow(ctx, x.version, x.Replays[0].slice)
		if err != nil && !temporal.IsNotFound(err) {
			return err
		}
		if err == nil {
			x.Publication = t.accepted
		}
	}
	return nil
}

// findPublication looks for the Publish of the version in the first run whose ledger has
// it, else in the open run.
func (e *Explainer) findPublication(ctx context.Context, x *explanation) error {
	run := cmp.Or(x.holder, x.open)
	if run == nil {
		return nil
	}
	t, err := e.follow(ctx, x.version, run.WorkflowID)
	if err != nil {
		return err
	}
	x.Publication = t.accepted
	if x.holder != nil {
		return nil
	}
	x.rejected, x.publishing = t.rejected, t.open
	for _, p := range x.pending {
		if t.open != nil && p.GetActivityId() == t.open.activityID {
			t.open.Attempt = int(p.GetAttempt())
			x.failing = lastFailure(p)
		}
	}
	return nil
}

// lastFailure is the error class of an activity's last attempt.
func lastFailure(p *workflowpb.PendingActivityInfo) string {
	return p.GetLastFailure().GetApplicationFailureInfo().GetType()
}

// findNextStep queries an open window for its next step, and what blocks it.
func (e *Explainer) findNextStep(ctx context.Context, x *explanation) {
	for _, p := range x.pending {
		if p.GetActivityType().GetName() == "Hydrate" && p.GetLastFailure() != nil {
			x.Window.Blocked = lastFailure(p)
			if next := p.GetScheduledTime(); next != nil {
				x.Window.NextStep = next.AsTime()
			}
		}
	}
	progress, err := temporal.Progress(ctx, e.Queries, x.open.WorkflowID)
	if err != nil {
		x.noWorker = !errors.Is(err, temporal.ErrUndecodable)
		return
	}
	x.Window.NextStep = cmp.Or(x.Window.NextStep, progress.Due[x.Type])
	for _, failing := range progress.Failing {
		if failing.Type == x.Type && failing.Versions == 0 && !failing.Ledger {
			x.Window.Blocked = string(failing.Class)
		}
	}
}
