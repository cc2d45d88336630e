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
	// Job tells that everything that lies in the span without a record may be taken
	// for imported: it is an import job's own time. Of a restore, and of a job that
	// does not say when it began, that would go too far.
	Job bool
}

// UnknownImport is how long before its end an import is taken to have begun whose
// event does not say when. Too long a span costs the audit more searches and
// changes nothing else: what is older than CDC_AUDIT_AFTER was audited before.
const UnknownImport = 24 * time.Hour
