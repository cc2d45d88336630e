package trigger

import (
	"encoding/json"
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
		"https://x/datastore/" + store:                                    OutcomeMalformed,
		"https://x/datastore/a%20b/r4/Subscription/1":                     OutcomeMalformed,
		nil: OutcomeMalformed,
	} {
		body := decoded(t, "subscription-handshake.json").set("detail.subscriptionUrl", url)
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
	exact := cdc.Delete{EventID: id, Type: "Patient", EventTime: notified, ResourceID: "p-1"}
	for name, list := range map[string]entries{
		"entry's request":      {status("event-notification", gone(nil)), method(tree{"method": "DELETE", "url": "Patient/p-1"}, nil)},
		"entry's URL":          {method(tree{"method": "delete"}, "https://x/r4/Patient/p-1"), status("event-notification", gone(nil))},
		"version in the URL":   {status("event-notification", gone(nil)), method(tree{"method": "DELETE", "url": "Patient/p-1/_history/3"}, nil)},
		"context":              {status("event-notification", gone(tree{"additionalContext": "DELETE"}))},
		"list of contexts":     {status("event-notification", gone(tree{"additionalContext": []any{"Patient/p-1/_history/3", "deleted"}}))},
		"interaction":          {status("event-notification", gone(tree{"interaction": "delete"}))},
		"focus is a reference": {status("event-notification", gone(tree{"focus": tree{"reference": "Patient/p-1"}, "change": "deleted"}))},
		"focus is a URL":       {status("event-notification", gone(tree{"focus": "https://x/r4/Patient/p-1/_history/3", "action": "delete"}))},
		"named twice":          {status("event-notification", gone(tree{"change": "delete"}), gone(tree{"change": "delete"}))},
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

// One notification tells of windows and of several deletes.
func TestParseNotificationOfWritesAndDeletes(t *testing.T) {
	const at = "2026-11-23T15:04:05.912Z"
	deleted := func(id, focus any) tree {
		event := notice(at, focus)
		event["id"], event["change"] = id, "delete"
		return event
	}
	body := notification(t, entries{status("event-notification",
		notice("2026-11-23T15:04:31Z", "Encounter/a"), deleted("1", "Patient/b"), deleted("1", "Patient/c"),
		deleted("1", "Basic/d"), deleted("1", nil), deleted("1", "Patient/an/odd one"))})
	got := Parse(body.bytes(t), scope())
	require.Equal(t, OutcomeTrigger, got.Outcome)
	require.Equal(t, windows(20, 30), got.Windows)
	require.Equal(t, notified, got.Time)
	// A short id may be another event's too: the place in EventBridge's event is not.
	const event = "6a7e8feb-b491-4cf7-a9f1-bf3703467718:"
	require.Equal(t, []cdc.Delete{
		{EventID: event + "1", Type: "Patient", EventTime: notified, ResourceID: "b"},
		{EventID: event + "2", Type: "Patient", EventTime: notified, ResourceID: "c"},
		{EventID: event + "4", EventTime: notified},
		{EventID: event + "5", Type: "Patient", EventTime: notified},
	}, got.Deletes)

	only := notification(t, entries{status("event-notification", deleted("1", nil))})
	require.Equal(t, OutcomeDelete, Parse(only.bytes(t), scope()).Outcome)
	require.Equal(t, OutcomeMalformed, Parse(only.set("id", absent).bytes(t), scope()).Outcome)
	var many []any
	for range MaxDeletes + 1 {
		many = append(many, deleted("1", "Patient/b"))
	}
	require.Equal(t, OutcomeMalformed, Parse(notification(t, entries{status("event-notification", many...)}).bytes(t), scope()).Outcome)
}
