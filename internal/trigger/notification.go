package trigger

import (
	"encoding/json"
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

	var events []json.RawMessage
	outcome := OutcomeMalformed
	for _, raw := range bundle.list("entry") {
		entry, _ := objectOf(raw)
		status := entry.object("resource")
		if status.text("resourceType") != "SubscriptionStatus" {
			continue
		}
		switch status.text("type") {
		case "event-notification":
			outcome = OutcomeTrigger
			events = append(events, status.list("notificationEvent")...)
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
		return result.notified(event, bundle, events, scope)
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

// notified adds the windows of the events whose type is ours. An event without
// a time (FHIR does not ask for one) has the bundle's, which is a little later,
// or else EventBridge's.
func (r Result) notified(event, bundle object, events []json.RawMessage, scope Scope) Result {
	if len(events) == 0 {
		return r.malformed("notification of events has none")
	}
	fallback, dated := bundle.time("timestamp")
	if !dated {
		fallback, dated = event.time("time")
	}
	seen := make(map[cdc.Window]bool)
	ours := false
	for _, raw := range events {
		notified, _ := objectOf(raw)
		resourceType, _, reference := strings.Cut(notified.text("focus"), "/")
		if reference && cdc.ValidType(resourceType) && !scope.Types[resourceType] {
			continue
		}
		ours = true
		t, ok := notified.time("timestamp")
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
		for _, window := range scope.touching(r.Datastore, t, scope.Lookback) {
			if !seen[window] {
				seen[window] = true
				r.Windows = append(r.Windows, window)
			}
		}
		if len(r.Windows) > MaxWindows {
			return r.malformed("notification opens too many windows")
		}
	}
	if !ours {
		return r.as(OutcomeUnconfiguredType)
	}
	slices.SortFunc(r.Windows, func(a, b cdc.Window) int { return a.Start.Compare(b.Start) })
	return r.as(OutcomeTrigger)
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
