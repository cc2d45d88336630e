package e2e

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// Versions are replaced before their search, in the same window and in the next one, or
// deleted: the newest is published, the others are superseded, and none is missing.
func TestVersionReplacedBeforeItsSearch(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{}, fewTypes)
	r.worker(t)
	window := windowIn(r.datastore(), 5*time.Second)
	c.pin(window.Start.Add(alone))
	put(t, r.writer, "Patient", "kept")
	put(t, r.writer, "Patient", "twice")
	put(t, r.writer, "Condition", "later")
	put(t, r.writer, "Observation", "deleted")
	c.pin(window.Start.Add(alone + time.Second))
	put(t, r.writer, "Patient", "twice")
	require.NoError(t, r.writer.Delete(t.Context(), "Observation", "deleted"))
	c.pin(window.End().Add(time.Second))
	put(t, r.writer, "Condition", "later")
	c.release(0)
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, 3, report.Total.Published, "%s", report)
	require.Equal(t, 3, report.Total.Superseded)
	require.Equal(t, 1, report.Total.DeletesPublished)
	for key, want := range map[string]int{
		versionKey(r.datastore(), "Patient", "kept", 1):        1,
		versionKey(r.datastore(), "Patient", "twice", 1):       0,
		versionKey(r.datastore(), "Patient", "twice", 2):       1,
		versionKey(r.datastore(), "Condition", "later", 1):     0,
		versionKey(r.datastore(), "Condition", "later", 2):     1,
		versionKey(r.datastore(), "Observation", "deleted", 1): 0,
	} {
		require.Equal(t, want, r.subscriber.Keys()[key], key)
	}
	next := cdc.Window{Datastore: window.Datastore, Start: window.End()}
	replaced := r.event(t, versionKey(r.datastore(), "Condition", "later", 2))
	require.Equal(t, next.ID(), replaced.Meta.CorrelationID)
	require.Equal(t, cdc.ChangeUpdated, replaced.Meta.Change)
	r.valid(t)
}

// A record of a delete names no resource: it is published as an unresolved
// delete, once, however often and however late the record is repeated.
func TestDeletes(t *testing.T) {
	t.Parallel()
	const deletes = 4
	r := newRig(t, stack.Options{}, fewTypes)
	r.worker(t)
	r.worker(t)
	var mu sync.Mutex
	var records []simulator.Record
	require.NoError(t, r.Simulator.SetTrail(simulator.Trail{Repeat: 1, Sink: func(record simulator.Record) {
		r.Sink()(record)
		mu.Lock()
		defer mu.Unlock()
		if record.Detail.EventName == "DeleteResource" {
			records = append(records, record)
		}
	}}))
	for i := range deletes {
		put(t, r.writer, "Patient", fmt.Sprintf("deleted-%d", i))
		require.NoError(t, r.writer.Delete(t.Context(), "Patient", fmt.Sprintf("deleted-%d", i)))
	}
	complete(t, r.drained(t))
	require.Len(t, records, 2*deletes, "every record came twice")
	for _, record := range records {
		require.Equal(t, simulator.HiddenID, record.Detail.RequestParameters.ResourceID)
		r.Sink()(record) // once more, after everything has closed
	}
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, deletes, report.Total.DeletesPublished)
	require.Len(t, r.ids(t, "WorkflowType='PublishDelete'"), deletes)
	for _, record := range records {
		key := fmt.Sprintf("%s/Patient/_delete/%s", r.datastore(), record.Detail.EventID)
		event := r.event(t, key)
		require.Equal(t, cdc.ChangeDeleted, event.Meta.Change)
		require.Equal(t, "unresolved", event.Meta.Resolution)
		require.Equal(t, "Patient", event.Meta.ResourceType)
		require.Equal(t, record.Detail.EventTime, event.Meta.SourceTime.UTC())
		require.Equal(t, record.Detail.EventTime, event.Time.UTC())
		require.Empty(t, event.Meta.ResourceID+event.Meta.VersionID)
		require.Zero(t, event.Size, "there is no data")
		require.Equal(t, cdc.DeleteID(r.datastore(), record.Detail.EventID), event.Meta.CorrelationID)
	}
	r.valid(t)
}
