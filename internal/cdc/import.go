package cdc

import "time"

// Import is an import job that has ended. It wrote many resources without a record of
// each; its span is audited.
type Import struct {
	// ID is the job's.
	ID string
	// Span is in what the writes lie, not widened.
	Span Span
	// Job is set when everything in the span that has no record counts as imported: it
	// is an import job's own time. For a job that does not say when it began, that would
	// go too far.
	Job bool
}

// UnknownImport is how long before its end an import is assumed to have begun whose
// event does not say when. If it is too long, the audit makes more searches, and
// nothing else: what is older than CDC_AUDIT_AFTER was audited before.
const UnknownImport = 24 * time.Hour

// Job is an asynchronous job that may write and of whose end nothing is reported:
// $bulk-patch, an asynchronous bundle. An audit follows it.
type Job struct {
	// ID is the CloudTrail event's that reports its start.
	ID string
	// Span begins where the job's first write may lie and ends with its start.
	Span Span
}
