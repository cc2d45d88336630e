package trigger

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

type entries []any

func status(kind string, events ...any) tree {
	return tree{"resource": tree{"resourceType": "SubscriptionStatus", "type": kind, "notificationEvent": events}}
}

func notice(timestamp any, focus any) tree {
	return tree{"id": "1", "timestamp": timestamp, "focus": focus}
}

func notification(t *testing.T, list entries) tree {
	return decoded(t, "subscription-handshake.json").set("detail.notificationBundlePayload.entry", list)
}

func TestParseNotification(t *testing.T) {
	const at = "2026-11-23T15:04:05.912Z"
	for name, tc := range map[string]struct {
		entries entries
		want    Outcome
		starts  []int
	}{
		"events of two windows":     {entries{status("event-notification", notice("2026-11-23T15:04:31Z", "Encounter/a"), notice(at, "Patient/b"))}, OutcomeTrigger, []int{0, 20, 30}},
		"one of two types is ours":  {entries{status("event-notification", notice("2026-11-23T15:04:31Z", "Basic/a"), notice(at, "Patient/b"))}, OutcomeTrigger, []int{0}},
		"no type is ours":           {entries{status("event-notification", notice(at, "Basic/a"))}, OutcomeUnconfiguredType, nil},
		"focus is a reference":      {entries{status("event-notification", notice(at, tree{"reference": "Basic/a"}))}, OutcomeUnconfiguredType, nil},
		"focus is a URL":            {entries{status("event-notification", notice(at, "https://x/datastore/y/r4/Basic/a"))}, OutcomeUnconfiguredType, nil},
		"focus of no form":          {entries{status("event-notification", notice(at, 5))}, OutcomeTrigger, []int{0}},
		"no focus":                  {entries{status("event-notification", notice(at, nil))}, OutcomeTrigger, []int{0}},
		"no time: the bundle's":     {entries{status("event-notification", notice(nil, "Patient/a"))}, OutcomeTrigger, []int{0}},
		"resource before status":    {entries{tree{"resource": tree{"resourceType": "Patient"}}, status("event-notification", notice(at, "Patient/a"))}, OutcomeTrigger, []int{0}},
		"handshake beside an event": {entries{status("event-notification", notice(at, "Patient/a")), status("handshake")}, OutcomeTrigger, []int{0}},
		"further ahead":             {entries{status("event-notification", notice(at, "Patient/a"), notice("2026-11-23T15:24:05Z", "Patient/b"))}, OutcomeMalformed, nil},
		"heartbeat":                 {entries{status("heartbeat")}, OutcomeHeartbeat, nil},
		"answer to a query":         {entries{status("query-status")}, OutcomeIgnored, nil},
		"events without events":     {entries{status("event-notification")}, OutcomeMalformed, nil},
		"status without a type":     {entries{status("")}, OutcomeMalformed, nil},
		"events without a type":     {entries{status("", notice(at, "Patient/a"))}, OutcomeTrigger, []int{0}},
		"one event, no list":        {entries{tree{"resource": tree{"resourceType": "SubscriptionStatus", "type": "event-notification", "notificationEvent": notice(at, "Patient/a")}}}, OutcomeTrigger, []int{0}},
		"time of no form":           {entries{status("event-notification", notice("yesterday", "Patient/a"))}, OutcomeTrigger, []int{0}},
		"no status":                 {entries{tree{"resource": tree{"resourceType": "Patient"}}}, OutcomeMalformed, nil},
		"entries of no form":        {entries{5, nil, "x"}, OutcomeMalformed, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := Parse(notification(t, tc.entries).bytes(t), scope())
			require.Equal(t, tc.want, got.Outcome, got.Reason)
			require.Equal(t, windows(tc.starts...), got.Windows)
		})
	}
}

func TestParseNotificationsStore(t *testing.T) {
	for url, want := range map[any]Outcome{
		"https://x/datastore/another/r4/Subscription/1":                   OutcomeUnknownStore,
		"https://proxy.example/a/datastore/" + store + "/r4/Subscription": OutcomeHandshake,
		"https://x/datastore/" + store:                                    OutcomeHandshake,
		"https://x/datastore/" + strings.ToUpper(store) + "/r4/":          OutcomeHandshake,
		"https://x/r4/Subscription/1":                                     OutcomeMalformed,
		store:                                                             OutcomeMalformed,
		"https://x/datastore/a%20b/r4/Subscription/1":                     OutcomeMalformed,
		nil: OutcomeMalformed,
	} {
		body := notification(t, entries{status("handshake")}).set("detail.subscriptionUrl", url)
		require.Equal(t, want, Parse(body.bytes(t), scope()).Outcome, url)
	}
}

