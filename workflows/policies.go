package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// How long an activity may take, how it is retried, and why. What its workflow tries
// again itself, and shows when it lasts, has a limit of attempts; everything else has
// none: a window never fails by itself. Only cdc.ClassInvalidInput is never retried,
// and says so itself.
const (
	// hydrateTimeout holds activities' hydrateBudget and one callTimeout. It is
	// also how long the sweep of a killed worker stays unnoticed.
	hydrateTimeout = 90 * time.Second
	// pageTimeout holds one search, or the reads of a page's bodies.
	pageTimeout = 60 * time.Second
	// publishTimeout bounds an attempt that the bus keeps throttling; the next
	// goes on from its heartbeat.
	publishTimeout = 5 * time.Minute
	// heartbeatTimeout is how long a Publish of a killed worker stays unnoticed.
	// It holds several PutEvents calls.
	heartbeatTimeout = 30 * time.Second
	// busDelay is the longest between attempts to publish: a bus that is missing
	// or forbidden is retried, and loud.
	busDelay = time.Minute
	// auditTimeout holds the listing of an hour's versions at the bulk share of the
	// search rate; a retry goes on from its heartbeat's types.
	auditTimeout = 2 * time.Hour
	// healTimeout is how long a Heal waits for its windows to close, some time off;
	// what is open then is looked at again.
	healTimeout = 20 * time.Minute
	// auditHeartbeat is how long an AuditSpan or a Heal of a killed worker stays
	// unnoticed. It holds a search with its retries.
	auditHeartbeat = 2 * time.Minute
	// measureTimeout holds the pages of the largest slice of a range (50, or as
	// many reads as an operator names) at a small share of the search rate;
	// measureHeartbeat holds one search.
	measureTimeout   = 30 * time.Minute
	measureHeartbeat = 90 * time.Second
	// wantedAttempts are some ten seconds of attempts to read wanted versions.
	wantedAttempts = 4
	// ledgerTimeout holds the reading of a long history.
	ledgerTimeout = 2 * time.Minute
)

func retries(longest time.Duration) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    time.Second,
		BackoffCoefficient: 2,
		MaximumInterval:    longest,
	}
}

// hydratePolicy runs on the workflows' own task queue: a window's first pages
// wait for no one's further ones. A window in bulk keeps off that queue's slots.
func hydratePolicy(ctx workflow.Context, datastore string, bulk bool, summary string) workflow.Context {
	options := workflow.ActivityOptions{
		StartToCloseTimeout: hydrateTimeout,
		RetryPolicy:         retries(cdc.MaxDelay),
		Summary:             summary,
		Priority:            temporal.Priority{PriorityKey: cdc.PriorityLive, FairnessKey: datastore},
	}
	if bulk {
		options.TaskQueue = cdc.BulkTaskQueue(workflow.GetInfo(ctx).TaskQueueName, datastore)
		options.Priority.PriorityKey = cdc.PriorityBulk
	}
	return workflow.WithActivityOptions(ctx, options)
}

// pagePolicy runs on the datastore's own task queue, whose rate the server
// enforces for the whole fleet.
func pagePolicy(ctx workflow.Context, datastore string, bulk bool, summary string) workflow.Context {
	base := workflow.GetInfo(ctx).TaskQueueName
	options := workflow.ActivityOptions{
		TaskQueue:           cdc.LiveTaskQueue(base, datastore),
		StartToCloseTimeout: pageTimeout,
		RetryPolicy:         retries(cdc.MaxDelay),
		Summary:             summary,
		Priority:            temporal.Priority{PriorityKey: cdc.PriorityFurther, FairnessKey: datastore},
	}
	if bulk {
		options.TaskQueue = cdc.BulkTaskQueue(base, datastore)
		options.Priority.PriorityKey = cdc.PriorityBulk
	}
	return workflow.WithActivityOptions(ctx, options)
}

// operatorPolicy leaves what lasts to the slice or the range, which says so, and takes
// the operator's signals while it waits.
func operatorPolicy(ctx workflow.Context, datastore string, bulk bool, before cdc.Retry, summary string) workflow.Context {
	return workflow.WithRetryPolicy(pagePolicy(ctx, datastore, bulk, summary), patientRetries(before))
}

// patientRetries leaves what needs an operator to the workflow, and what has failed for
// some minutes: from then on the workflow makes every try itself.
func patientRetries(before cdc.Retry) temporal.RetryPolicy {
	policy := retriesBut(cdc.ClassForbidden, cdc.ClassRejected)
	policy.MaximumAttempts = cdc.Patience
	if before.Failing() {
		policy.MaximumAttempts = 1
	}
	return policy
}

