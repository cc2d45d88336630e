package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// deletesOf are the deletes of a type that came, by key.
func (r *rig) deletesOf(resourceType string) map[string]truth.Event {
	deletes := make(map[string]truth.Event)
	for _, event := range r.subscriber.Events() {
		if event.Meta.Change == cdc.ChangeDeleted && event.Meta.ResourceType == resourceType {
			deletes[event.Meta.IdempotencyKey] = event
		}
	}
	return deletes
}

// delete deletes a resource and returns the record's id.
func (r *rig) delete(t *testing.T, resourceType, id string) string {
	t.Helper()
	require.NoError(t, r.writer.Delete(t.Context(), resourceType, id))
	log := r.Simulator.WriteLog(r.datastore())
	last := log[len(log)-1]
	require.True(t, last.Deleted)
	return last.EventID
}

// A delete whose record hides the id is published at once, without an id; one whose record
// shows it comes with the tombstone's version and the last body from history, and without
// them for a type without history.
func TestDeleteWithAndWithoutID(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{
		Limits: noLimits, HistoryLag: 4 * time.Second, HistoryOff: []string{"Observation"},
	}}, fewTypes)
	r.worker(t)
	for _, resourceType := range []string{"Patient", "Observation", "Condition"} {
		put(t, r.writer, resourceType, "gone-1")
		put(t, r.writer, resourceType, "gone-2")
	}
	require.True(t, r.drained(t).OK())

	hidden := r.delete(t, "Patient", "gone-1")
	require.NoError(t, r.Simulator.SetTrail(simulator.Trail{Sink: r.Sink(), ShowIDs: true, Repeat: 1}))
	shown := r.delete(t, "Patient", "gone-2")
	r.delete(t, "Condition", "gone-1")
	put(t, r.writer, "Condition", "gone-1") // there again before anyone looks
	withoutHistory := r.delete(t, "Observation", "gone-1")
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, 4, report.Total.Deleted)
	require.Equal(t, 4, report.Total.DeletesPublished)
	ds := r.datastore()
	patients := r.deletesOf("Patient")
	require.Len(t, patients, 2)
	unresolved := patients[fmt.Sprintf("%s/Patient/_delete/%s", ds, hidden)]
	require.Equal(t, "unresolved", unresolved.Meta.Resolution)
	require.Empty(t, unresolved.Meta.ResourceID)
	for resourceType, id := range map[string]string{"Patient": "gone-2", "Condition": "gone-1"} {
		event := r.event(t, versionKey(ds, resourceType, id, 2))
		require.Equal(t, "deleted", event.Meta.Change)
		require.Empty(t, event.Meta.Resolution)
		require.Equal(t, "2", event.Meta.VersionID)
		require.True(t, event.Time.Equal(event.Meta.LastUpdated.Truncate(time.Second)), "the tombstone's time")
		require.Equal(t, "full", event.Meta.Payload)
		body, ok := r.Simulator.Body(ds, resourceType, id, 1)
		require.True(t, ok)
		require.Contains(t, string(event.Detail), string(body), "the last body, byte for byte")
		require.Less(t, event.Meta.PublishedAt.Sub(event.Meta.LastUpdated), time.Minute)
	}
	bare := r.event(t, fmt.Sprintf("%s/Observation/gone-1/_delete/%s", ds, withoutHistory))
	require.Equal(t, "gone-1", bare.Meta.ResourceID)
	require.Empty(t, bare.Meta.VersionID)
	require.Zero(t, bare.Size)
	r.valid(t)
	if *record {
		newRecorder(t, r).record(t, "publish-delete-exact", cdc.DeleteID(ds, shown))
	}
	// The ids are nowhere that Temporal stores in plaintext.
	require.NotContains(t, string(r.shownText(t)), "gone-")
}

// notificationBus is the bus of notifications, as its template names it.
const notificationBus = "arn:aws:events:us-west-2:111122223333:event-bus/healthlake-cdc-notifications"

