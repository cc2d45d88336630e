package cdc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestExactDeleteEvent(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	o := Origin{Datastore: "ds", Cause: Cause{CapturedBy: BySubscription, SourceTime: at}, CorrelationID: "delete/ds/e1"}
	d := Delete{EventID: "e1", Type: "Patient", EventTime: at, ResourceID: "p1"}
	bare, err := format.DeleteEvent(d, o, at.Add(time.Second))
	require.NoError(t, err)
	require.True(t, bare.Time.Equal(at), "the record's, where nothing better is known")
	require.JSONEq(t, `{"meta":{"schema":"healthlake-cdc/1","idempotencyKey":"ds/Patient/p1/_delete/e1","change":"deleted",
		"datastoreId":"ds","resourceType":"Patient","resourceId":"p1","sourceTime":"2026-03-04T05:06:07Z",
		"publishedAt":"2026-03-04T05:06:08Z","capturedBy":"subscription","correlationId":"delete/ds/e1"}}`, string(bare.Detail))

	d.Tombstone = &Tombstone{VersionID: "4", LastUpdated: "2026-03-04T05:06:06.031Z", Body: []byte(`{"id":"p1","x":1.00}`)}
	full, err := format.DeleteEvent(d, o, at.Add(time.Second))
	require.NoError(t, err)
	require.True(t, full.Time.Equal(d.Tombstone.Time()))
	want := `{"meta":{"schema":"healthlake-cdc/1","idempotencyKey":"ds/Patient/p1/_history/4","change":"deleted",` +
		`"datastoreId":"ds","resourceType":"Patient","resourceId":"p1","versionId":"4","lastUpdated":"2026-03-04T05:06:06.031Z",` +
		`"sourceTime":"2026-03-04T05:06:07Z","publishedAt":"2026-03-04T05:06:08Z","capturedBy":"subscription",` +
		`"correlationId":"delete/ds/e1","payload":"full"},"data":{"id":"p1","x":1.00}}`
	require.Equal(t, []byte(want), full.Detail, "byte for byte")

	d.Type = ""
	_, err = format.DeleteEvent(d, o, at)
	require.ErrorContains(t, err, "no valid resource type")
	require.NotContains(t, err.Error(), "p1")
}

func TestDeleteOverheadIsAnUpperBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, o, body := versions().Draw(t, "version"), origins().Draw(t, "origin"), bodies().Draw(t, "body")
		d := Delete{EventID: "e1", Type: v.Type, ResourceID: v.ID, EventTime: instants().Draw(t, "eventTime")}
		stone := Tombstone{Body: body}
		if rapid.Bool().Draw(t, "known") {
			stone.VersionID, stone.LastUpdated = v.VersionID, v.LastUpdated
		}
		overhead, err := format.DeleteOverhead(d, stone, o)
		require.NoError(t, err)
		d.Tombstone = &stone
		event, err := format.DeleteEvent(d, o, instants().Draw(t, "now"))
		require.NoError(t, err)
		require.LessOrEqual(t, event.Size(), overhead+len(body))
		require.Less(t, overhead+len(body)-event.Size(), 100, "and a close one")
	})
}

// A file name is not an id, and neither is what would lead elsewhere in a path.
func TestValidResourceID(t *testing.T) {
	for id, want := range map[string]bool{
		"p1": true, "a-b.c": true, "550e8400-e29b-41d4-a716-446655440000": true,
		"": false, ".": false, "..": false, "a/b": false, "HIDDEN_DUE": false, "é": false,
	} {
		require.Equal(t, want, ValidResourceID(id), id)
	}
}
