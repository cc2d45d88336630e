package trigger

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

const (
	store   = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
	eventID = "31feacd9-6646-4c4f-934b-83b0f6cf6188"
)

var (
	eventTime = time.Date(2026, 11, 23, 15, 4, 5, 0, time.UTC)
	notified  = time.Date(2026, 11, 23, 15, 4, 5, 912e6, time.UTC)
)

func scope() Scope {
	return Scope{
		Datastores: map[string]bool{store: true},
		Types:      map[string]bool{"Patient": true, "Observation": true, "Encounter": true},
		Lookback:   5 * time.Second,
		Now:        eventTime.Add(3 * time.Second),
	}
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "samples", name))
	require.NoError(t, err)
	return body
}

// windows are those that start at 15:04:00 plus the seconds given.
func windows(seconds ...int) []cdc.Window {
	var list []cdc.Window
	for _, s := range seconds {
		list = append(list, cdc.Window{Datastore: store, Start: eventTime.Add(time.Duration(s-5) * time.Second)})
	}
	return list
}

func record(name string) Result {
	return Result{EventName: name, Source: cdc.ByCloudTrail, Datastore: store, Time: eventTime}
}

func TestParseSamples(t *testing.T) {
	trigger := func(name string, w []cdc.Window) Result {
		r := record(name)
		r.Outcome, r.Windows = OutcomeTrigger, w
		return r
	}
	deletion := record("DeleteResource")
	deletion.Outcome = OutcomeDelete
	deletion.Deletes = []cdc.Delete{{EventID: eventID, Type: "Observation", EventTime: eventTime}}
	exact := record("DeleteResource")
	exact.Outcome = OutcomeDeleteExact
	exact.Deletes = []cdc.Delete{{EventID: eventID, Type: "Observation", EventTime: eventTime, ResourceID: "obs-42"}}
	imported := func(job string) Result {
		span := cdc.Span{From: time.Date(2026, 11, 23, 14, 39, 59, 0, time.UTC), To: eventTime.Add(4 * time.Second)}
		return Result{
			Outcome: OutcomeImport, Source: cdc.ByImport, Datastore: store, Time: eventTime.Add(2 * time.Second),
			Import: &cdc.Import{ID: job, Time: eventTime.Add(2 * time.Second), Span: span, Job: true},
		}
	}
	restored := record("RestoreFHIRDatastore").as(OutcomeRestore)
	restored.Import = &cdc.Import{ID: eventID, Time: eventTime, Span: cdc.Span{From: eventTime.Add(-5 * time.Second), To: eventTime.Add(time.Hour)}}
	encounters := Result{Outcome: OutcomeTrigger, Source: cdc.BySubscription, Datastore: store, Time: notified, Windows: windows(0)}
	want := map[string]Result{
		"cloudtrail-bundle-no-type.json":     trigger("ProcessBundle", windows(-30, -20, -10, 0)),
		"cloudtrail-create-patient.json":     trigger("CreateResource", windows(0)),
		"cloudtrail-delete-id-visible.json":  exact,
		"cloudtrail-delete-observation.json": deletion,
		"cloudtrail-failed-update.json":      {Outcome: OutcomeFailed, EventName: "UpdateResource", Source: cdc.ByCloudTrail},
		"cloudtrail-no-response.json":        trigger("UpdateResource", windows(0)),
		"cloudtrail-patch-observation.json":  trigger("PatchResource", windows(0)),
		"cloudtrail-read.json":               {Outcome: OutcomeReadOnly, EventName: "ReadResource", Source: cdc.ByCloudTrail},
		"cloudtrail-restore.json":            restored,
		"cloudtrail-update-patient.json":     trigger("UpdateResource", windows(0)),
		"import-completed-with-errors.json":  imported("8a1f2f3c4d5e6f708192a3b4c5d6e7f9"),
		"import-completed.json":              imported("8a1f2f3c4d5e6f708192a3b4c5d6e7f8"),
		"subscription-full-resource.json":    encounters,
		"subscription-handshake.json":        {Outcome: OutcomeHandshake, Source: cdc.BySubscription, Datastore: store},
		"subscription-id-only.json":          encounters,
		"subscription-two-events.json":       encounters,
	}
	files, err := filepath.Glob(filepath.Join("testdata", "samples", "*.json"))
	require.NoError(t, err)
	require.Len(t, files, len(want), "every sample has a row")
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			expected, found := want[name]
			require.True(t, found, "sample has no row")
			require.Equal(t, expected, Parse(sample(t, name), scope()))
		})
	}
}

