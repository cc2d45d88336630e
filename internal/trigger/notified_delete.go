package trigger

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"healthlake-cdc/internal/cdc"
)

// notificationContent is what a FHIR Subscription Notification holds.
type notificationContent struct {
	// event is EventBridge's, bundle what it carries.
	event, bundle object
	events        []json.RawMessage
	// deleted are the references that an entry of the bundle says were deleted.
	deleted map[string]bool
	// ofDeletes is set when the subscription is one to deletes only.
	ofDeletes bool
}

// How a notification reports a delete is not documented; each of these counts as one:
//   - an entry of the bundle for the event's focus with request.method DELETE
//     (Subscriptions R5 Backport guide);
//   - an event whose additionalContext, or a member that names an interaction,
//     says delete;
//   - an event of a subscription that is to deletes only (starter subscriptions
//     --separate-deletes).
//
// An event of none of these opens windows.

// addEntry looks at an entry of the bundle that is no SubscriptionStatus.
func (n *notificationContent) addEntry(entry object) {
	request := entry.object("request")
	if !strings.EqualFold(request.text("method"), "DELETE") {
		return
	}
	for _, url := range []string{request.text("url"), entry.text("fullUrl")} {
		if reference := lastReference(url); reference != "" {
			n.deleted[reference] = true
		}
	}
}

// isDelete reports whether an event is of a delete of its focus.
func (n *notificationContent) isDelete(event object, focus string) bool {
	members := []string{"additionalContext", "interaction", "eventType", "change", "action", "triggerEvent"}
	return n.ofDeletes || n.deleted[focus] ||
		slices.ContainsFunc(members, func(name string) bool { return saysDelete(event.get(name)) })
}

// saysDelete reports whether a value is the word, or a list that holds it. A
// reference to a resource whose id is the word is none.
func saysDelete(raw json.RawMessage) bool {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	return slices.ContainsFunc(list, func(element json.RawMessage) bool {
		word := strings.ToLower(plainText(element))
		return word == "delete" || word == "deleted"
	})
}

// ofDeletes reports whether a status is of a subscription, or a topic, of our own
// making that is to deletes only.
func ofDeletes(status object) bool {
	for _, url := range []string{plainText(status.get("subscription")), plainText(status.get("topic"))} {
		_, id, _ := strings.Cut(lastReference(url), "/")
		if strings.HasPrefix(id, cdc.SubscriptionPrefix) && strings.HasSuffix(id, cdc.DeletesSuffix) {
			return true
		}
	}
	return false
}

// shortID is the length below which a notification's event id counts as a number within
// its subscription, not as a unique id: two deletes must never share one.
const shortID = 16

// eventIDs are ids for the i-th event, hashed: its own, or its place in EventBridge's
// event where that is short or absent, and one of both. They are "" when neither has an
// id.
func (n *notificationContent) eventIDs(datastore string, event object, i int) (own, place string) {
	id, outer := event.word("id"), n.event.word("id")
	if len(id) < shortID {
		if outer == "" {
			return "", ""
		}
		id = outer + ":" + strconv.Itoa(i)
	}
	return hashedID(datastore, id), hashedID(datastore, outer+":"+id+":"+strconv.Itoa(i))
}

// lastReference is the Type/id with which a URL ends, without what may follow
// (/_history/{version}, a query); "" when there is none.
func lastReference(url string) string {
	url, _, _ = strings.Cut(url, "?")
	url, _, _ = strings.Cut(url, "/_history")
	parts := strings.Split(strings.Trim(url, "/"), "/")
	if len(parts) < 2 {
		return ""
	}
	resourceType, id := parts[len(parts)-2], parts[len(parts)-1]
	if !cdc.ValidType(resourceType) || !cdc.ValidResourceID(id) {
		return ""
	}
	return resourceType + "/" + id
}
