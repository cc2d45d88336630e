package trigger

import (
	"strings"
	"time"

	"healthlake-cdc/internal/cdc"
)

// importMargin is added on either side of what an import's event says, which may
// be cut to whole seconds.
const importMargin = time.Second

// parseImport reads an import job's event. Only what ends an import matters: also
// one that failed may have written.
func parseImport(event, detail object, scope Scope) Result {
	result := Result{Source: cdc.ByImport}
	switch strings.TrimPrefix(event.text("detail-type"), importDetailPrefix) {
	case "Completed", "Completed With Errors", "Failed":
	default:
		return result.as(OutcomeIgnored)
	}
	datastore := detail.text("datastoreId")
	switch {
	case datastore == "":
		return result.malformed("import job names no datastore")
	case !scope.Datastores[datastore]:
		return result.as(OutcomeUnknownStore)
	}
	result.Datastore = datastore
	id := detail.text("jobId")
	if !cdc.ValidEventID(id) {
		id = event.text("id")
	}
	if !cdc.ValidEventID(id) {
		return result.malformed("import job has no valid id")
	}
	var ok bool
	if result.Time, ok = event.time("time"); !ok {
		result.Time = scope.Now // it has ended by now
	}
	if reason := scope.checkTime(result.Time); reason != "" {
		return result.malformed(reason)
	}
	from, ok := detail.time("submitTime")
	job := ok && !from.After(result.Time) && from.Unix() >= 0
	if !job {
		from = result.Time.Add(-cdc.UnknownImport)
	}
	result.Import = &cdc.Import{
		ID: id, Time: result.Time,
		Span: cdc.Span{From: from.Add(-importMargin), To: result.Time.Add(eventTimeUnit + importMargin)},
		Job:  job,
	}
	return result.as(OutcomeImport)
}

// restored adds the span of a restore. The record tells when it was asked for;
// like other asynchronous work it is expected to write within AsyncSpan.
func (r Result) restored(eventID string, scope Scope) Result {
	if !cdc.ValidEventID(eventID) {
		return r.malformed("record of a restore has no valid eventID")
	}
	r.Import = &cdc.Import{
		ID: eventID, Time: r.Time,
		Span: cdc.Span{From: r.Time.Add(-max(scope.Lookback, 0)), To: r.Time.Add(AsyncSpan)},
	}
	return r.as(OutcomeRestore)
}