// tree is a sample to be changed; set puts a value at a path, nil removes it.
type tree map[string]any

func decoded(t testing.TB, name string) tree {
	var body tree
	require.NoError(t, json.Unmarshal(sample(t, name), &body))
	return body
}

func (b tree) set(path string, value any) tree {
	names := strings.Split(path, ".")
	node := map[string]any(b)
	for _, name := range names[:len(names)-1] {
		node = node[name].(map[string]any)
	}
	node[names[len(names)-1]] = value
	if value == absent {
		delete(node, names[len(names)-1])
	}
	return b
}

type nothing struct{}

var absent = nothing{}

func (b tree) bytes(t testing.TB) []byte {
	body, err := json.Marshal(b)
	require.NoError(t, err)
	return body
}

func TestParseRecord(t *testing.T) {
	const d = "detail."
	type changes map[string]any
	for name, tc := range map[string]struct {
		changes changes
		want    Outcome
		windows []cdc.Window
	}{
		"status in text":            {changes{d + "responseElements": tree{"statusCode": "201"}}, OutcomeTrigger, windows(0)},
		"any 2xx":                   {changes{d + "responseElements": tree{"statusCode": 299}}, OutcomeTrigger, windows(0)},
		"status as decimal":         {changes{d + "responseElements": tree{"statusCode": json.Number("204.0")}}, OutcomeTrigger, windows(0)},
		"status null":               {changes{d + "responseElements": tree{"statusCode": nil}}, OutcomeTrigger, windows(0)},
		"status no status":          {changes{d + "responseElements": tree{"statusCode": tree{}}}, OutcomeTrigger, windows(0)},
		"no response":               {changes{d + "responseElements": absent}, OutcomeTrigger, windows(0)},
		"response in text":          {changes{d + "responseElements": "created"}, OutcomeTrigger, windows(0)},
		"refused in text":           {changes{d + "responseElements": tree{"statusCode": "409"}}, OutcomeFailed, nil},
		"not modified":              {changes{d + "responseElements": tree{"statusCode": 304}}, OutcomeFailed, nil},
		"error without parameters":  {changes{d + "errorCode": "AccessDenied", d + "requestParameters": nil}, OutcomeFailed, nil},
		"null error":                {changes{d + "errorCode": nil}, OutcomeTrigger, windows(0)},
		"readOnly absent":           {changes{d + "readOnly": absent}, OutcomeTrigger, windows(0)},
		"readOnly in text":          {changes{d + "readOnly": "true"}, OutcomeReadOnly, nil},
		"known read, not marked":    {changes{d + "eventName": "SearchWithGet", d + "readOnly": false}, OutcomeReadOnly, nil},
		"unknown read":              {changes{d + "eventName": "PeekResource", d + "readOnly": true}, OutcomeReadOnly, nil},
		"unknown store":             {changes{d + "requestParameters.datastoreId": "another"}, OutcomeUnknownStore, nil},
		"no store":                  {changes{d + "requestParameters.datastoreId": absent}, OutcomeMalformed, nil},
		"store is a number":         {changes{d + "requestParameters.datastoreId": 5}, OutcomeMalformed, nil},
		"no parameters":             {changes{d + "requestParameters": absent}, OutcomeMalformed, nil},
		"another type":              {changes{d + "requestParameters.resourceType": "Basic"}, OutcomeUnconfiguredType, nil},
		"type absent":               {changes{d + "requestParameters.resourceType": absent}, OutcomeTrigger, windows(0)},
		"type null":                 {changes{d + "requestParameters.resourceType": nil}, OutcomeTrigger, windows(0)},
		"type hidden":               {changes{d + "requestParameters.resourceType": "HIDDEN_DUE_TO_SECURITY_REASONS"}, OutcomeTrigger, windows(0)},
		"bundle naming its type":    {changes{d + "eventName": "ProcessBundle", d + "requestParameters.resourceType": "Bundle"}, OutcomeTrigger, windows(-30, -20, -10, 0)},
		"a stored Bundle":           {changes{d + "requestParameters.resourceType": "Bundle"}, OutcomeUnconfiguredType, nil},
		"no time":                   {changes{d + "eventTime": absent}, OutcomeMalformed, nil},
		"time is a number":          {changes{d + "eventTime": 1700000000}, OutcomeMalformed, nil},
		"time before 1970":          {changes{d + "eventTime": "0000-01-01T00:00:00Z"}, OutcomeMalformed, nil},
		"ten minutes ahead":         {changes{d + "eventTime": "2026-11-23T15:14:08Z"}, OutcomeTrigger, windows(600)},
		"further ahead":             {changes{d + "eventTime": "2026-11-23T15:14:09Z"}, OutcomeMalformed, nil},
		"late by a day":             {changes{d + "eventTime": "2026-11-22T15:04:05Z"}, OutcomeTrigger, windows(-86400)},
		"time with an offset":       {changes{d + "eventTime": "2026-11-23T16:04:05+01:00"}, OutcomeTrigger, windows(0)},
		"lookback over an edge":     {changes{d + "eventTime": "2026-11-23T15:04:04Z"}, OutcomeTrigger, windows(-10, 0)},
		"last second of a window":   {changes{d + "eventTime": "2026-11-23T15:04:09Z"}, OutcomeTrigger, windows(0)},
		"first second of a window":  {changes{d + "eventTime": "2026-11-23T15:04:10Z"}, OutcomeTrigger, windows(0, 10)},
		"source of another service": {changes{"source": "aws.s3"}, OutcomeForeign, nil},
		"eventSource of another":    {changes{d + "eventSource": "s3.amazonaws.com"}, OutcomeForeign, nil},
		"no eventSource":            {changes{d + "eventSource": absent}, OutcomeMalformed, nil},
		"no source":                 {changes{"source": absent}, OutcomeMalformed, nil},
		"no detail-type":            {changes{"detail-type": absent}, OutcomeMalformed, nil},
		"another detail-type":       {changes{"detail-type": "Data Store Active"}, OutcomeIgnored, nil},
		"detail is text":            {changes{"detail": "x"}, OutcomeMalformed, nil},
		"no detail":                 {changes{"detail": absent}, OutcomeMalformed, nil},
		"no eventName":              {changes{d + "eventName": absent}, OutcomeMalformed, nil},
		"eventName of no form":      {changes{d + "eventName": "Create Resource"}, OutcomeMalformed, nil},
		"nothing optional":          {changes{d + "userIdentity": 5, d + "awsRegion": tree{}, "resources": nil, "time": 1, d + "requestID": true}, OutcomeTrigger, windows(0)},
		"member added":              {changes{d + "eventName": "MemberAdd", d + "requestParameters.resourceType": absent}, OutcomeTrigger, windows(0)},
		"store made":                {changes{d + "eventName": "CreateFHIRDatastore"}, OutcomeIgnored, nil},
		"export started":            {changes{d + "eventName": "StartFHIRExportJob"}, OutcomeIgnored, nil},
		"import started":            {changes{d + "eventName": "StartFHIRImportJob"}, OutcomeImport, nil},
		"import refused":            {changes{d + "eventName": "StartFHIRImportJob", d + "errorCode": "ThrottlingException"}, OutcomeFailed, nil},
	} {
		t.Run(name, func(t *testing.T) {
			body := decoded(t, "cloudtrail-update-patient.json")
			for path, value := range tc.changes {
				body.set(path, value)
			}
			got := Parse(body.bytes(t), scope())
			require.Equal(t, tc.want, got.Outcome, got.Reason)
			require.Equal(t, tc.windows, got.Windows)
			require.Equal(t, got.Outcome == OutcomeMalformed, got.Reason != "")
			require.False(t, got.UnknownEvent)
		})
	}
}

