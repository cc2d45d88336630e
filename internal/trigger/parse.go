package trigger

import (
	"cmp"
	"slices"
	"strings"

	"healthlake-cdc/internal/cdc"
)

// Event sources and detail types, in any letter case (AWS HealthLake developer guide,
// EventBridge and CloudTrail chapters).
const (
	serviceSource      = "aws.healthlake"
	subscriptionSource = "healthlake"
	recordSource       = "healthlake.amazonaws.com"

	recordDetailType       = "AWS API Call via CloudTrail"
	notificationDetailType = "FHIR Subscription Notification"
	importDetailPrefix     = "Import Job "

	statusAccepted = 202 // HTTP: the call has begun something that goes on
)

// Parse reads the body of an SQS message: an EventBridge event, as it is or in an SNS
// notification's Message, or a bare CloudTrail record (of a rule with the input path
// $.detail).
func Parse(body []byte, scope Scope) Result {
	if len(body) > MaxBody {
		return malformed("body is larger than an SQS message can be")
	}
	event, ok := objectOf(body)
	if !ok {
		return malformed("body is not a JSON object")
	}
	if event.text("Type") == "Notification" && !event.has("source") {
		if event, ok = objectOf(event.get("Message")); !ok {
			return malformed("Message of the notification is not a JSON object")
		}
	}
	if !event.has("source") && event.has("eventSource") {
		return parseRecord(nil, event, scope)
	}
	return parseEvent(event, scope)
}

// parseEvent reads an event of EventBridge: a CloudTrail record, a notification of a
// subscription or an import job's end. Other events of HealthLake are ignored.
func parseEvent(event object, scope Scope) Result {
	source, detailType := event.text("source"), event.text("detail-type")
	detail, isObject := objectOf(event.get("detail"))
	ofService := strings.EqualFold(source, serviceSource)
	isRecord := detail.has("eventSource") || strings.EqualFold(detailType, recordDetailType)
	switch {
	case source == "" && detail.has("eventSource"):
		return parseRecord(event, detail, scope)
	case source == "":
		return malformed("event has no source")
	case !ofService && !strings.EqualFold(source, subscriptionSource):
		return Result{Outcome: OutcomeOtherSource}
	case detailType == "" && !isRecord:
		return malformed("event has no detail-type")
	}
	state, isImport := cutPrefix(detailType, importDetailPrefix)
	isNotification := strings.EqualFold(detailType, notificationDetailType)
	ours := isNotification || ofService && (isRecord || isImport)
	switch {
	case !ours:
		return Result{Outcome: OutcomeIgnored}
	case !isObject:
		return malformed("detail is not a JSON object")
	case isNotification:
		return parseNotification(event, detail, scope)
	case isRecord:
		return parseRecord(event, detail, scope)
	default:
		return parseImport(event, detail, state, scope)
	}
}

// cutPrefix is strings.CutPrefix in any letter case.
func cutPrefix(s, prefix string) (after string, found bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// parseRecord reads a CloudTrail record. event is EventBridge's around it, or empty.
func parseRecord(event, record object, scope Scope) Result {
	switch source := strings.ToLower(record.text("eventSource")); {
	case source == recordSource || source == subscriptionSource:
	case source != "":
		return Result{Outcome: OutcomeOtherSource}
	case !strings.EqualFold(event.text("source"), serviceSource):
		return malformed("record has no eventSource")
	}
	name := record.text("eventName")
	result := Result{Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail}}
	kind, known := kindOf(name)
	status, answered := record.object("responseElements").status("statusCode")
	switch {
	case kind == read || record.isTrue("readOnly"):
		return result.as(OutcomeReadOnly)
	case record.has("errorCode") || answered && status/100 != 2:
		return result.as(OutcomeFailed)
	case kind == control:
		return result.as(OutcomeIgnored)
	case kind == restore:
		return result.as(OutcomeRestore)
	}

	parameters := record.object("requestParameters")
	var named bool
	if result.Datastore, named = storeOf(event, record, scope); !named {
		return malformed("record names no datastore")
	}
	if result.Datastore == "" {
		return result.as(OutcomeUnknownStore)
	}
	resourceType := scope.namedType(parameters.text("resourceType"), kind)
	if resourceType != "" && !scope.Types[resourceType] {
		return result.as(OutcomeUnconfiguredType)
	}
	if reason := result.timed(scope, record, event); reason != "" {
		return malformed(reason)
	}
	eventID := shownID(result.Datastore, record.word("eventID"), record.word("requestID"), event.word("id"))
	switch kind {
	case importJob:
		return result.as(OutcomeImport)
	case deletion:
		id := cmp.Or(idIn(parameters), idIn(record.object("responseElements")))
		return result.deleted(cdc.Delete{EventID: eventID, Type: resourceType, ResourceID: id})
	case bulkDelete:
		return result.deleted(cdc.Delete{EventID: eventID, Type: resourceType, Scope: cdc.ScopeBulk})
	}
	if !known {
		result.UnknownEvent = shownName(name)
	}
	return result.written(kind, eventID, kind == asyncWrite || status == statusAccepted, scope)
}

