package workflows

import (
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// publishing is a Publish under way, of changes or of a delete.
type publishing struct {
	in     cdc.PublishInput
	policy workflow.Context
	future workflow.Future
}

func startPublishing(ctx workflow.Context, in cdc.PublishInput) *publishing {
	summary := changesSummary(in.Changes)
	if in.Delete != nil {
		summary = "publish 1 delete of " + deletedType(*in.Delete)
	}
	p := &publishing{in: in, policy: changesPolicy(ctx, in.Origin.Datastore, in.Origin.Bulk, summary)}
	p.future = workflow.ExecuteActivity(withMaxAttempts(p.policy), do.Publish, p.in)
	return p
}

// finish waits for a Publish, and returns the changes that EventBridge accepted, also with
// an error, with their counts. Those that it rejects are kept.
func (p *publishing) finish(ctx workflow.Context, o *operator, rejected *rejectedChanges) (published []cdc.Change, counts cdc.Counts, err error) {
	result, err := p.await(ctx, o)
	published, counts = acceptedChanges(p.in.Changes, result)
	if err == nil {
		rejected.update(ctx, p.in.Changes, result.Rejected)
	}
	return published, counts, err
}

// await waits until the bus has accepted the batch. When a Publish has failed with all its
// attempts, some four minutes, the operator is shown that. The tries go on within a second Publish, which
// leaves nothing in the history.
func (p *publishing) await(ctx workflow.Context, o *operator) (cdc.PublishResult, error) {
	result, err := p.get(ctx)
	if class, _, ok := failureOf(ctx, err); ok {
		o.bus = class
		if err := o.show(ctx); err != nil {
			return result, err
		}
		p.in.Accepted = result.EventIDs
		p.future = workflow.ExecuteActivity(p.policy, do.Publish, p.in)
		if result, err = p.get(ctx); err == nil {
			o.bus = ""
			err = o.show(ctx)
		} else if len(result.EventIDs) == 0 {
			result.EventIDs = p.in.Accepted
		}
	}
	if err == nil && ctx.Err() != nil && incomplete(result) {
		return result, ctx.Err()
	}
	if err == nil && len(result.EventIDs) != max(len(p.in.Changes), 1) {
		err = invalidInput("Publish has results for another number of changes")
	}
	return result, err
}

// incomplete reports whether entries have neither an id nor a rejection: the Publish was
// cancelled.
func incomplete(result cdc.PublishResult) bool {
	accepted := 0
	for _, id := range result.EventIDs {
		if id != "" {
			accepted++
		}
	}
	return accepted+len(result.Rejected) < len(result.EventIDs)
}

// get is the result of the Publish under way; with an error, what it had accepted.
func (p *publishing) get(ctx workflow.Context) (result cdc.PublishResult, err error) {
	err = p.future.Get(ctx, &result)
	var failure *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	var accepted []string
	switch {
	case err == nil:
		return result, nil
	case errors.As(err, &failure) && failure.HasDetails():
		_ = failure.Details(&accepted) // what cannot be read is published again
	case errors.As(err, &timeout) && timeout.HasLastHeartbeatDetails():
		_ = timeout.LastHeartbeatDetails(&accepted)
	}
	if n := max(len(p.in.Changes), 1); len(accepted) == n {
		result.EventIDs = accepted
	}
	return result, err
}

// acceptedChanges are those of a batch that EventBridge has accepted, and their counts.
func acceptedChanges(batch []cdc.Change, result cdc.PublishResult) ([]cdc.Change, cdc.Counts) {
	var changes []cdc.Change
	counts := cdc.Counts{Bytes: result.Bytes, Events: result.Events}
	for i, id := range result.EventIDs {
		if id == "" {
			continue
		}
		changes = append(changes, batch[i])
		counts.Published++
		if batch[i].Reason != "" {
			counts.References++
		}
	}
	return changes, counts
}

// changesSummary says how many changes of which types, never which ones.
func changesSummary(changes []cdc.Change) string {
	counts := make(map[string]int)
	for _, change := range changes {
		counts[change.Type]++
	}
	names := sortedKeys(counts)
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, counts[name])
	}
	return shorten(fmt.Sprintf("publish %d: %s", len(changes), strings.Join(names, ", ")))
}

// summaryBytes keeps a summary under the SDK's 200 bytes (the server's limit is
// 400 after encoding).
const summaryBytes = 150

func shorten(text string) string {
	if len(text) > summaryBytes {
		return text[:summaryBytes-3] + "..."
	}
	return text
}
