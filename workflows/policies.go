package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// How long an activity may take. What its workflow tries again itself, and shows when it
// lasts, has a limit of attempts; everything else has none: a window never fails by
// itself. Only cdc.ClassInvalidInput is never retried, and says so itself.
const (
	// hydrateTimeout holds activities' hydrateBudget and one SearchTimeout.
	hydrateTimeout = 90 * time.Second
	// pageTimeout holds a wait for a search token and a search, or the reads of a page's
	// bodies.
	pageTimeout = 60 * time.Second
	// publishTimeout bounds an attempt that the bus keeps throttling; the next
	// goes on from its heartbeat.
	publishTimeout = 5 * time.Minute
	// heartbeatTimeout holds several PutEvents calls.
	heartbeatTimeout = 30 * time.Second
	// busDelay is the longest between attempts to publish.
	busDelay = time.Minute
	// auditTimeout holds the listing of an hour's versions at the floor that audits have
	// of the search rate; a retry goes on from its heartbeat's types.
	auditTimeout = 2 * time.Hour
	// healTimeout is how long a Heal waits for its windows to close, some time off;
	// what is open then is looked at again.
	healTimeout = 20 * time.Minute
	// auditHeartbeat holds a search with its retries.
	auditHeartbeat = 2 * time.Minute
	// measureTimeout holds the pages of the largest slice of a range (50, or as many reads
	// as an operator names) at the floor that ranges have of the search rate; measureHeartbeat
	// one search.
	measureTimeout   = 30 * time.Minute
	measureHeartbeat = 90 * time.Second
	// wantedAttempts are some ten seconds of attempts to read wanted versions.
	wantedAttempts = 4
	// ledgerTimeout holds the reading of a long history.
	ledgerTimeout = 2 * time.Minute
)

func retries(maxInterval time.Duration) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: maxInterval}
}

func retriesBut(classes ...cdc.Class) *temporal.RetryPolicy {
	policy := retries(cdc.MaxDelay)
	for _, class := range classes {
		policy.NonRetryableErrorTypes = append(policy.NonRetryableErrorTypes, string(class))
	}
	return policy
}

// operatorRetries leave what needs an operator, or has failed for some minutes, to the
// workflow.
func operatorRetries(before cdc.Retry) *temporal.RetryPolicy {
	policy := retriesBut(cdc.ClassForbidden, cdc.ClassInvalidRequest)
	policy.MaximumAttempts = cdc.MaxAttempts
	if before.Failing() {
		policy.MaximumAttempts = 1
	}
	return policy
}

func withPolicy(ctx workflow.Context, datastore string, bulk bool, priority int, summary string, options workflow.ActivityOptions) workflow.Context {
	if bulk {
		priority = cdc.PriorityBulk
	}
	options.Summary = summary
	options.Priority = temporal.Priority{PriorityKey: priority, FairnessKey: datastore}
	if options.RetryPolicy == nil {
		options.RetryPolicy = retries(cdc.MaxDelay)
	}
	return workflow.WithActivityOptions(ctx, options)
}

func bulkQueue(ctx workflow.Context, datastore string) string {
	return cdc.BulkTaskQueue(workflow.GetInfo(ctx).TaskQueueName, datastore)
}

// hydratePolicy runs on the workflows' own task queue: a window's first pages
// wait for no one's further ones. A window in bulk keeps off that queue's slots.
func hydratePolicy(ctx workflow.Context, datastore string, bulk bool, summary string) workflow.Context {
	options := workflow.ActivityOptions{StartToCloseTimeout: hydrateTimeout}
	if bulk {
		options.TaskQueue = bulkQueue(ctx, datastore)
	}
	return withPolicy(ctx, datastore, bulk, cdc.PriorityLive, summary, options)
}

// pagePolicy runs on the datastore's own task queues: what waits there for a search token
// holds a slot of no other store, and bulk work none of live windows.
func pagePolicy(ctx workflow.Context, datastore string, bulk bool, retry *temporal.RetryPolicy, summary string) workflow.Context {
	options := workflow.ActivityOptions{
		TaskQueue:           cdc.LiveTaskQueue(workflow.GetInfo(ctx).TaskQueueName, datastore),
		StartToCloseTimeout: pageTimeout,
		RetryPolicy:         retry,
	}
	if bulk {
		options.TaskQueue = bulkQueue(ctx, datastore)
	}
	return withPolicy(ctx, datastore, bulk, cdc.PriorityFurther, summary, options)
}