func TestParseNotificationsBundleInText(t *testing.T) {
	body := decoded(t, "subscription-id-only.json")
	text, err := json.Marshal(body["detail"].(map[string]any)["notificationBundlePayload"])
	require.NoError(t, err)
	got := Parse(body.set("detail.notificationBundlePayload", string(text)).bytes(t), scope())
	require.Equal(t, Parse(sample(t, "subscription-id-only.json"), scope()), got)
	body.set("detail.notificationBundlePayload", 5)
	require.Equal(t, OutcomeMalformed, Parse(body.bytes(t), scope()).Outcome)
}

func TestParseNotificationOfTooManyWindows(t *testing.T) {
	var events []any
	for i := range MaxWindows + 1 {
		events = append(events, notice(eventTime.Add(-time.Duration(i)*10*time.Second), "Patient/a"))
	}
	got := Parse(notification(t, entries{status("event-notification", events...)}).bytes(t), scope())
	require.Equal(t, OutcomeMalformed, got.Outcome)
	require.Empty(t, got.Windows)
	require.Empty(t, got.Late)
}

// A delete that names no resource asks for nothing: a notification of some 48 KB could
// name a thousand.
func TestParseNotificationOfDeletesWithoutAResource(t *testing.T) {
	for _, focus := range []any{nil, 5, "", "Patient", "Patient/", "Patient/an/odd one", "HIDDEN/p-1", "/p-1"} {
		event := notice(eventTime, focus)
		event["change"] = "delete"
		got := Parse(notification(t, entries{status("event-notification", notice(eventTime, "Patient/a"), event)}).bytes(t), scope())
		require.Equal(t, malformed("notification of a delete names no resource"), got, focus)
	}
}

// What is more than an hour back is opened in the bulk lane, by the time of each event.
func TestParseNotificationOfOldEvents(t *testing.T) {
	hour := scope().Now.Add(-LateAfter)
	got := Parse(notification(t, entries{status("event-notification",
		notice("1990-01-01T00:00:07Z", "Patient/a"), notice(hour, "Patient/b"), notice(hour.Add(-time.Second), "Patient/c"), notice(eventTime, "Patient/d"))}).bytes(t), scope())
	require.Equal(t, OutcomeTrigger, got.Outcome)
	at := cdc.WindowAt(store, hour)
	require.Equal(t, append([]cdc.Window{at}, windows(0)...), got.Windows)
	require.Equal(t, []cdc.Window{{Datastore: store, Start: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)}}, got.Late)
}

