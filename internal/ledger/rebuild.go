package ledger

import (
	"context"
	"errors"
	"maps"
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// rebuild rebuilds the ledger of a run from its history, whether it was terminated,
// cancelled, failed or is still open: the ledger that it began with, what its Publish
// activities had accepted, the types that it searched, what an operator skipped, and
// the same of every slice that it started, by read. A rerun that has not read the
// ledger of the run before began with that one's all the same.
func (r Reader) rebuild(ctx context.Context, runID, workflowID string, read func(ctx context.Context, id string) (cdc.Ledger, error)) (*run, error) {
	rebuilt := &run{
		workflowID: workflowID, bound: r.Executions.ConverterOf(workflowID), executions: r.Executions,
		scheduled: make(map[int64]*historypb.ActivityTaskScheduledEventAttributes),
		rejected:  make(map[string]cdc.HashSet), skips: make(map[string]int64),
	}
	err := r.Executions.Visit(ctx, workflowID, runID, rebuilt.apply)
	if err != nil {
		return rebuilt, classed(err)
	}
	unread := rebuilt.slices
	if rebuilt.before != "" {
		unread = append(unread, rebuilt.before)
	}
	for _, id := range unread {
		ledger, err := read(ctx, id)
		if err != nil {
			return rebuilt, err
		}
		if err := rebuilt.merge(ledger); err != nil {
			return rebuilt, ledgerUnreadable("what %s and %s published cannot be merged: %v", workflowID, id, err)
		}
	}
	rebuilt.setSalt()
	return rebuilt, nil
}

// run collects a ledger from a run's history, event by event.
type run struct {
	workflowID string
	executions temporal.Executions
	// bound decodes what was written for this workflow.
	bound  converter.DataConverter
	ledger cdc.Ledger
	// in is what a window's run was started with; zero for a slice.
	in        cdc.CaptureWindowInput
	scheduled map[int64]*historypb.ActivityTaskScheduledEventAttributes
	// slices are the workflow IDs of the slices that the run started and that had
	// not completed when it ended, by the order of their start.
	slices []string
	// before is the run before, of a rerun that ended before it had read that
	// one's ledger; empty otherwise.
	before string
	// rejected is what EventBridge had rejected, by type, and skips the
	// event at which an operator last skipped a type's rejected versions.
	rejected map[string]cdc.HashSet
	skips    map[string]int64
	// wanted holds the versions that a run which publishes nothing was given, until it
	// has read the ledger of the run before.
	wanted []cdc.Version
}

// apply applies one event of the history.
func (r *run) apply(event *historypb.HistoryEvent) error {
	switch {
	case event.GetWorkflowExecutionStartedEventAttributes() != nil:
		return r.started(event.GetWorkflowExecutionStartedEventAttributes().GetInput())
	case event.GetActivityTaskScheduledEventAttributes() != nil:
		r.scheduled[event.GetEventId()] = event.GetActivityTaskScheduledEventAttributes()
	case event.GetActivityTaskCompletedEventAttributes() != nil:
		done := event.GetActivityTaskCompletedEventAttributes()
		return r.activityCompleted(done.GetScheduledEventId(), done.GetResult())
	case event.GetActivityTaskFailedEventAttributes() != nil:
		ended := event.GetActivityTaskFailedEventAttributes()
		// The SDK encodes a failure's details without saying of which workflow they are.
		return r.publishEnded(ended.GetScheduledEventId(), ended.GetFailure().GetApplicationFailureInfo().GetDetails(), r.executions.Data)
	case event.GetActivityTaskTimedOutEventAttributes() != nil:
		ended := event.GetActivityTaskTimedOutEventAttributes()
		return r.publishEnded(ended.GetScheduledEventId(), ended.GetFailure().GetTimeoutFailureInfo().GetLastHeartbeatDetails(), r.bound)
	case event.GetWorkflowExecutionSignaledEventAttributes() != nil:
		return r.signaled(event)
	case event.GetChildWorkflowExecutionCompletedEventAttributes() != nil:
		return r.sliceCompleted(event.GetChildWorkflowExecutionCompletedEventAttributes())
	case event.GetChildWorkflowExecutionStartedEventAttributes() != nil:
		r.slices = append(r.slices, event.GetChildWorkflowExecutionStartedEventAttributes().GetWorkflowExecution().GetWorkflowId())
	}
	return nil
}

// started applies the ledger that the run began with.
func (r *run) started(input *commonpb.Payloads) error {
	if _, resourceType, _, _, err := cdc.ParseSliceID(r.workflowID); err == nil {
		return r.sliceStarted(resourceType, input)
	}
	if err := r.bound.FromPayloads(input, &r.in); err != nil {
		return err
	}
	switch in := r.in; {
	case in.Resume != nil:
		r.ledger = in.Resume.Ledger
		maps.Copy(r.rejected, in.Resume.Rejected)
		for _, t := range in.Resume.Types {
			r.slices = append(r.slices, t.Lost...)
		}
	case in.Rerun > 0:
		r.before = in.Window.RerunID(in.Rerun - 1)
	}
	if r.in.Skip { // what it finds, and what it was given as wanted, is skipped
		for _, version := range r.in.Wanted {
			if r.in.Window.Contains(version.Time()) {
				r.wanted = append(r.wanted, version)
			}
		}
	}
	if r.before == "" {
		r.beforeIsKnown()
	}
	return nil
}

func (r *run) sliceStarted(resourceType string, input *commonpb.Payloads) error {
	var in cdc.CaptureSliceInput
	if err := r.bound.FromPayloads(input, &in); err != nil {
		return err
	}
	r.ledger.Salt = in.Salt
	if in.Resume == nil {
		return nil
	}
	r.rejected[resourceType] = in.Resume.Rejected
	if in.Resume.Published.Len()+in.Resume.Skipped.Len() == 0 {
		return nil // an entry would say that the type was searched
	}
	r.ledger.Type(resourceType).Published.Merge(in.Resume.Published)
	r.ledger.Type(resourceType).Skipped.Merge(in.Resume.Skipped)
	return nil
}

// sliceCompleted applies a slice's result from its parent's history: a window may
// outlive its slice by more than the retention.
func (r *run) sliceCompleted(done *historypb.ChildWorkflowExecutionCompletedEventAttributes) error {
	id := done.GetWorkflowExecution().GetWorkflowId()
	_, resourceType, _, _, err := cdc.ParseSliceID(id)
	if err != nil {
		return err
	}
	var result cdc.CaptureSliceResult
	if err := r.executions.ConverterOf(id).FromPayloads(done.GetResult(), &result); err != nil {
		return err
	}
	r.forget(id)
	return mergeSlice(&r.ledger, resourceType, result)
}

// forget drops a slice whose ledger is known.
func (r *run) forget(id string) {
	r.slices = slices.DeleteFunc(r.slices, func(open string) bool { return open == id })
}

// mergeSlice adds a slice's result to its parent's ledger. One that was closed or
// cancelled before its last page has not searched all of the type.
func mergeSlice(ledger *cdc.Ledger, resourceType string, result cdc.CaptureSliceResult) error {
	if (result.Unswept || result.Cancelled) && result.Published.Len()+result.Skipped.Len() == 0 {
		return nil
	}
	return ledger.Merge(cdc.Ledger{Salt: result.Salt, Types: map[string]*cdc.TypeLedger{
		resourceType: {Published: result.Published, Skipped: result.Skipped},
	}})
}

func (r *run) activityCompleted(id int64, result *commonpb.Payloads) error {
	switch r.scheduled[id].GetActivityType().GetName() {
	case "Publish":
		return r.published(id, result)
	case "Ledger":
		return r.ledgerRead(r.scheduled[id].GetInput(), result)
	case "Hydrate":
		var hydrated cdc.HydrateResult
		if err := r.bound.FromPayloads(result, &hydrated); err != nil {
			return err
		}
		for _, page := range hydrated.Pages {
			r.found(page)
		}
	}
	return nil
}

// found applies what a pass has found. A run that publishes does so afterwards.
func (r *run) found(page cdc.PageResult) {
	if page.State == cdc.PageDone {
		r.ledger.Type(page.Type)
	}
	if r.in.Skip {
		for _, change := range page.Changes {
			r.skip(change.Version)
		}
	}
}

// ledgerRead applies a ledger that the run itself had read: of the run before, or of a
// slice that did not complete.
func (r *run) ledgerRead(input, output *commonpb.Payloads) error {
	var in cdc.LedgerInput
	var ledger cdc.Ledger
	if err := r.bound.FromPayloads(input, &in); err != nil {
		return err
	}
	if err := r.bound.FromPayloads(output, &ledger); err != nil {
		return err
	}
	if in.WorkflowID == r.before {
		r.before = ""
	}
	r.forget(in.WorkflowID)
	if err := r.merge(ledger); err != nil {
		return err
	}
	if r.before == "" {
		r.beforeIsKnown()
	}
	return nil
}

// beforeIsKnown goes on once the ledger of the run before is known, or there is none:
// a ledger without a salt gets the run's own, and wanted versions can be skipped.
func (r *run) beforeIsKnown() {
	r.setSalt()
	for _, version := range r.wanted {
		r.skip(version)
	}
	r.wanted = nil
}

// setSalt gives a ledger that has none the run's own salt.
func (r *run) setSalt() {
	if r.ledger.Salt.IsZero() {
		r.ledger.Salt = r.in.Salt
	}
}

// merge adds the ledger of the run before, or of a slice. A run whose operator had it
// go on without the ledger of the run before has a salt of its own, and has
// published nothing: where that ledger can be read again, it is the one that counts.
func (r *run) merge(ledger cdc.Ledger) error {
	err := r.ledger.Merge(ledger)
	if errors.Is(err, cdc.ErrOtherSalt) && r.ledger.Published() == 0 {
		r.ledger = ledger
		return nil
	}
	return err
}

// published applies what a Publish, scheduled by the event id, had accepted and
// rejected.
func (r *run) published(id int64, output *commonpb.Payloads) error {
	var in cdc.PublishInput
	var result cdc.PublishResult
	if err := r.bound.FromPayloads(r.scheduled[id].GetInput(), &in); err != nil {
		return err
	}
	if err := r.bound.FromPayloads(output, &result); err != nil {
		return err
	}
	r.accepted(in.Changes, result.EventIDs)
	for _, rejection := range result.Rejected {
		if rejection.Index < len(in.Changes) {
			r.reject(id, in.Changes[rejection.Index].Version)
		}
	}
	return nil
}

// publishEnded applies what a Publish that failed or timed out had accepted until
// then: the details of its end hold the ids.
func (r *run) publishEnded(id int64, details *commonpb.Payloads, decoder converter.DataConverter) error {
	scheduled := r.scheduled[id]
	if scheduled.GetActivityType().GetName() != "Publish" || len(details.GetPayloads()) == 0 {
		return nil
	}
	var in cdc.PublishInput
	if err := r.bound.FromPayloads(scheduled.GetInput(), &in); err != nil {
		return err
	}
	var ids []string
	if decoder.FromPayloads(details, &ids) == nil && len(ids) == len(in.Changes) {
		r.accepted(in.Changes, ids)
	}
	return nil
}

// accepted applies that EventBridge gave changes an id, though it may have rejected
// them before, or an operator skipped them while they were tried again.
func (r *run) accepted(changes []cdc.Change, ids []string) {
	for i, change := range changes {
		if i >= len(ids) || ids[i] == "" {
			continue
		}
		r.setSalt()
		hash, entry := r.ledger.Salt.Hash(change.Version), r.ledger.Type(change.Type)
		entry.Published.Add(hash)
		entry.Skipped.Remove(hash)
		rejected := r.rejected[change.Type]
		rejected.Remove(hash)
	}
}

// reject applies that a Publish, scheduled by the event id, had a version rejected.
// What an operator skipped while it was tried stays skipped.
func (r *run) reject(id int64, version cdc.Version) {
	r.setSalt()
	hash := r.ledger.Salt.Hash(version)
	if id < r.skips[version.Type] {
		r.ledger.Type(version.Type).Skipped.Add(hash)
		return
	}
	rejected := r.rejected[version.Type]
	rejected.Add(hash)
	r.rejected[version.Type] = rejected
}

// skip puts a version into the ledger as skipped, unless it was published.
func (r *run) skip(version cdc.Version) {
	r.setSalt()
	if !r.ledger.Has(version) {
		r.ledger.Type(version.Type).Skipped.Add(r.ledger.Salt.Hash(version))
	}
}

// signaled applies what an operator skipped: what was rejected until then. A ledger of
// the run before that was skipped stays unread: what this run did not come to put into
// its own may have been published.
func (r *run) signaled(event *historypb.HistoryEvent) error {
	signal := event.GetWorkflowExecutionSignaledEventAttributes()
	if signal.GetSignalName() != cdc.SignalSkip {
		return nil
	}
	var skip cdc.Skip
	if err := r.bound.FromPayloads(signal.GetInput(), &skip); err != nil {
		return err
	}
	for _, name := range skip.Versions {
		r.skips[name] = event.GetEventId()
		if rejected := r.rejected[name]; rejected.Len() > 0 {
			r.ledger.Type(name).Skipped.Merge(rejected)
		}
	}
	return nil
}
