package cdc

import "time"

// Import is an import job that has ended. It wrote many resources without a record of
// each; its span is audited.
type Import struct {
	// ID is the job's.
	ID string
	// Span, not widened, holds its writes.
	Span Span
	// Job is set when everything in the span that has no record counts as imported: the
	// job says when it began.
	Job bool
}

// UnknownImport is how long before its end an import is assumed to have begun whose event
// does not say when. If it is too long, the audit only makes more searches.
const UnknownImport = 24 * time.Hour

// Job is an asynchronous job that may write and of whose end nothing is reported:
// $bulk-patch, an asynchronous bundle. An audit follows it.
type Job struct {
	// ID is the CloudTrail event's that reports its start.
	ID string
	// Span begins where the job's first write may lie and ends with its start.
	Span Span
}
