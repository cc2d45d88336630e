package explain

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// Explainer holds what explaining needs.
type Explainer struct {
	Store     Store
	Runs      Runs
	Ledgers   Ledgers
	Converter converter.DataConverter
	// Types are the configured resource types, by datastore.
	Types map[string][]string
	// Namespace is Temporal's, Retention how long it keeps closed executions.
	Namespace string
	Retention time.Duration
	// UIURL is where the Temporal UI is, as in "http://localhost:8233".
	UIURL string
	// Triggers looks where a trigger may still be. It is asked only about a version
	// whose window no trigger has opened.
	Triggers func(ctx context.Context) Triggers
	// Now is the clock.
	Now func() time.Time
}

// queryTimeout bounds the query of an open window: without a worker none is
// answered, and the answer goes without what it would add.
const queryTimeout = 10 * time.Second

// url leads to an execution in the Temporal UI; without a run to its latest.
func (e *Explainer) url(workflowID, runID string) string {
	link := strings.TrimRight(e.UIURL, "/") + "/namespaces/" + url.PathEscape(e.Namespace) + "/workflows/" + url.PathEscape(workflowID)
	if runID != "" {
		link += "/" + url.PathEscape(runID)
	}
	return link
}

// Explain answers for one version. It fails when the datastore or Temporal
// cannot be asked; that a version is unknown is an answer.
func (e *Explainer) Explain(ctx context.Context, ask Ask) (Answer, error) {
	known, err := reader{store: e.Store, ask: ask}.look(ctx)
	if err != nil {
		return Answer{}, fmt.Errorf("asking datastore %s: %w", ask.Datastore, err)
	}
	f := facts{
		ask: ask, found: known, now: e.Now(), retention: e.Retention,
		configured: slices.Contains(e.Types[ask.Datastore], ask.Type),
		capture:    capture{open: -1, first: -1},
	}
	answer := Answer{
		Datastore: ask.Datastore, Type: ask.Type, ID: ask.ID,
		Version: known.version.VersionID, LastUpdated: known.version.LastUpdated, Store: known.state,
	}
	if !known.version.Time().IsZero() {
		if err := e.window(ctx, &f, &answer); err != nil {
			return Answer{}, err
		}
	}
	f.decide(&answer)
	return answer, nil
}

// window collects what Temporal has of the version.
func (e *Explainer) window(ctx context.Context, f *facts, answer *Answer) (err error) {
	version := f.found.version
	f.window = cdc.WindowAt(f.ask.Datastore, version.Time())
	answer.Window = &Window{WorkflowID: f.window.ID(), Start: f.window.Start, End: f.window.End()}
	if f.capture, err = e.capture(ctx, f.window, version); err != nil {
		return err
	}
	answer.Window.Runs = f.capture.runs
	if len(f.capture.runs) == 0 {
		f.triggers = e.Triggers(ctx)
	}
	if err := e.publication(ctx, f, answer); err != nil {
		return err
	}
	if f.capture.open >= 0 && answer.Publication == nil {
		e.progress(ctx, f, answer.Window)
	}
	replayed, err := e.replays(ctx, f.ask.Datastore, version)
	if err != nil {
		return err
	}
	for _, slice := range replayed {
		answer.Replays = append(answer.Replays, slice.replay)
	}
	if len(replayed) > 0 && answer.Publication == nil && f.capture.first < 0 {
		t, err := e.follow(ctx, version, replayed[0].workflowID, "")
		if err != nil {
			return err
		}
		answer.Publication = t.accepted
		f.replayed = true
	}
	return nil
}

// publication looks for the Publish that held the version: in the first run
// whose ledger has it, else in the run that is open.
func (e *Explainer) publication(ctx context.Context, f *facts, answer *Answer) error {
	look := f.capture.first
	if look < 0 {
		look = f.capture.open
	}
	if look < 0 {
		return nil
	}
	run := f.capture.runs[look]
	t, err := e.follow(ctx, f.found.version, run.WorkflowID, "")
	if err != nil {
		return err
	}
	answer.Publication = t.accepted
	if look != f.capture.first {
		f.refused, f.publishing = t.refused, t.open
		if t.skipped && t.accepted == nil {
			f.skippedAt = t.gaveUpAt
		}
		if t.open != nil {
			for _, p := range f.capture.pending {
				if p.GetActivityId() == t.openID {
					t.open.Attempt = int(p.GetAttempt())
					f.failing = p.GetLastFailure().GetApplicationFailureInfo().GetType()
				}
			}
		}
	}
	return nil
}

// progress asks an open window when it goes on, and what holds it up.
func (e *Explainer) progress(ctx context.Context, f *facts, window *Window) {
	for _, p := range f.capture.pending {
		if p.GetActivityType().GetName() == "Hydrate" && p.GetLastFailure() != nil {
			window.Blocked = p.GetLastFailure().GetApplicationFailureInfo().GetType()
			if next := p.GetScheduledTime(); next != nil {
				window.NextStep = next.AsTime()
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	value, err := e.Runs.QueryWorkflow(ctx, f.capture.runs[f.capture.open].WorkflowID, "", cdc.QueryProgress)
	if err != nil {
		f.noWorker = true // or none in time; the rest of the answer stands
		return
	}
	var progress cdc.Progress
	if value.Get(&progress) != nil {
		return
	}
	if due, ok := progress.Due[f.ask.Type]; ok && window.NextStep.IsZero() {
		window.NextStep = due
	}
	if class := progress.Unavailable[f.ask.Type]; class != "" {
		window.Blocked = string(class)
	}
}
