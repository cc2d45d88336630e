package trigger

import (
	"strings"

	"healthlake-cdc/internal/cdc"
)

// Event sources and detail types (AWS HealthLake developer guide, EventBridge
// and CloudTrail chapters).
const (
	serviceSource      = "aws.healthlake"
	subscriptionSource = "healthlake"
	recordSource       = "healthlake.amazonaws.com"

	recordDetailType       = "AWS API Call via CloudTrail"
	notificationDetailType = "FHIR Subscription Notification"
	importDetailPrefix     = "Import Job "

	statusAccepted = 202 // HTTP: the call has begun something that goes on
)

// Parse reads the body of an SQS message: an EventBridge event, as it is or in
// an SNS notification's Message, or a bare CloudTrail record (what a rule with
// an input path of $.detail delivers).
func Parse(body []byte, scope Scope) Result {
	if len(body) > MaxBody {
		return malformed("body is larger than an SQS message can be")
	}
	event, ok := objectOf(body)
	if !ok {
		return malformed("body is not a JSON object")
	}
	if event.text("Type") == "Notification" && !event.has("source") {
		if event, ok = objectOf([]byte(event.text("Message"))); !ok {
			return malformed("Message of the notification is not a JSON object")
		}
	}
	if !event.has("source") && event.has("eventSource") {
		return parseRecord(event, scope)
	}
	return parseEvent(event, scope)
}

func parseEvent(event object, scope Scope) Result {
	source, detailType := event.text("source"), event.text("detail-type")
	switch {
	case source == "":
		return malformed("event has no source")
	case source != serviceSource && source != subscriptionSource:
		return Result{Outcome: OutcomeForeign}
	case detailType == "":
		return malformed("event has no detail-type")
	}
	ours := source == serviceSource && (detailType == recordDetailType || strings.HasPrefix(detailType, importDetailPrefix)) ||
		source == subscriptionSource && detailType == notificationDetailType
	if !ours {
		return Result{Outcome: OutcomeIgnored}
	}
	detail, ok := objectOf(event["detail"])
	switch {
	case !ok:
		return malformed("detail is not a JSON object")
	case detailType == recordDetailType:
		return parseRecord(detail, scope)
	case detailType == notificationDetailType:
		return parseNotification(event, detail, scope)
	default:
		return parseImport(event, detail, scope)
	}
}

// parseImport reads an import job's event. Only what ends an import matters.
func parseImport(event, detail object, scope Scope) Result {
	result := Result{Source: cdc.ByImport}
	switch strings.TrimPrefix(event.text("detail-type"), importDetailPrefix) {
	case "Completed", "Completed With Errors":
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
	result.Time, _ = event.time("time")
	return result.as(OutcomeImport)
}

// parseRecord reads a CloudTrail record.
func parseRecord(record object, scope Scope) Result {
	switch record.text("eventSource") {
	case recordSource:
	case "":
		return malformed("record has no eventSource")
	default:
		return Result{Outcome: OutcomeForeign}
	}
	result := Result{Source: cdc.ByCloudTrail}
	if name := record.text("eventName"); eventNamePattern.MatchString(name) {
		result.EventName = name
	} else {
		return result.malformed("record has no valid eventName")
	}
	kind, known := kindOf(result.EventName)
	status, answered := record.object("responseElements").status("statusCode")
	switch {
	case kind == read || record.isTrue("readOnly"):
		return result.as(OutcomeReadOnly)
	case record.has("errorCode") || answered && status/100 != 2:
		return result.as(OutcomeFailed)
	case kind == control:
		return result.as(OutcomeIgnored)
	}

	parameters := record.object("requestParameters")
	datastore := parameters.text("datastoreId")
	switch {
	case datastore == "":
		return result.malformed("record names no datastore")
	case !scope.Datastores[datastore]:
		return result.as(OutcomeUnknownStore)
	}
	result.Datastore = datastore
	resourceType := namedType(parameters.text("resourceType"), kind)
	if resourceType != "" && !scope.Types[resourceType] {
		return result.as(OutcomeUnconfiguredType)
	}
	var ok bool
	if result.Time, ok = record.time("eventTime"); !ok {
		return result.malformed("record has no valid eventTime")
	}
	if reason := scope.checkTime(result.Time); reason != "" {
		return result.malformed(reason)
	}

	switch kind {
	case importJob:
		return result.as(OutcomeImport)
	case restore:
		return result.as(OutcomeRestore)
	case deletion:
		return result.deleted(record.text("eventID"), resourceType, "")
	case bulkDelete:
		return result.deleted(record.text("eventID"), resourceType, cdc.ScopeBulk)
	}
	result.UnknownEvent = !known
	return result.opening(kind, status == statusAccepted, scope)
}

// namedType is the resource type that a record limits itself to, or "" for any.
// A hidden type and a bundle's own say nothing about the types written.
func namedType(name string, k kind) string {
	writesMany := k == bundle || (k == unknownWrite || k == asyncWrite) && name == "Bundle"
	if writesMany || !cdc.ValidType(name) {
		return ""
	}
	return name
}

// opening adds the windows of a write that completed at r.Time. accepted tells
// that the call was answered by 202: a bundle that goes on being written.
func (r Result) opening(k kind, accepted bool, scope Scope) Result {
	switch k {
	case asyncWrite:
		r.Windows = cdc.WindowsTouching(r.Datastore, r.Time, r.Time.Add(AsyncSpan))
	case bundle:
		r.Windows = scope.touching(r.Datastore, r.Time, max(scope.Lookback, BundleLookback))
		if accepted {
			from := r.Windows[len(r.Windows)-1].End()
			r.Windows = append(r.Windows, cdc.WindowsTouching(r.Datastore, from, r.Time.Add(AsyncSpan))...)
		}
	default:
		r.Windows = scope.touching(r.Datastore, r.Time, scope.Lookback)
	}
	if len(r.Windows) > MaxWindows {
		return r.malformed("record opens too many windows: CDC_LOOKBACK is too long")
	}
	return r.as(OutcomeTrigger)
}

// deleted adds the delete that a record tells of. The record's eventID is what
// makes its repetitions one event.
func (r Result) deleted(eventID, resourceType, scope string) Result {
	if !cdc.ValidEventID(eventID) {
		return r.malformed("record of a delete has no valid eventID")
	}
	r.Delete = &cdc.Delete{EventID: eventID, Type: resourceType, EventTime: r.Time, Scope: scope}
	return r.as(OutcomeDelete)
}