func TestParseUnknownWriteIsATriggerAndReported(t *testing.T) {
	body := decoded(t, "cloudtrail-update-patient.json").set("detail.eventName", "MergeResource").bytes(t)
	got := Parse(body, scope())
	require.Equal(t, OutcomeTrigger, got.Outcome)
	require.Equal(t, windows(0), got.Windows)
	require.True(t, got.UnknownEvent)
	require.Equal(t, "MergeResource", got.EventName)
}

func TestParseAsynchronousWrites(t *testing.T) {
	job := Parse(decoded(t, "cloudtrail-update-patient.json").set("detail.eventName", "StartFHIRBulkPatchJob").bytes(t), scope())
	require.Equal(t, OutcomeTrigger, job.Outcome)
	require.True(t, job.UnknownEvent)
	require.Equal(t, cdc.WindowsTouching(store, eventTime, eventTime.Add(time.Hour)), job.Windows)

	accepted := Parse(decoded(t, "cloudtrail-bundle-no-type.json").set("detail.responseElements.statusCode", 202).bytes(t), scope())
	require.Equal(t, OutcomeTrigger, accepted.Outcome)
	require.Equal(t, cdc.WindowsTouching(store, eventTime.Add(-30*time.Second), eventTime.Add(time.Hour)), accepted.Windows)
	require.False(t, accepted.UnknownEvent)
}

