package docs_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/docs"
	"healthlake-cdc/internal/cdc"
)

func eventSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(docs.EventSchema))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	require.NoError(t, compiler.AddResource("event.schema.json", document))
	schema, err := compiler.Compile("event.schema.json")
	require.NoError(t, err)
	return schema
}

func check(t *testing.T, schema *jsonschema.Schema, detail string) error {
	t.Helper()
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(detail))
	require.NoError(t, err, "detail is not JSON: %s", detail)
	return schema.Validate(instance)
}

var (
	format = cdc.EventFormat{Source: "com.fhir-{type}", DetailType: "Fhir{Type}Changed"}
	now    = time.Date(2026, 3, 4, 5, 6, 30, 123456789, time.UTC)
	window = cdc.WindowAt("0123456789abcdef0123456789abcdef", now)
)

func origin(edit ...func(*cdc.Origin)) cdc.Origin {
	o := cdc.Origin{
		Datastore: window.Datastore, Cause: cdc.Cause{SourceTime: now.Truncate(time.Second), CapturedBy: cdc.ByCloudTrail}, CorrelationID: window.ID(),
	}
	for _, f := range edit {
		f(&o)
	}
	return o
}

func observed(version string) []byte {
	return []byte(`{"resourceType":"Observation","id":"bp-1.a","meta":{"versionId":"` + version +
		`"},"text":{"div":"<div>\u003c120</div>"},"valueQuantity":{"value":1.2300000000000000000001}}`)
}

func observation(version string) cdc.Change {
	return cdc.Change{
		Version: cdc.Version{Type: "Observation", ID: "bp-1.a", VersionID: version, LastUpdated: "2026-03-04T05:06:21.5Z"},
		Body:    cdc.NewBody(observed(version)),
	}
}

func detailOf(t *testing.T, event cdc.Event, err error) string {
	t.Helper()
	require.NoError(t, err)
	return string(event.Detail)
}

func changeDetail(t *testing.T, c cdc.Change, o cdc.Origin) string {
	t.Helper()
	event, err := format.ChangeEvent(c, o, now)
	return detailOf(t, event, err)
}

func deleteDetail(t *testing.T, d cdc.Delete, o cdc.Origin) string {
	t.Helper()
	event, err := format.DeleteEvent(d, o, now)
	return detailOf(t, event, err)
}

// exactly is the delete with its resource's id and what history has of it.
func exactly(d cdc.Delete, t *cdc.Tombstone) cdc.Delete {
	d.ResourceID, d.Tombstone = "p1", t
	return d
}

func TestRealEventsAreValid(t *testing.T) {
	schema := eventSchema(t)
	reference := observation("3")
	reference.Body, reference.Reason = cdc.Body{}, cdc.ReasonOversize
	configured := observation("1")
	configured.Body, configured.Reason = cdc.Body{}, cdc.ReasonConfigured
	gone := cdc.Delete{EventID: "5b7c1f3e-8a3e-4f7e-9d39-0d7f5f0f9a11", Type: "Patient", EventTime: now}
	for name, detail := range map[string]string{
		"created":              changeDetail(t, observation("1"), origin()),
		"updated":              changeDetail(t, observation("12"), origin()),
		"oversize reference":   changeDetail(t, reference, origin()),
		"configured reference": changeDetail(t, configured, origin()),
		"replayed": changeDetail(t, observation("2"), origin(func(o *cdc.Origin) {
			o.Replay, o.CapturedBy, o.CorrelationID = "after-outage.1", cdc.ByOperator, cdc.ReplayID("after-outage.1")
		})),
		"unresolved delete":                    deleteDetail(t, gone, origin()),
		"exact delete":                         deleteDetail(t, exactly(gone, &cdc.Tombstone{VersionID: "4", LastUpdated: "2026-03-04T05:06:21.031Z", Body: observed("3")}), origin()),
		"exact delete whose body does not fit": deleteDetail(t, exactly(gone, &cdc.Tombstone{VersionID: "4", LastUpdated: "2026-03-04T05:06:21Z", Reason: cdc.ReasonOversize}), origin()),
		"exact delete without a body":          deleteDetail(t, exactly(gone, &cdc.Tombstone{VersionID: "4"}), origin()),
		"exact delete without a version":       deleteDetail(t, exactly(gone, &cdc.Tombstone{Body: observed("3")}), origin()),
		"exact delete without history":         deleteDetail(t, exactly(gone, nil), origin()),
		"bulk delete of no type": deleteDetail(t, cdc.Delete{
			EventID: gone.EventID, EventTime: now, Scope: cdc.ScopeBulk,
		}, origin()),
	} {
		require.NoError(t, check(t, schema, detail), "%s: %s", name, detail)
	}
	for _, by := range []string{
		cdc.ByCloudTrail, cdc.BySubscription, cdc.ByImport, cdc.ByAudit, cdc.ByBackfill, cdc.ByOperator,
	} {
		detail := changeDetail(t, observation("1"), origin(func(o *cdc.Origin) { o.CapturedBy = by }))
		require.NoError(t, check(t, schema, detail), "captured by %s", by)
	}
}