// The status of R4 is a Parameters resource, of whatever types its values are.
func TestParseNotificationInParameters(t *testing.T) {
	const at = "2026-11-23T15:04:05.912Z"
	type list = []any
	parameter := func(name, kind string, value any) tree { return tree{"name": name, kind: value} }
	entry := func(parameters ...any) tree {
		return tree{"resource": tree{"resourceType": "Parameters", "parameter": parameters}}
	}
	code := parameter("type", "valueCode", "event-notification")
	event := func(parts ...any) tree { return parameter("notification-event", "part", parts) }
	when := parameter("timestamp", "valueInstant", at)
	focus := parameter("focus", "valueReference", tree{"reference": "Encounter/enc-7"})
	gone := cdc.Delete{EventID: hashedID(store, "6a7e8feb-b491-4cf7-a9f1-bf3703467718:0"), Type: "Encounter", EventTime: notified, ResourceID: "enc-7"}
	for name, tc := range map[string]struct {
		entries entries
		want    Outcome
	}{
		"the guide's":          {entries{entry(parameter("subscription", "valueReference", tree{"reference": "Subscription/1"}), parameter("topic", "valueCanonical", "urn:t"), parameter("status", "valueCode", "active"), code, parameter("events-since-subscription-start", "valueString", "2"), event(parameter("event-number", "valueString", "2"), when, focus))}, OutcomeTrigger},
		"focus as text":        {entries{entry(code, event(when, parameter("focus", "valueString", "Encounter/enc-7")))}, OutcomeTrigger},
		"focus as URL":         {entries{entry(code, event(when, parameter("focus", "valueUri", "https://x/r4/Encounter/enc-7")))}, OutcomeTrigger},
		"time as dateTime":     {entries{entry(code, event(parameter("timestamp", "valueDateTime", "2026-11-23T16:04:05.912+01:00"), focus))}, OutcomeTrigger},
		"type as Coding":       {entries{entry(parameter("type", "valueCoding", tree{"code": "event-notification"}), event(when, focus))}, OutcomeTrigger},
		"type as a concept":    {entries{entry(parameter("type", "valueCodeableConcept", tree{"coding": list{tree{"code": "event-notification"}}}), event(when, focus))}, OutcomeTrigger},
		"type as text":         {entries{entry(parameter("Type", "valueString", " Event_Notification "), event(when, focus))}, OutcomeTrigger},
		"no type":              {entries{entry(event(when, focus))}, OutcomeTrigger},
		"names in camel case":  {entries{entry(code, parameter("notificationEvent", "part", list{when, focus}))}, OutcomeTrigger},
		"a resource as part":   {entries{entry(code, parameter("notification-event", "resource", tree{"timestamp": at, "focus": tree{"reference": "Encounter/enc-7"}}))}, OutcomeTrigger},
		"two events":           {entries{entry(code, event(when, focus), event(when, focus))}, OutcomeTrigger},
		"type that isn't ours": {entries{entry(code, event(when, parameter("focus", "valueReference", tree{"reference": "Basic/b"})))}, OutcomeUnconfiguredType},
		"a delete in context":  {entries{entry(code, event(when, focus, parameter("additional-context", "valueString", "delete")))}, OutcomeDeleteExact},
		"a delete by request":  {entries{entry(code, event(when, focus)), tree{"request": tree{"method": "DELETE", "url": "Encounter/enc-7"}}}, OutcomeDeleteExact},
		"handshake":            {entries{entry(parameter("type", "valueCode", "handshake"))}, OutcomeHandshake},
		"heartbeat":            {entries{entry(parameter("type", "valueCode", "heartbeat"))}, OutcomeHeartbeat},
		"events without any":   {entries{entry(code)}, OutcomeMalformed},
		"values without any":   {entries{entry(tree{"name": "type"}, tree{"name": "notification-event"})}, OutcomeMalformed},
		"no parameters":        {entries{entry()}, OutcomeMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			got := Parse(notification(t, tc.entries).bytes(t), scope())
			require.Equal(t, tc.want, got.Outcome, got.Reason)
			switch tc.want {
			case OutcomeTrigger:
				require.Equal(t, windows(0), got.Windows)
				require.Equal(t, notified, got.Cause.SourceTime)
			case OutcomeDeleteExact:
				require.Equal(t, []cdc.Delete{gone}, got.Deletes)
			}
		})
	}
	// Parts within parts are read as far as anybody nests them, and no further: each
	// level is decoded once more for each above it.
	var inner any = focus
	for range 2000 {
		inner = parameter("more", "part", list{inner})
	}
	got := Parse(notification(t, entries{entry(code, event(when, inner))}).bytes(t), scope())
	require.Equal(t, windows(0), got.Windows)
	raw, err := json.Marshal(inner)
	require.NoError(t, err)
	levels := 0
	for parts := partsOf([]json.RawMessage{raw}, maxDepth); parts.has("more"); parts = parts.object("more") {
		levels++
	}
	require.Equal(t, maxDepth, levels)
}

// The status stands where the bundle should be, or names the store itself.
func TestParseNotificationElsewhere(t *testing.T) {
	body := decoded(t, "subscription-id-only.json")
	detail := body["detail"].(map[string]any)
	entry := detail["notificationBundlePayload"].(map[string]any)["entry"].([]any)[0].(map[string]any)
	detail["notificationBundlePayload"] = entry["resource"]
	require.Equal(t, windows(0), Parse(body.bytes(t), scope()).Windows)
	body.set("detail.subscriptionUrl", absent) // the topic's URL has the store, too
	require.Equal(t, windows(0), Parse(body.bytes(t), scope()).Windows)
	body.set("source", "aws.healthlake")
	require.Equal(t, windows(0), Parse(body.bytes(t), scope()).Windows)
}

