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
		return result.restored(record.text("eventID"), scope)
	case deletion:
		id := idIn(parameters)
		if id == "" {
			id = idIn(record.object("responseElements"))
		}
		return result.deleted(cdc.Delete{EventID: record.text("eventID"), Type: resourceType, ResourceID: id})
	case bulkDelete:
		return result.deleted(cdc.Delete{EventID: record.text("eventID"), Type: resourceType, Scope: cdc.ScopeBulk})
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
func (r Result) deleted(d cdc.Delete) Result {
	if !cdc.ValidEventID(d.EventID) {
		return r.malformed("record of a delete has no valid eventID")
	}
	d.EventTime = r.Time
	if d.Type == "" {
		d.ResourceID = "" // an id names nothing without its type
	}
	r.Deletes = []cdc.Delete{d}
	if d.Exact() {
		return r.as(OutcomeDeleteExact)
	}
	return r.as(OutcomeDelete)
}

// idIn is the FHIR id in a record's parameters, "" where it is hidden or absent.
// What stands there instead of an id is words in capitals: an id without a digit
// or a small letter is taken for such.
func idIn(parameters object) string {
	id := parameters.text("resourceId")
	if !cdc.ValidResourceID(id) || id == strings.ToUpper(id) && !strings.ContainsAny(id, "0123456789") {
		return ""
	}
	return id
}