// subscribe sets a subscription to a type up, to the bus of notifications.
func (r *rig) subscribe(t *testing.T, resourceType string) {
	t.Helper()
	name := strings.ToLower(resourceType)
	bodies := [][2]string{
		{"SubscriptionTopic/" + name, fmt.Sprintf(`{"resourceType":"SubscriptionTopic","id":%q,"url":"urn:topic","status":"unknown",
			"resourceTrigger":[{"resource":%q,"supportedInteraction":["create","update","delete"]}]}`, name, resourceType)},
		{"Subscription/" + name, fmt.Sprintf(`{"resourceType":"Subscription","id":%q,"status":"requested",
			"criteria":"https://healthlake.us-west-2.amazonaws.com/datastore/x/r4/SubscriptionTopic/%s",
			"channel":{"type":"event-bridge","endpoint":%q}}`, name, name, notificationBus)},
	}
	for _, body := range bodies {
		_, _, err := r.writer.Do(t.Context(), http.MethodPut, body[0], nil, []byte(body[1]))
		require.NoError(t, err)
	}
}

// heldTrail keeps records until it is released.
type heldTrail struct {
	mu      sync.Mutex
	records []simulator.Record
}

func (h *heldTrail) add(record simulator.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.records = append(h.records, record)
}

func (h *heldTrail) send(sink func(simulator.Record)) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, record := range h.records {
		sink(record)
	}
	return len(h.records)
}

// A version with a notification and a record is published once, whichever comes first; one
// without a record is published by its notification, and so is a delete, with its id.
func TestNotificationBeforeAfterAndWithoutItsRecord(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	w := r.worker(t)
	ds := r.datastore()
	c.pin(windowAgo(ds, time.Minute).Start) // a write may lie some seconds before now, and is told of
	r.subscribe(t, "Patient")
	wrote := func(id string) cdc.Window {
		window := windowIn(ds, 0)
		c.pin(window.Start.Add(alone))
		put(t, r.writer, "Patient", id)
		c.release(0)
		return window
	}
	by := func(id string) string { return r.event(t, versionKey(ds, "Patient", id, 1)).Meta.CapturedBy }

	held := &heldTrail{}
	require.NoError(t, r.Simulator.SetTrail(simulator.Trail{Sink: held.add}))
	before := wrote("before")
	r.opened(t, before.ID())
	until(t, "the record", func(context.Context) bool { return held.send(r.Sink()) > 0 }) // it may come after its window
	complete(t, r.drained(t))
	require.Equal(t, cdc.BySubscription, by("before"))

	require.NoError(t, r.Simulator.SetTrail(simulator.Trail{Sink: r.Sink()}))
	require.NoError(t, r.Simulator.SetNotices(simulator.Notices{Delay: simulator.Fixed(20 * time.Second)}))
	after := wrote("after")
	r.opened(t, after.ID())
	complete(t, r.drained(t))
	require.Equal(t, cdc.ByCloudTrail, by("after"))

	require.NoError(t, r.Simulator.SetTrail(simulator.Trail{Sink: r.Sink(), Loss: 1}))
	require.NoError(t, r.Simulator.SetNotices(simulator.Notices{Repeat: 1}))
	without := wrote("without")
	complete(t, r.drained(t))
	require.Equal(t, cdc.BySubscription, by("without"))

	require.NoError(t, r.writer.Delete(t.Context(), "Patient", "without"))
	report := r.drained(t)
	complete(t, report)
	require.Equal(t, 3, report.Total.Published)
	require.Equal(t, 1, report.Total.DeletesPublished, "no record reports it")
	gone := r.event(t, versionKey(ds, "Patient", "without", 2))
	require.Equal(t, cdc.BySubscription, gone.Meta.CapturedBy)
	require.Equal(t, "full", gone.Meta.Payload)
	r.valid(t)

	require.ElementsMatch(t, []string{before.ID(), after.ID(), without.ID()}, r.windows(t))
	counted := func(result, source string) float64 {
		n, _, err := metric(t.Context(), w.MetricsURL, "healthlake_cdc_windows_total",
			fmt.Sprintf("result=%q", result), fmt.Sprintf("source=%q", source))
		require.NoError(t, err)
		return n
	}
	require.InDelta(t, 2, counted("opened", cdc.BySubscription), 0)
	require.InDelta(t, 1, counted("opened", cdc.ByCloudTrail), 0)
	require.InDelta(t, 1, counted("coalesced", cdc.ByCloudTrail), 0)
	// The late one, and the repeated one unless both came in one batch.
	require.InDelta(t, 1.5, counted("coalesced", cdc.BySubscription), 0.5)
}
