package cdc

import (
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
)

// Search attributes of our workflows. They are plaintext in Temporal: never a FHIR logical
// id. SQL visibility allows few attributes a namespace, so there are only these.
var (
	AttrDatastore   = temporal.NewSearchAttributeKeyKeyword("CdcDatastore")
	AttrState       = temporal.NewSearchAttributeKeyKeyword("CdcState")
	AttrTypes       = temporal.NewSearchAttributeKeyKeywordList("CdcTypes")
	AttrWindowStart = temporal.NewSearchAttributeKeyTime("CdcWindowStart")
	AttrPublished   = temporal.NewSearchAttributeKeyInt64("CdcPublished")
)

// Values of the CdcState search attribute.
const (
	// StateOpen is given at the start of every execution.
	StateOpen = "open"
	// StateClosed is upserted when an execution closes that published something or
	// waited for an operator.
	StateClosed = "closed"
	// StateWaiting is set while something waits for an operator.
	StateWaiting = "waiting"
)

// Workflow type names, as the Temporal UI shows them.
const (
	WorkflowCaptureWindow = "CaptureWindow"
	WorkflowCaptureSlice  = "CaptureSlice"
	WorkflowCaptureRange  = "CaptureRange"
	WorkflowPublishDelete = "PublishDelete"
	WorkflowAudit         = "Audit"
)

// MetricContradicted counts, by datastore and resource type, the deletes that were not
// published because the store shows their resources alive.
const MetricContradicted = "healthlake_cdc_deletes_contradicted"

// QueryProgress is the query for the [Progress] of a window, slice, delete or range.
const QueryProgress = "progress"

// Signals of an operator. An execution of which nothing waits ignores SignalRetry and
// SignalSkip.
const (
	// SignalRetry tries everything that failed again at once. It has no argument.
	SignalRetry = "retry"
	// SignalSkip skips what its argument, a [Skip], names.
	SignalSkip = "skip"
	// SignalPause pauses a range and its slices, or, when its argument is false, resumes
	// them. One signal for both, so that the last one counts.
	SignalPause = "pause"
)

// Who captured a change: the value of meta.capturedBy.
const (
	ByCloudTrail   = "cloudtrail"
	BySubscription = "subscription"
	ByImport       = "import"
	ByAudit        = "audit"
	ByBackfill     = "backfill"
	ByOperator     = "operator"
)

// How the ids of our SubscriptionTopics and Subscriptions begin, and those to deletes end.
const (
	SubscriptionPrefix = "healthlake-cdc-"
	DeletesSuffix      = "-deletes"
)

// Priority keys of our activities, lower first, for servers that honour them:
// live windows go before further pages, and both before bulk work.
const (
	PriorityLive    = 1
	PriorityFurther = 2
	PriorityBulk    = 4
)

// DefaultTaskQueue is CDC_TASK_QUEUE's default.
const DefaultTaskQueue = "healthlake-cdc"

// LiveTaskQueue is the activity task queue of one datastore's further pages.
func LiveTaskQueue(taskQueue, datastore string) string {
	return taskQueue + "/search/" + datastore + "/live"
}

// BulkPublishQueue is the activity task queue of what ranges publish: bulk work has slots
// of its own, also on a server that ignores priorities.
func BulkPublishQueue(taskQueue string) string { return taskQueue + "/publish/bulk" }

// BulkTaskQueue is the activity task queue of one datastore's audits, ranges
// and counts.
func BulkTaskQueue(taskQueue, datastore string) string {
	return taskQueue + "/search/" + datastore + "/bulk"
}

// IsOpen reports whether an execution of that status has not closed: it runs, or was
// paused by Temporal's own means.
func IsOpen(status enumspb.WorkflowExecutionStatus) bool {
	return status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING || status == enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED
}
