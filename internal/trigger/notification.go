package trigger

import (
	"slices"
	"strings"

	"healthlake-cdc/internal/cdc"
)

// parseNotification reads a FHIR Subscription Notification: a Bundle whose
// SubscriptionStatus tells of any number of events.
func parseNotification(event, detail object, scope Scope) Result {
	result := Result{Source: cdc.BySubscription}
	datastore := storeOf(detail.text("subscriptionUrl"))
	switch {
	case datastore == "":
		return result.malformed("notification names no datastore")
	case !scope.Datastores[datastore]:
		return result.as(OutcomeUnknownStore)
	}
	result.Datastore = datastore
	bundle, ok := objectOf(detail["notificationBundlePayload"])
	if !ok {
		bundle, ok = objectOf([]byte(detail.text("notificationBundlePayload")))
	}
	if !ok {
		return result.malformed("notification has no bundle")
	}

	n := told{event: event, bundle: bundle, deleted: make(map[string]bool)}
	outcome := OutcomeMalformed
	for _, raw := range bundle.list("entry") {
		entry, _ := objectOf(raw)
		status := entry.object("resource")
		if status.text("resourceType") != "SubscriptionStatus" {
			n.addEntry(entry)
			continue
		}
		switch status.text("type") {
		case "event-notification":
			outcome = OutcomeTrigger
			n.ofDeletes = n.ofDeletes || ofDeletes(status)
			n.events = append(n.events, status.list("notificationEvent")...)
		case "handshake":
			outcome = other(outcome, OutcomeHandshake)
		case "heartbeat":
			outcome = other(outcome, OutcomeHeartbeat)
		case "":
		default:
			outcome = other(outcome, OutcomeIgnored)
		}
	}
	switch outcome {
	case OutcomeTrigger:
		return result.notified(n, scope)
	case OutcomeMalformed:
		return result.malformed("notification has no SubscriptionStatus with a type")
	default:
		return result.as(outcome)
	}
}

// other is next, unless the notification tells of events as well.
func other(outcome, next Outcome) Outcome {
	if outcome == OutcomeTrigger {
		return outcome
	}
	return next
}

// notified adds the windows of the events whose type is ours, and the deletes. An
// event without a time (FHIR does not ask for one) has the bundle's, which is a
// little later, or else EventBridge's.
func (r Result) notified(n told, scope Scope) Result {
	if len(n.events) == 0 {
		return r.malformed("notification of events has none")
	}
	fallback, dated := n.bundle.time("timestamp")
	if !dated {
		fallback, dated = n.event.time("time")
	}
	seen := make(map[cdc.Window]bool)
	ours := false
	for i, raw := range n.events {
		event, _ := objectOf(raw)
		focus := referenceOf(event["focus"])
		if last := lastReference(focus); last != "" {
			focus = last // it may be a whole URL
		}
		resourceType, id, reference := strings.Cut(focus, "/")
		if reference && cdc.ValidType(resourceType) && !scope.Types[resourceType] {
			continue
		}
		ours = true
		t, ok := event.time("timestamp")
		if !ok {
			t, ok = fallback, dated
		}
		if !ok {
			return r.malformed("notification's event has no valid time")
		}
		if reason := scope.checkTime(t); reason != "" {
			return r.malformed(reason)
		}
		if r.Time.IsZero() || t.Before(r.Time) {
			r.Time = t
		}
		if n.isDelete(event, focus) {
			d := cdc.Delete{EventID: n.eventID(event, i), EventTime: t}
			if !cdc.ValidEventID(d.EventID) {
				return r.malformed("notification of a delete has no valid id")
			}
			if cdc.ValidType(resourceType) {
				d.Type = resourceType
				if cdc.ValidResourceID(id) {
					d.ResourceID = id
				}
			}
			r.addDelete(d)
		} else {
			for _, window := range scope.touching(r.Datastore, t, scope.Lookback) {
				if !seen[window] {
					seen[window] = true
					r.Windows = append(r.Windows, window)
				}
			}
		}
		if len(r.Windows) > MaxWindows || len(r.Deletes) > MaxDeletes {
			return r.malformed("notification opens too many windows or tells of too many deletes")
		}
	}
	slices.SortFunc(r.Windows, func(a, b cdc.Window) int { return a.Start.Compare(b.Start) })
	unresolved := slices.ContainsFunc(r.Deletes, func(d cdc.Delete) bool { return !d.Exact() })
	switch {
	case !ours:
		return r.as(OutcomeUnconfiguredType)
	case len(r.Windows) > 0:
		return r.as(OutcomeTrigger)
	case unresolved:
		return r.as(OutcomeDelete)
	default:
		return r.as(OutcomeDeleteExact)
	}
}

// addDelete adds a delete unless it is there: a notification may name an event
// twice.
func (r *Result) addDelete(d cdc.Delete) {
	if !slices.ContainsFunc(r.Deletes, func(other cdc.Delete) bool { return other.EventID == d.EventID }) {
		r.Deletes = append(r.Deletes, d)
	}
}

// storeOf is the datastore id in a URL of the form …/datastore/{id}/…, or "".
func storeOf(url string) string {
	_, rest, found := strings.Cut(url, "/datastore/")
	id, _, more := strings.Cut(rest, "/")
	if !found || !more || !cdc.ValidDatastore(id) {
		return ""
	}
	return id
}
