package trigger

import (
	"strings"
	"time"

	"healthlake-cdc/internal/cdc"
)

// importMargin is added on either side of an import's times, which may be cut to whole
// seconds.
const importMargin = time.Second

// parseImport reads an import job's event. Only what ends an import matters: also
// one that failed may have written.
func parseImport(event, detail object, state string, scope Scope) Result {
	result := Result{Cause: cdc.Cause{CapturedBy: cdc.ByImport}}
	switch strings.ToLower(strings.TrimSpace(state)) {
	case "completed", "completed with errors", "failed":
	default:
		return result.as(OutcomeIgnored)
	}
	var named bool
	result.Datastore, named = scope.datastore(detail.word("datastoreId"), detail.text("datastoreArn"))
	switch {
	case !named:
		return malformed("import job names no datastore")
	case result.Datastore == "":
		return result.as(OutcomeUnknownStore)
	}
	id := shownID(result.Datastore, detail.word("jobId"), event.word("id"))
	if id == "" {
		return malformed("import job has no id")
	}
	ended, ok := event.time("time")
	if !ok {
		ended = scope.Now // it has ended by now
	}
	if reason := scope.checkTime(ended); reason != "" {
		return malformed(reason)
	}
	result.Cause.SourceTime = ended
	from, ok := detail.time("submitTime")
	job := ok && !from.After(ended) && from.Unix() >= 0
	if !job {
		from = ended.Add(-cdc.UnknownImport)
	}
	if ended.Sub(from) > MaxImport {
		return malformed("import job took more than 7 days")
	}
	result.Import = &cdc.Import{
		ID:   id,
		Span: cdc.Span{From: from.Add(-importMargin), To: ended.Add(eventTimeUnit + importMargin)},
		Job:  job,
	}
	return result.as(OutcomeImport)
}