// wantedPolicy leaves errors that last to the window, which sweeps its types
// meanwhile and tries again later.
func wantedPolicy(ctx workflow.Context, datastore string, bulk bool, summary string) workflow.Context {
	policy := retriesBut(cdc.ClassForbidden, cdc.ClassRejected)
	policy.MaximumAttempts = wantedAttempts
	return workflow.WithRetryPolicy(pagePolicy(ctx, datastore, bulk, summary), policy)
}

func retriesBut(classes ...cdc.Class) temporal.RetryPolicy {
	policy := retries(cdc.MaxDelay)
	for _, class := range classes {
		policy.NonRetryableErrorTypes = append(policy.NonRetryableErrorTypes, string(class))
	}
	return *policy
}

// readPolicy is of reads of one resource and its history, which are no searches:
// they run on the workflows' own task queue.
func readPolicy(ctx workflow.Context, datastore string, before cdc.Retry, summary string) workflow.Context {
	policy := patientRetries(before)
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: pageTimeout,
		RetryPolicy:         &policy,
		Summary:             summary,
		Priority:            temporal.Priority{PriorityKey: cdc.PriorityLive, FairnessKey: datastore},
	})
}

func publishPolicy(ctx workflow.Context, datastore string, bulk bool, summary string) workflow.Context {
	priority := cdc.PriorityLive
	if bulk {
		priority = cdc.PriorityBulk
	}
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: publishTimeout,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         retries(busDelay),
		Summary:             summary,
		Priority:            temporal.Priority{PriorityKey: priority, FairnessKey: datastore},
	})
}

// auditPolicy runs on the datastore's bulk queue, beside ranges.
func auditPolicy(ctx workflow.Context, datastore, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           cdc.BulkTaskQueue(workflow.GetInfo(ctx).TaskQueueName, datastore),
		StartToCloseTimeout: auditTimeout,
		HeartbeatTimeout:    auditHeartbeat,
		RetryPolicy:         retries(cdc.MaxDelay),
		Summary:             summary,
		Priority:            temporal.Priority{PriorityKey: cdc.PriorityBulk, FairnessKey: datastore},
	})
}

// healPolicy runs on the workflows' own task queue: it asks the store for nothing,
// and would otherwise hold the slots for which the windows that it waits for wait.
func healPolicy(ctx workflow.Context, datastore, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: healTimeout,
		HeartbeatTimeout:    auditHeartbeat,
		RetryPolicy:         retries(cdc.MaxDelay),
		Summary:             summary,
		Priority:            temporal.Priority{PriorityKey: cdc.PriorityBulk, FairnessKey: datastore},
	})
}

// bulkPublishPolicy publishes for ranges and windows in bulk, on a task queue of its
// own.
func bulkPublishPolicy(ctx workflow.Context, datastore, summary string) workflow.Context {
	ctx = publishPolicy(ctx, datastore, true, summary)
	return workflow.WithTaskQueue(ctx, cdc.BulkPublishQueue(workflow.GetInfo(ctx).TaskQueueName))
}

// changesPolicy is of a Publish of changes or of a delete. One that is cancelled is
// waited for: what EventBridge has accepted must be known.
func changesPolicy(ctx workflow.Context, datastore string, bulk bool, summary string) workflow.Context {
	if bulk {
		ctx = bulkPublishPolicy(ctx, datastore, summary)
	} else {
		ctx = publishPolicy(ctx, datastore, false, summary)
	}
	return workflow.WithWaitForCancellation(ctx, true)
}

// patiently limits the attempts of an activity, so that its workflow can say that it
// lasts.
func patiently(ctx workflow.Context) workflow.Context {
	policy := *workflow.GetActivityOptions(ctx).RetryPolicy
	policy.MaximumAttempts = cdc.Patience
	return workflow.WithRetryPolicy(ctx, policy)
}

// measurePolicy holds a whole slice's pages in one attempt.
func measurePolicy(ctx workflow.Context, datastore string, before cdc.Retry, summary string) workflow.Context {
	ctx = operatorPolicy(ctx, datastore, true, before, summary)
	ctx = workflow.WithStartToCloseTimeout(ctx, measureTimeout)
	return workflow.WithHeartbeatTimeout(ctx, measureHeartbeat)
}

// ledgerPolicy leaves a ledger that cannot be read to whoever needs it, and who then
// waits for an operator; that its execution is still open is waited for.
func ledgerPolicy(ctx workflow.Context, summary string) workflow.Context {
	policy := retriesBut(cdc.ClassLedger)
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: ledgerTimeout,
		RetryPolicy:         &policy,
		Summary:             summary,
	})
}

// Histories are continued as new before they grow large. The server suggests it
// at 4 MiB, too early for pages of bodies; it refuses 50 MiB and 51,200 events.
const (
	largestHistory = 8 << 20
	mostEvents     = 8_000
)

func historyIsLarge(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetCurrentHistorySize() > largestHistory || info.GetCurrentHistoryLength() > mostEvents
}
