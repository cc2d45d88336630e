package workflows

import (
	"errors"

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

// startPublishing puts a batch, or a delete, on the bus.
func startPublishing(ctx workflow.Context, in cdc.PublishInput) *publishing {
	summary := changesSummary(in.Changes)
	if in.Delete != nil {
		summary = "publish 1 delete of " + deletedType(*in.Delete)
	}
	p := &publishing{in: in, policy: changesPolicy(ctx, in.Origin.Datastore, in.Origin.Bulk, summary)}
	p.future = workflow.ExecuteActivity(patiently(p.policy), do.Publish, p.in)
	return p
}

// result waits until the bus has taken the batch. When it has taken nothing for some
// minutes, lasts is called with the reason, and with an empty class when that is over:
// the tries go on meanwhile within a second Publish, which leaves nothing in the
// history however long it takes.
func (p *publishing) result(ctx workflow.Context, lasts func(cdc.Class) error) (cdc.PublishResult, error) {
	result, err := p.get(ctx)
	if class, _, ok := failed(ctx, err); ok {
		if err := lasts(class); err != nil {
			return result, err
		}
		p.in.Accepted = result.EventIDs
		p.future = workflow.ExecuteActivity(p.policy, do.Publish, p.in)
		if result, err = p.get(ctx); err == nil {
			err = lasts("")
		} else if len(result.EventIDs) == 0 {
			result.EventIDs = p.in.Accepted
		}
	}
	if err == nil && ctx.Err() != nil && incomplete(result) {
		return result, ctx.Err()
	}
	if err == nil && len(result.EventIDs) != max(len(p.in.Changes), 1) {
		err = invalidInput("Publish answered for another number of changes")
	}
	return result, err
}

// incomplete reports whether a Publish that was cancelled has left out entries: those
// have neither an id nor a refusal.
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
