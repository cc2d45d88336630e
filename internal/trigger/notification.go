package trigger

import (
	"cmp"
	"strings"
	"time"

	"healthlake-cdc/internal/cdc"
)

// parseNotification reads a FHIR Subscription Notification: a Bundle whose
// SubscriptionStatus lists any number of events. In R4 that status is a Parameters
// resource (Subscriptions R5 Backport guide).
func parseNotification(event, detail object, scope Scope) Result {
	result := Result{Cause: cdc.Cause{CapturedBy: cdc.BySubscription}}
	bundle := detail.object("notificationBundlePayload")
	n := notificationContent{event: event, bundle: bundle, deleted: make(map[string]bool)}
	outcome, withEvents := OutcomeMalformed, false
	stores := []string{placeOnly(detail.text("subscriptionUrl")), detail.word("datastoreId")}
	for _, entry := range entriesOf(bundle) {
		status, ok := statusOf(entry.object("resource"))
		if !ok {
			n.addEntry(entry)
			continue
		}
		stores = append(stores, placeOnly(plainText(status.get("subscription"))), placeOnly(plainText(status.get("topic"))))
		switch kindOfStatus(status) {
		case "event-notification":
			withEvents = true
			n.ofDeletes = n.ofDeletes || ofDeletes(status)
			n.events = append(n.events, status.list("notificationEvent")...)
		case "handshake":
			outcome = OutcomeHandshake
		case "heartbeat":
			outcome = OutcomeHeartbeat
		case "":
		default:
			outcome = OutcomeIgnored
		}
	}
	var named bool
	result.Datastore, named = scope.datastore(stores...)
	switch {
	case !named:
		return malformed("notification names no datastore")
	case result.Datastore == "":
		return result.as(OutcomeUnknownStore)
	case len(bundle) == 0:
		return malformed("notification has no bundle")
	case withEvents:
		return result.notified(n, scope)
	case outcome == OutcomeMalformed:
		return malformed("notification has no SubscriptionStatus with a type")
	}
	return result.as(outcome)
}

// entriesOf are a bundle's entries. What is no bundle counts as the resource of its only
// one.
func entriesOf(bundle object) []object {
	if !bundle.has("entry") && bundle.has("resourceType") && !strings.EqualFold(bundle.text("resourceType"), "Bundle") {
		return []object{{"resource": jsonOf(bundle)}}
	}
	list := bundle.list("entry")
	entries := make([]object, 0, len(list))
	for _, raw := range list {
		entry, _ := objectOf(raw)
		entries = append(entries, entry)
	}
	return entries
}

// kindOfStatus is the type of a status in the form of FHIR's codes. A status without one
// that lists events counts as their notification.
func kindOfStatus(status object) string {
	kind := strings.ToLower(strings.ReplaceAll(plainText(status.get("type")), "_", "-"))
	if kind == "" && len(status.list("notificationEvent")) > 0 {
		return "event-notification"
	}
	return kind
}

// timeOf is an event's time, where it has one, else the bundle's, or EventBridge's.
func (n *notificationContent) timeOf(event object) (t time.Time, ok bool) {
	if t, ok = event.time("timestamp"); !ok {
		t, ok = n.bundle.time("timestamp")
	}
	if !ok {
		t, ok = n.event.time("time")
	}
	return t, ok
}

// notified adds the windows of the events whose type is configured, and the deletes.
func (r Result) notified(n notificationContent, scope Scope) Result {
	if len(n.events) == 0 {
		return malformed("notification of events has none")
	}
	ours := false
	for i, raw := range n.events {
		event, _ := objectOf(raw)
		focus := plainText(event.get("focus"))
		focus = cmp.Or(lastReference(focus), focus) // it may be a whole URL
		name, id, reference := strings.Cut(focus, "/")
		resourceType := scope.resourceType(name)
		if reference && resourceType != "" && !scope.Types[resourceType] {
			continue
		}
		ours = true
		t, ok := n.timeOf(event)
		if !ok {
			return malformed("notification's event has no valid time")
		}
		if reason := scope.checkTime(t); reason != "" {
			return malformed(reason)
		}
		if r.Cause.SourceTime.IsZero() || t.Before(r.Cause.SourceTime) {
			r.Cause.SourceTime = t
		}
		if n.isDelete(event, focus) {
			own, place := n.eventIDs(r.Datastore, event, i)
			d := cdc.Delete{EventID: own, Type: resourceType, ResourceID: id, EventTime: t}
			switch {
			case own == "":
				return malformed("notification of a delete has no id")
			case d.Type == "" || !cdc.ValidResourceID(id):
				return malformed("notification of a delete names no resource")
			}
			r.addDelete(d, place)
		} else {
			r.addWindows(scope, t, scope.Lookback)
		}
		if len(r.Windows)+len(r.Late) > MaxWindows || len(r.Deletes) > MaxDeletes {
			return malformed("notification opens too many windows or names too many deletes")
		}
	}
	switch {
	case !ours:
		return r.as(OutcomeUnconfiguredType)
	case len(r.Windows)+len(r.Late) > 0:
		return r.as(OutcomeTrigger)
	default:
		return r.as(OutcomeDeleteExact)
	}
}

// addDelete adds a delete unless it is there: a notification may name an event
// twice. place is an id for it where another resource's has its own.
func (r *Result) addDelete(d cdc.Delete, place string) {
	for _, other := range r.Deletes {
		switch {
		case other.EventID != d.EventID:
		case other.Type == d.Type && other.ResourceID == d.ResourceID:
			return
		default:
			d.EventID = place
		}
	}
	r.Deletes = append(r.Deletes, d)
}
