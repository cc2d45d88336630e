package trigger

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
		"focus is a reference":      {entries{status("event-notification", notice(at, tree{"reference": "Basic/a"}))}, OutcomeTrigger, []int{0}},
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