func TestParseBundleLookbackFloor(t *testing.T) {
	wide := scope()
	wide.Lookback = 40 * time.Second
	require.Equal(t, windows(-40, -30, -20, -10, 0), Parse(sample(t, "cloudtrail-bundle-no-type.json"), wide).Windows)
	wide.Lookback = -time.Minute
	require.Equal(t, windows(0), Parse(sample(t, "cloudtrail-update-patient.json"), wide).Windows)
}

func TestParseDeletes(t *testing.T) {
	parse := func(file string, changes map[string]any) Result {
		body := decoded(t, file)
		for path, value := range changes {
			body.set(path, value)
		}
		return Parse(body.bytes(t), scope())
	}
	const visible, hidden = "cloudtrail-delete-id-visible.json", "cloudtrail-delete-observation.json"
	bulk := parse(visible, map[string]any{"detail.eventName": "StartFHIRBulkDeleteJob", "detail.requestParameters.resourceType": absent})
	require.Equal(t, OutcomeDelete, bulk.Outcome)
	require.Equal(t, []cdc.Delete{{EventID: eventID, EventTime: eventTime, Scope: cdc.ScopeBulk}}, bulk.Deletes)
	require.Empty(t, bulk.Windows)
	for _, id := range []any{absent, nil, "", "a/b", strings.Repeat("x", 129)} {
		got := parse(hidden, map[string]any{"detail.eventID": id})
		require.Equal(t, OutcomeMalformed, got.Outcome)
		require.Empty(t, got.Deletes)
	}
	require.Equal(t, OutcomeUnconfiguredType, parse(hidden, map[string]any{"detail.requestParameters.resourceType": "Basic"}).Outcome)
	for _, id := range []any{absent, nil, "", 5, "HIDDEN_DUE_TO_SECURITY_REASONS", "HIDDEN", "REDACTED", "***", "a/b", "..", strings.Repeat("x", 65)} {
		got := parse(visible, map[string]any{"detail.requestParameters.resourceId": id})
		require.Equal(t, OutcomeDelete, got.Outcome, id)
		require.Empty(t, got.Deletes[0].ResourceID)
	}
	// An id without a type names nothing.
	require.Equal(t, OutcomeDelete, parse(visible, map[string]any{"detail.requestParameters.resourceType": absent}).Outcome)
	elsewhere := parse(hidden, map[string]any{"detail.responseElements": tree{"statusCode": 204, "resourceId": "obs-42"}})
	require.Equal(t, OutcomeDeleteExact, elsewhere.Outcome)
	require.Equal(t, "obs-42", elsewhere.Deletes[0].ResourceID)
}