// An event of a delete in each of the forms that it may have.
func TestParseNotificationOfDeletes(t *testing.T) {
	const id = "0b9f3f1e-3a77-4b5c-8d0a-2f9f1c0a7e11"
	at := "2026-11-23T15:04:05.912Z"
	gone := func(members tree) tree {
		event := tree{"id": id, "timestamp": at, "focus": "Patient/p-1"}
		for name, value := range members {
			event[name] = value
		}
		return event
	}
	method := func(request tree, fullURL any) tree { return tree{"fullUrl": fullURL, "request": request} }
	exact := cdc.Delete{EventID: hashedID(store, id), Type: "Patient", EventTime: notified, ResourceID: "p-1"}
	for name, list := range map[string]entries{
		"entry's request":       {status("event-notification", gone(nil)), method(tree{"method": "DELETE", "url": "Patient/p-1"}, nil)},
		"entry's URL":           {method(tree{"method": "delete"}, "https://x/r4/Patient/p-1"), status("event-notification", gone(nil))},
		"version in the URL":    {status("event-notification", gone(nil)), method(tree{"method": "DELETE", "url": "Patient/p-1/_history/3"}, nil)},
		"context":               {status("event-notification", gone(tree{"additionalContext": "DELETE"}))},
		"list of contexts":      {status("event-notification", gone(tree{"additionalContext": []any{"Patient/p-1/_history/3", "deleted"}}))},
		"coded":                 {status("event-notification", gone(tree{"triggerEvent": tree{"coding": []any{tree{"code": "delete"}}}}))},
		"type in small letters": {status("event-notification", gone(tree{"focus": "patient/p-1", "change": "deleted"}))},
		"interaction":           {status("event-notification", gone(tree{"interaction": "delete"}))},
		"focus is a reference":  {status("event-notification", gone(tree{"focus": tree{"reference": "Patient/p-1"}, "change": "deleted"}))},
		"focus is a URL":        {status("event-notification", gone(tree{"focus": "https://x/r4/Patient/p-1/_history/3", "action": "delete"}))},
		"named twice":           {status("event-notification", gone(tree{"change": "delete"}), gone(tree{"change": "delete"}))},
	} {
		t.Run(name, func(t *testing.T) {
			got := Parse(notification(t, list).bytes(t), scope())
			require.Equal(t, OutcomeDeleteExact, got.Outcome, got.Reason)
			require.Equal(t, []cdc.Delete{exact}, got.Deletes)
			require.Empty(t, got.Windows)
		})
	}

	// A resource may be called what a delete is called.
	context := notice(at, "Patient/delete")
	context["additionalContext"] = "Patient/delete/_history/1"
	require.Equal(t, OutcomeTrigger, Parse(notification(t, entries{status("event-notification", context)}).bytes(t), scope()).Outcome)

	// A subscription to deletes only, by its id or its topic's.
	for member, value := range map[string]any{
		"subscription": tree{"reference": "Subscription/healthlake-cdc-patient-deletes"},
		"topic":        "https://x/datastore/" + store + "/r4/SubscriptionTopic/healthlake-cdc-patient-deletes",
	} {
		told := status("event-notification", gone(nil))
		told["resource"].(tree)[member] = value
		require.Equal(t, []cdc.Delete{exact}, Parse(notification(t, entries{told}).bytes(t), scope()).Deletes)
	}
}

// One notification reports windows and of several deletes.
func TestParseNotificationOfWritesAndDeletes(t *testing.T) {
	const at = "2026-11-23T15:04:05.912Z"
	deleted := func(id, focus any) tree {
		event := notice(at, focus)
		event["id"], event["change"] = id, "delete"
		return event
	}
	body := notification(t, entries{status("event-notification",
		notice("2026-11-23T15:04:31Z", "Encounter/a"), deleted("1", "Patient/b"), deleted("1", "Patient/c"),
		deleted("1", "Basic/d"))})
	got := Parse(body.bytes(t), scope())
	require.Equal(t, OutcomeTrigger, got.Outcome)
	require.Equal(t, windows(20, 30), got.Windows)
	require.Equal(t, notified, got.Cause.SourceTime)
	// A short id may be another event's too: the place in EventBridge's event is not.
	place := func(i string) string { return hashedID(store, "6a7e8feb-b491-4cf7-a9f1-bf3703467718:"+i) }
	require.Equal(t, []cdc.Delete{
		{EventID: place("1"), Type: "Patient", EventTime: notified, ResourceID: "b"},
		{EventID: place("2"), Type: "Patient", EventTime: notified, ResourceID: "c"},
	}, got.Deletes)

	// A long one is the event's own, unless two resources share it.
	const long = "an id for more than one event"
	shared := notification(t, entries{status("event-notification", deleted(long, "Patient/b"), deleted(long, "Patient/c"), deleted(long, "Patient/b"))})
	require.Equal(t, []cdc.Delete{
		{EventID: hashedID(store, long), Type: "Patient", EventTime: notified, ResourceID: "b"},
		{EventID: place(long + ":1"), Type: "Patient", EventTime: notified, ResourceID: "c"},
	}, Parse(shared.bytes(t), scope()).Deletes)
	require.Equal(t, hashedID(store, long), Parse(shared.set("id", absent).bytes(t), scope()).Deletes[0].EventID)
	short := notification(t, entries{status("event-notification", deleted("1", "Patient/b"))}).set("id", absent)
	require.Equal(t, "notification of a delete has no id", Parse(short.bytes(t), scope()).Reason)

	var many []any
	for range MaxDeletes + 1 {
		many = append(many, deleted("1", "Patient/b"))
	}
	require.Equal(t, OutcomeMalformed, Parse(notification(t, entries{status("event-notification", many...)}).bytes(t), scope()).Outcome)
}