const (
	exactDelete = `{"meta":{"schema":"healthlake-cdc/1","idempotencyKey":"ds/Patient/p1/_history/4","change":"deleted",
		"datastoreId":"ds","resourceType":"Patient","resourceId":"p1","versionId":"4","lastUpdated":"2026-03-04T05:06:21Z",
		"sourceTime":"2026-03-04T05:06:21Z","publishedAt":"2026-03-04T05:06:22Z","capturedBy":"subscription",
		"correlationId":"delete/ds/e1","payload":"full"},"data":{"resourceType":"Patient","id":"p1","meta":{}}}`
	statement = `{"datastoreId":"ds","resourceType":"Patient","from":"2026-03-04T05:00:00Z","to":"2026-03-04T05:15:10Z",
		"versions":"latest","inStore":8,"published":4,"missing":0,"healed":1,"skipped":1,"superseded":2,
		"deletes":{"exact":0,"unresolved":3,"contradicted":1},"open":3,"unreadable":2,"digest":"` + emptyDigest + `"}`
	// emptyDigest is the SHA-256 of nothing.
	emptyDigest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

func TestRealStatementsAreValid(t *testing.T) {
	schema := eventSchema(t)
	s := cdc.Statement{
		DatastoreID: window.Datastore, ResourceType: "Patient", From: window.Start, To: window.End(),
		Versions: cdc.VersionsLatest, AuditFigures: cdc.AuditFigures{InStore: 3, Published: 2, Missing: 1, Healed: 1}, Digest: emptyDigest,
	}
	all := s
	all.Versions, all.HistoryUnavailable = cdc.VersionsAll, 2
	open := s
	open.InStore, open.Open, open.Unreadable, open.Deletes = 10, 7, 4, cdc.DeleteCounts{Exact: 1, Unresolved: 2, Contradicted: 3}
	for _, s := range []cdc.Statement{s, all, open} {
		event, err := s.Event(now)
		require.NoError(t, check(t, schema, detailOf(t, event, err)))
	}
}

func TestExactDeletesAreValid(t *testing.T) {
	schema := eventSchema(t)
	require.NoError(t, check(t, schema, exactDelete))
	require.NoError(t, check(t, schema, statement))
	bare := edit(t, exactDelete, func(m map[string]any) {
		meta := m["meta"].(map[string]any)
		delete(m, "data")
		delete(meta, "payload")
		delete(meta, "versionId")
		delete(meta, "lastUpdated")
		meta["idempotencyKey"] = "ds/Patient/p1/_delete/e1"
	})
	require.NoError(t, check(t, schema, bare), "an exact delete of which nothing more is known")
}

// edit changes a detail by hand.
func edit(t *testing.T, detail string, change func(map[string]any)) string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(detail))
	decoder.UseNumber()
	var m map[string]any
	require.NoError(t, decoder.Decode(&m))
	change(m)
	text, err := json.Marshal(m)
	require.NoError(t, err)
	return string(text)
}

