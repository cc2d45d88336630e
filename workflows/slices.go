package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// openSlice is a child that is reading pages.
type openSlice struct {
	id     string
	future workflow.ChildWorkflowFuture
}

// startSlice starts the k-th slice of this execution. A parent that is
// terminated takes its slices with it; a rerun reads what they had published.
func startSlice(ctx workflow.Context, k int, in cdc.CaptureSliceInput) *openSlice {
	return startSliceWith(ctx, k, in, workflow.ChildWorkflowOptions{})
}

func startSliceWith(ctx workflow.Context, k int, in cdc.CaptureSliceInput, options workflow.ChildWorkflowOptions) *openSlice {
	id := cdc.SliceID(workflow.GetInfo(ctx).WorkflowExecution.ID, in.Type, in.Span.From, k)
	options.WorkflowID = id
	options.ParentClosePolicy = enumspb.PARENT_CLOSE_POLICY_TERMINATE
	options.StaticSummary = fmt.Sprintf("%s of datastore %s from %s", in.Type, in.Origin.Datastore, in.Span.From.UTC().Format(time.DateTime))
	ctx = workflow.WithChildOptions(ctx, options)
	return &openSlice{id: id, future: workflow.ExecuteChildWorkflow(ctx, cdc.WorkflowCaptureSlice, in)}
}

// terminatedSlice reads what a slice had published that did not complete.
func terminatedSlice(ctx workflow.Context, id, resourceType string) (cdc.HashSet, error) {
	var ledger cdc.Ledger
	read := cdc.LedgerInput{WorkflowID: id}
	err := workflow.ExecuteActivity(ledgerPolicy(ctx, "what the terminated slice published"), do.Ledger, read).Get(ctx, &ledger)
	return ledger.Known(resourceType), err
}

// publishChanges puts a batch on the bus.
func publishChanges(ctx workflow.Context, origin cdc.Origin, changes []cdc.Change, bulk bool) (cdc.PublishResult, error) {
	var result cdc.PublishResult
	err := startPublish(ctx, origin, changes, bulk).Get(ctx, &result)
	if err == nil && len(result.EventIDs) != len(changes) {
		return result, invalidInput("Publish answered for another number of changes")
	}
	return result, err
}

func startPublish(ctx workflow.Context, origin cdc.Origin, changes []cdc.Change, bulk bool) workflow.Future {
	ctx = publishPolicy(ctx, origin.Datastore, bulk, changesSummary(changes))
	return workflow.ExecuteActivity(ctx, do.Publish, cdc.PublishInput{Origin: origin, Changes: changes})
}

// refusedChanges are changes that EventBridge refused for good. They are
// offered again from time to time, and keep their window open meanwhile.
type refusedChanges struct {
	changes []cdc.Change
	known   map[string]*cdc.HashSet
	due     time.Time
	times   int
}

func (r *refusedChanges) empty() bool { return len(r.changes) == 0 }

func (r *refusedChanges) has(v cdc.Version) bool {
	set := r.known[v.Type]
	return set != nil && set.Has(v.Hash())
}

// byType is how many changes of each type are kept.
func (r *refusedChanges) byType() map[string]int {
	counts := make(map[string]int)
	for _, change := range r.changes {
		counts[change.Type]++
	}
	return counts
}

func (r *refusedChanges) hashes(resourceType string) cdc.HashSet {
	if set := r.known[resourceType]; set != nil {
		return *set
	}
	return cdc.HashSet{}
}

// add keeps the refused ones of a batch.
func (r *refusedChanges) add(ctx workflow.Context, batch []cdc.Change, refusals []cdc.Refusal) {
	if len(refusals) == 0 {
		return
	}
	for _, refusal := range refusals {
		change := batch[refusal.Index]
		r.changes = append(r.changes, change)
		r.remember(change)
		workflow.GetLogger(ctx).Error("an event was refused for good and is kept", "type", change.Type, "code", refusal.Code)
	}
	r.times++
	r.due = workflow.Now(ctx).Add(backoff(r.times))
}

// takeDue takes kept changes out when they are due, as many as one Publish may
// hold. The others come with the next.
func (r *refusedChanges) takeDue(now time.Time) []cdc.Change {
	if r.empty() || r.due.After(now) {
		return nil
	}
	n, size := 0, 0
	for n < len(r.changes) && (n == 0 || size+len(r.changes[n].Body) <= cdc.MaxResultBytes) {
		size += len(r.changes[n].Body)
		n++
	}
	taken := r.changes[:n]
	r.changes = append([]cdc.Change(nil), r.changes[n:]...)
	r.known = nil
	for _, change := range r.changes {
		r.remember(change)
	}
	return taken
}

func (r *refusedChanges) remember(change cdc.Change) {
	if r.known == nil {
		r.known = make(map[string]*cdc.HashSet)
	}
	if r.known[change.Type] == nil {
		r.known[change.Type] = &cdc.HashSet{}
	}
	r.known[change.Type].Add(change.Hash())
}