// operatorPolicy leaves what lasts to the slice or the range, which shows it.
func operatorPolicy(ctx workflow.Context, datastore string, bulk bool, before cdc.Retry, summary string) workflow.Context {
	return pagePolicy(ctx, datastore, bulk, operatorRetries(before), summary)
}

// wantedPolicy leaves errors that last to the window, which searches its types
// meanwhile and tries again later.
func wantedPolicy(ctx workflow.Context, datastore string, bulk bool, summary string) workflow.Context {
	retry := retriesBut(cdc.ClassForbidden, cdc.ClassInvalidRequest)
	retry.MaximumAttempts = wantedAttempts
	return pagePolicy(ctx, datastore, bulk, retry, summary)
}

func measurePolicy(ctx workflow.Context, datastore string, before cdc.Retry, summary string) workflow.Context {
	ctx = operatorPolicy(ctx, datastore, true, before, summary)
	ctx = workflow.WithStartToCloseTimeout(ctx, measureTimeout)
	return workflow.WithHeartbeatTimeout(ctx, measureHeartbeat)
}

// readPolicy is of reads, which are no searches: on the workflows' own task queue.
func readPolicy(ctx workflow.Context, datastore string, before cdc.Retry, summary string) workflow.Context {
	return withPolicy(ctx, datastore, false, cdc.PriorityLive, summary, workflow.ActivityOptions{
		StartToCloseTimeout: pageTimeout, RetryPolicy: operatorRetries(before),
	})
}

func publishPolicy(ctx workflow.Context, datastore string, bulk bool, summary string) workflow.Context {
	return withPolicy(ctx, datastore, bulk, cdc.PriorityLive, summary, workflow.ActivityOptions{
		StartToCloseTimeout: publishTimeout, HeartbeatTimeout: heartbeatTimeout, RetryPolicy: retries(busDelay),
	})
}

// changesPolicy is of a Publish of changes or of a delete; in bulk it has a task queue
// of its own. One that is cancelled is waited for: what EventBridge has accepted must
// be known.
func changesPolicy(ctx workflow.Context, datastore string, bulk bool, summary string) workflow.Context {
	ctx = publishPolicy(ctx, datastore, bulk, summary)
	if bulk {
		ctx = workflow.WithTaskQueue(ctx, cdc.BulkPublishQueue(workflow.GetInfo(ctx).TaskQueueName))
	}
	return workflow.WithWaitForCancellation(ctx, true)
}

// withMaxAttempts lets the workflow say that an activity's failure lasts.
func withMaxAttempts(ctx workflow.Context) workflow.Context {
	policy := *workflow.GetActivityOptions(ctx).RetryPolicy
	policy.MaximumAttempts = cdc.MaxAttempts
	return workflow.WithRetryPolicy(ctx, policy)
}

func auditPolicy(ctx workflow.Context, datastore, summary string) workflow.Context {
	return withPolicy(ctx, datastore, true, cdc.PriorityBulk, summary, workflow.ActivityOptions{
		TaskQueue: bulkQueue(ctx, datastore), StartToCloseTimeout: auditTimeout, HeartbeatTimeout: auditHeartbeat,
	})
}

// healPolicy runs on the workflows' own task queue: elsewhere it would hold the slots for
// which the windows that it waits for wait.
func healPolicy(ctx workflow.Context, datastore, summary string) workflow.Context {
	return withPolicy(ctx, datastore, true, cdc.PriorityBulk, summary, workflow.ActivityOptions{
		StartToCloseTimeout: healTimeout, HeartbeatTimeout: auditHeartbeat,
	})
}

// ledgerPolicy leaves a ledger that cannot be read to the workflow that needs it, which
// then waits for an operator; that its execution is still open is waited for.
func ledgerPolicy(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: ledgerTimeout,
		RetryPolicy:         retriesBut(cdc.ClassLedgerUnreadable),
		Summary:             summary,
	})
}

// Histories are continued as new before they grow large. The server suggests it
// at 4 MiB, too early for pages of bodies; its limits are 50 MiB and 51,200 events.
const (
	maxHistory = 8 << 20
	maxEvents  = 8_000
)

func historyIsLarge(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetCurrentHistorySize() > maxHistory || info.GetCurrentHistoryLength() > maxEvents
}