func TestSchemaRejects(t *testing.T) {
	schema := eventSchema(t)
	full := changeDetail(t, observation("2"), origin())
	reference := observation("2")
	reference.Body, reference.Reason = cdc.Body{}, cdc.ReasonOversize
	referenced := changeDetail(t, reference, origin())
	gone := deleteDetail(t, cdc.Delete{EventID: "e1", Type: "Patient", EventTime: now}, origin())

	set := func(key string, value any) func(map[string]any) {
		return func(m map[string]any) { m["meta"].(map[string]any)[key] = value }
	}
	drop := func(key string) func(map[string]any) {
		return func(m map[string]any) { delete(m["meta"].(map[string]any), key) }
	}
	top := func(key string, value any) func(map[string]any) {
		return func(m map[string]any) { m[key] = value }
	}
	resource := map[string]any{"resourceType": "Patient", "id": "p", "meta": map[string]any{}}
	cases := map[string]struct {
		detail string
		change func(map[string]any)
	}{
		"unknown member of meta":           {full, set("tenant", "x")},
		"unknown member":                   {full, top("extra", 1)},
		"other schema":                     {full, set("schema", "healthlake-cdc/2")},
		"full without data":                {full, func(m map[string]any) { delete(m, "data") }},
		"full with a reason":               {full, set("reason", "oversize")},
		"data that is no resource":         {full, top("data", map[string]any{"id": "p"})},
		"unknown change":                   {full, set("change", "touched")},
		"version 2 created":                {full, set("change", "created")},
		"version 1 updated":                {full, set("versionId", "1")},
		"version as a number":              {full, set("versionId", 2)},
		"empty id":                         {full, set("resourceId", "")},
		"key of no version":                {full, set("idempotencyKey", "ds/Patient/p1")},
		"type in lower case":               {full, set("resourceType", "patient")},
		"time without a zone":              {full, set("lastUpdated", "2026-03-04T05:06:21")},
		"unknown source":                   {full, set("capturedBy", "guess")},
		"no payload":                       {full, drop("payload")},
		"replay with a slash":              {full, set("replay", "a/b")},
		"resolution on a version":          {full, set("resolution", "unresolved")},
		"reference with data":              {referenced, top("data", resource)},
		"reference without reason":         {referenced, drop("reason")},
		"reference for another reason":     {referenced, set("reason", "lazy")},
		"unresolved delete with an id":     {gone, set("resourceId", "p1")},
		"unresolved delete with a version": {gone, set("versionId", "2")},
		"unresolved delete with a time":    {gone, set("lastUpdated", "2026-03-04T05:06:21Z")},
		"unresolved delete with data":      {gone, top("data", resource)},
		"unresolved delete, key of none":   {gone, set("idempotencyKey", "ds/Patient/p1/_history/2")},
		"unresolved delete, other scope":   {gone, set("scope", "all")},
		"delete that is not resolved":      {gone, drop("resolution")},
		"exact delete without an id":       {exactDelete, drop("resourceId")},
		"exact delete with reason only":    {exactDelete, func(m map[string]any) { drop("payload")(m); delete(m, "data"); set("reason", "oversize")(m) }},
		"exact delete with stray data":     {exactDelete, drop("payload")},
		"statement off the edge":           {statement, top("from", "2026-03-04T05:00:01Z")},
		"statement with a negative count":  {statement, top("missing", -1)},
		"statement with half a count":      {statement, top("healed", 0.5)},
		"statement with a short digest":    {statement, top("digest", "abc")},
		"statement without deletes":        {statement, func(m map[string]any) { delete(m, "deletes") }},
		"statement with more":              {statement, top("note", "x")},
		"statement without open":           {statement, func(m map[string]any) { delete(m, "open") }},
		"statement without unreadable":     {statement, func(m map[string]any) { delete(m, "unreadable") }},
		"statement with open below 0":      {statement, top("open", -1)},
		"statement without contradicted":   {statement, top("deletes", map[string]any{"exact": 0, "unresolved": 0})},
		"statement with a history of less": {statement, top("historyUnavailable", -1)},
		"statement of other versions":      {statement, top("versions", "some")},
	}
	for _, key := range []string{"schema", "idempotencyKey", "datastoreId", "resourceId", "sourceTime", "publishedAt", "correlationId"} {
		cases["without "+key] = struct {
			detail string
			change func(map[string]any)
		}{full, drop(key)}
	}
	for name, test := range cases {
		detail := edit(t, test.detail, test.change)
		require.Error(t, check(t, schema, detail), "%s: %s", name, detail)
		require.NoError(t, check(t, schema, edit(t, test.detail, func(map[string]any) {})), "%s: before the edit", name)
	}
}