// storeOf is the configured datastore that a record is about; named is false when the
// record names none. CloudTrail omits parameters that are larger than 100 KB.
func storeOf(event, record object, scope Scope) (configured string, named bool) {
	for _, member := range []string{"requestParameters", "additionalEventData", "responseElements"} {
		of := record.object(member)
		if configured, named = scope.datastore(of.word("datastoreId"), of.text("datastoreArn")); named {
			return configured, named
		}
	}
	var arns []string
	for _, raw := range slices.Concat(record.list("resources"), event.list("resources")) {
		resource, _ := objectOf(raw)
		arns = append(arns, placeOnly(textOf(raw)), placeOnly(resource.text("ARN")))
	}
	return scope.datastore(arns...)
}

// timed sets the record's time: its own, or that of EventBridge's event.
func (r *Result) timed(scope Scope, record, event object) (reason string) {
	t, ok := record.time("eventTime")
	if !ok {
		t, ok = event.time("time")
	}
	if !ok {
		return "record has no valid eventTime"
	}
	r.Cause.SourceTime = t
	return scope.checkTime(t)
}

// namedType is the resource type that a record limits itself to, or "" for any. A
// hidden type and a bundle's own say nothing about the types written.
func (s Scope) namedType(name string, k kind) string {
	if k == bundle || (k == unknownWrite || k == asyncWrite) && name == "Bundle" {
		return ""
	}
	return s.resourceType(name)
}

// written adds the windows of a write that completed at the cause's time, and, when it
// goes on after its answer, the job to follow. A job that is no bundle has written nothing
// yet.
func (r Result) written(k kind, eventID string, goesOn bool, scope Scope) Result {
	lookback := max(scope.Lookback, 0)
	if k == bundle {
		lookback = max(lookback, BundleLookback)
	}
	if goesOn {
		if eventID == "" {
			return malformed("record of a job has no id")
		}
		at := r.Cause.SourceTime
		r.Job = &cdc.Job{ID: eventID, Span: cdc.Span{From: at.Add(-lookback), To: at.Add(eventTimeUnit)}}
	}
	if k == asyncWrite {
		return r.as(OutcomeJob)
	}
	r.addWindows(scope, r.Cause.SourceTime, lookback)
	return r.as(OutcomeTrigger)
}

// deleted adds the delete that a record reports.
func (r Result) deleted(d cdc.Delete) Result {
	if d.EventID == "" {
		return malformed("record of a delete has no id")
	}
	d.EventTime = r.Cause.SourceTime
	if d.Type == "" {
		d.ResourceID = "" // an id names nothing without its type
	}
	r.Deletes = []cdc.Delete{d}
	if d.Exact() {
		return r.as(OutcomeDeleteExact)
	}
	return r.as(OutcomeDelete)
}

// idIn is the FHIR id in a record's parameters, "" where it is hidden or absent. A
// hidden id is words in capitals: an id without a digit or a small letter counts as one.
func idIn(parameters object) string {
	id := parameters.text("resourceId")
	if !cdc.ValidResourceID(id) || id == strings.ToUpper(id) && !strings.ContainsAny(id, "0123456789") {
		return ""
	}
	return id
}