func TestParseImportJobs(t *testing.T) {
	const file = "import-completed.json"
	for state, want := range map[string]Outcome{
		"Submitted": OutcomeIgnored, "Queued": OutcomeIgnored, "In Progress": OutcomeIgnored,
		"Completed": OutcomeImport, "Completed With Errors": OutcomeImport, "Failed": OutcomeImport,
	} {
		got := Parse(decoded(t, file).set("detail-type", "Import Job "+state).bytes(t), scope())
		require.Equal(t, want, got.Outcome, state)
		require.Equal(t, want == OutcomeImport, got.Import != nil, "a job that has ended may have written, a failed one too")
	}
	require.Equal(t, OutcomeUnknownStore, Parse(decoded(t, file).set("detail.datastoreId", "x").bytes(t), scope()).Outcome)
	require.Equal(t, OutcomeMalformed, Parse(decoded(t, file).set("detail.datastoreId", nil).bytes(t), scope()).Outcome)

	ended := eventTime.Add(2 * time.Second)
	for _, submitted := range []any{absent, nil, 5, "soon", "2027-01-01T00:00:00Z", "0000-01-01T00:00:00Z"} {
		got := Parse(decoded(t, file).set("detail.submitTime", submitted).bytes(t), scope())
		require.Equal(t, ended.Add(-24*time.Hour-time.Second), got.Import.Span.From, submitted)
	}
	// No time: it has ended by now.
	got := Parse(decoded(t, file).set("time", absent).bytes(t), scope())
	require.Equal(t, scope().Now.Add(2*time.Second), got.Import.Span.To)
	// No id of the job: the event's.
	got = Parse(decoded(t, file).set("detail.jobId", "a/b").bytes(t), scope())
	require.Equal(t, "6a7e8feb-b491-4cf7-a9f1-bf3703467718", got.Import.ID)
	require.Equal(t, OutcomeMalformed, Parse(decoded(t, file).set("detail.jobId", 5).set("id", absent).bytes(t), scope()).Outcome)
	require.Equal(t, OutcomeMalformed, Parse(decoded(t, "cloudtrail-restore.json").set("detail.eventID", absent).bytes(t), scope()).Outcome)
}

func TestParseTransports(t *testing.T) {
	body := sample(t, "cloudtrail-create-patient.json")
	want := Parse(body, scope())
	sns, err := json.Marshal(map[string]string{"Type": "Notification", "Message": string(body)})
	require.NoError(t, err)
	require.Equal(t, want, Parse(sns, scope()))
	bare, err := json.Marshal(decoded(t, "cloudtrail-create-patient.json")["detail"])
	require.NoError(t, err)
	require.Equal(t, want, Parse(bare, scope()))
	twice := strings.Replace(string(body), `"eventName": "CreateResource"`, `"eventName": "ReadResource", "eventName": "CreateResource"`, 1)
	require.Equal(t, want, Parse([]byte(twice), scope()))
}

func TestParseMalformedBodies(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "no JSON": "<xml/>", "null": "null", "a list": "[]", "cut off": `{"source":"aws.healthlake"`,
		"too deep":   `{"source":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}",
		"too large":  `{"source":"aws.s3","x":"` + strings.Repeat("x", MaxBody) + `"}`,
		"notice":     `{"Type":"Notification","Message":"obs-42"}`,
		"two values": `{"source":"aws.s3"} {}`,
	} {
		got := Parse([]byte(body), scope())
		require.Equal(t, OutcomeMalformed, got.Outcome, name)
		require.NotEmpty(t, got.Reason, name)
		require.NotContains(t, got.Reason, "obs-42", name)
	}
}
