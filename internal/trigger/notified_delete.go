package trigger

import (
	"encoding/json"
	"strconv"
	"strings"

	"healthlake-cdc/internal/cdc"
)

// told is what a FHIR Subscription Notification holds.
type told struct {
	// event is EventBridge's, bundle what it carries.
	event, bundle object
	events        []json.RawMessage
	// deleted are the references that an entry of the bundle says were deleted.
	deleted map[string]bool
	// ofDeletes tells that the subscription is one to deletes only.
	ofDeletes bool
}

// How a notification tells of a delete is documented nowhere; each of these is
// taken for one:
//   - an entry of the bundle for the event's focus with request.method DELETE,
//     which is what the Subscriptions R5 Backport guide asks of servers;
//   - an event whose additionalContext, or a member that names an interaction,
//     says delete;
//   - an event of a subscription that is to deletes only (starter subscriptions
//     --separate-deletes), whatever it looks like.
//
// An event of none of these opens windows, in which a deleted resource is not
// found: the worst that an unknown form can do is to leave a delete to
// CloudTrail's record.

// addEntry looks at an entry of the bundle that is no SubscriptionStatus.
func (n *told) addEntry(entry object) {
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

func (n *told) isDelete(event object, focus string) bool {
	if n.ofDeletes || n.deleted[focus] {
		return true
	}
	for _, name := range []string{"additionalContext", "interaction", "eventType", "change", "action"} {
		if saysDelete(event[name]) {
			return true
		}
	}
	return false
}

// saysDelete tells whether a value is the word, or a list that holds it. A
// reference to a resource whose id is the word is none.
func saysDelete(raw json.RawMessage) bool {
	var word string
	if json.Unmarshal(raw, &word) == nil {
		word = strings.ToLower(word)
		return word == "delete" || word == "deleted"
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return false
	}
	for _, element := range list {
		if json.Unmarshal(element, &word) == nil && saysDelete(element) {
			return true
		}
	}
	return false
}

// ofDeletes tells whether a status is of a subscription, or a topic, of our own
// making that is to deletes only.
func ofDeletes(status object) bool {
	for _, url := range []string{referenceOf(status["subscription"]), status.text("topic")} {
		_, id, _ := strings.Cut(lastReference(url), "/")
		if strings.HasPrefix(id, cdc.SubscriptionPrefix) && strings.HasSuffix(id, cdc.DeletesSuffix) {
			return true
		}
	}
	return false
}

// shortID is the length below which a notification's event id is taken for a
// number within its subscription, not for an id in the world: two deletes must
// never share one.
const shortID = 16

// eventID is an id for the i-th event: its own, or its place in EventBridge's
// event.
func (n *told) eventID(event object, i int) string {
	if id := event.text("id"); len(id) >= shortID {
		return id
	}
	id := n.event.text("id")
	if id == "" {
		return ""
	}
	return id + ":" + strconv.Itoa(i)
}

// referenceOf is a reference as text, or as the object that FHIR has for it.
func referenceOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	reference, _ := objectOf(raw)
	return reference.text("reference")
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
