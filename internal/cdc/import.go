package cdc

import "time"

// Import is something that wrote many resources without a record of each: an
// import job that has ended, or a restore. Its span is audited.
type Import struct {
	// ID is the job's, or the record's where there is no job.
	ID string
	// Time is the event's: when the job ended, or the restore was asked for.
	Time time.Time
	// Span is in what the writes lie, not widened. Its end may lie ahead: a restore
	// goes on after its record.
	Span Span
}

// UnknownImport is how long before its end an import is taken to have begun whose
// event does not say when. Too long a span costs the audit more searches and
// changes nothing else: what is older than CDC_AUDIT_AFTER was audited before.
const UnknownImport = 24 * time.Hour
