package trigger

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/deploy"
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

func record() Result {
	return Result{Datastore: store, Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail, SourceTime: eventTime}}
}

func TestParseSamples(t *testing.T) {
	trigger := func(w []cdc.Window) Result {
		r := record()
		r.Outcome, r.Windows = OutcomeTrigger, w
		return r
	}
	deletion := record()
	deletion.Outcome = OutcomeDelete
	deletion.Deletes = []cdc.Delete{{EventID: eventID, Type: "Observation", EventTime: eventTime}}
	exact := record()
	exact.Outcome = OutcomeDeleteExact
	exact.Deletes = []cdc.Delete{{EventID: eventID, Type: "Observation", EventTime: eventTime, ResourceID: "obs-42"}}
	imported := func(job string) Result {
		span := cdc.Span{From: time.Date(2026, 11, 23, 14, 39, 59, 0, time.UTC), To: eventTime.Add(4 * time.Second)}
		return Result{
			Outcome: OutcomeImport, Datastore: store, Cause: cdc.Cause{CapturedBy: cdc.ByImport, SourceTime: eventTime.Add(2 * time.Second)},
			Import: &cdc.Import{ID: job, Span: span, Job: true},
		}
	}
	encounters := Result{Outcome: OutcomeTrigger, Datastore: store, Cause: cdc.Cause{CapturedBy: cdc.BySubscription, SourceTime: notified}, Windows: windows(0)}
	want := map[string]Result{
		"cloudtrail-bundle-no-type.json":     trigger(windows(-30, -20, -10, 0)),
		"cloudtrail-create-patient.json":     trigger(windows(0)),
		"cloudtrail-delete-id-visible.json":  exact,
		"cloudtrail-delete-observation.json": deletion,
		"cloudtrail-failed-update.json":      {Outcome: OutcomeFailed, Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail}},
		"cloudtrail-no-response.json":        trigger(windows(0)),
		"cloudtrail-patch-observation.json":  trigger(windows(0)),
		"cloudtrail-read.json":               {Outcome: OutcomeReadOnly, Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail}},
		"cloudtrail-restore.json":            {Outcome: OutcomeRestore, Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail}},
		"cloudtrail-update-patient.json":     trigger(windows(0)),
		"import-completed-with-errors.json":  imported("8a1f2f3c4d5e6f708192a3b4c5d6e7f9"),
		"import-completed.json":              imported("8a1f2f3c4d5e6f708192a3b4c5d6e7f8"),
		"subscription-full-resource.json":    encounters,
		"subscription-handshake.json":        {Outcome: OutcomeHandshake, Cause: cdc.Cause{CapturedBy: cdc.BySubscription}, Datastore: store},
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
	arnOf := func(datastore string) string {
		return "arn:aws:healthlake:us-west-2:111122223333:datastore/fhir/" + datastore
	}
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
		"store is a number":         {changes{d + "requestParameters.datastoreId": 5}, OutcomeUnknownStore, nil},
		"store of no form":          {changes{d + "requestParameters.datastoreId": "../" + store}, OutcomeMalformed, nil},
		"store in capitals":         {changes{d + "requestParameters.datastoreId": " " + strings.ToUpper(store) + "\n"}, OutcomeTrigger, windows(0)},
		"store as ARN":              {changes{d + "requestParameters.datastoreId": arnOf(store)}, OutcomeTrigger, windows(0)},
		"store's name spelled":      {changes{d + "requestParameters": tree{"DataStoreID": store}}, OutcomeTrigger, windows(0)},
		"store by its ARN":          {changes{d + "requestParameters": tree{"datastoreArn": arnOf(store)}}, OutcomeTrigger, windows(0)},
		"no parameters":             {changes{d + "requestParameters": absent}, OutcomeMalformed, nil},
		"parameters in text":        {changes{d + "requestParameters": `{"datastoreId":"` + store + `"}`}, OutcomeTrigger, windows(0)},
		"store in resources":        {changes{d + "requestParameters": nil, d + "resources": []any{tree{"ARN": arnOf("another"), "type": "AWS::X::Y"}, tree{"ARN": arnOf(store)}}}, OutcomeTrigger, windows(0)},
		"store in resources as arn": {changes{d + "requestParameters": absent, d + "resources": []any{tree{"arn": arnOf(store) + "/Patient/p-1"}}}, OutcomeTrigger, windows(0)},
		"store in the envelope":     {changes{d + "requestParameters": absent, "resources": []any{arnOf(store)}}, OutcomeTrigger, windows(0)},
		"another in resources":      {changes{d + "requestParameters": absent, d + "resources": []any{tree{"ARN": arnOf("another")}}}, OutcomeUnknownStore, nil},
		"resources of no form":      {changes{d + "requestParameters": absent, d + "resources": "x", "resources": []any{5, nil, "arn:aws:s3:::datastore"}}, OutcomeMalformed, nil},
		"parameters go first":       {changes{d + "requestParameters.datastoreId": "another", d + "resources": []any{tree{"ARN": arnOf(store)}}}, OutcomeUnknownStore, nil},
		"store in the response":     {changes{d + "requestParameters": nil, d + "responseElements": tree{"statusCode": 200, "datastoreId": store}}, OutcomeTrigger, windows(0)},
		"another type":              {changes{d + "requestParameters.resourceType": "Basic"}, OutcomeUnconfiguredType, nil},
		"a subscription's topic":    {changes{d + "requestParameters.resourceType": "SubscriptionTopic"}, OutcomeUnconfiguredType, nil},
		"type absent":               {changes{d + "requestParameters.resourceType": absent}, OutcomeTrigger, windows(0)},
		"type null":                 {changes{d + "requestParameters.resourceType": nil}, OutcomeTrigger, windows(0)},
		"type in small letters":     {changes{d + "requestParameters.resourceType": " observation"}, OutcomeTrigger, windows(0)},
		"type is a word":            {changes{d + "requestParameters.resourceType": "HIDDEN"}, OutcomeTrigger, windows(0)},
		"type is no type":           {changes{d + "requestParameters.resourceType": "Redacted"}, OutcomeTrigger, windows(0)},
		"type in a list":            {changes{d + "requestParameters.resourceType": []any{"Basic"}}, OutcomeTrigger, windows(0)},
		"type hidden":               {changes{d + "requestParameters.resourceType": "HIDDEN_DUE_TO_SECURITY_REASONS"}, OutcomeTrigger, windows(0)},
		"bundle naming its type":    {changes{d + "eventName": "ProcessBundle", d + "requestParameters.resourceType": "Bundle"}, OutcomeTrigger, windows(-30, -20, -10, 0)},
		"a stored Bundle":           {changes{d + "requestParameters.resourceType": "Bundle"}, OutcomeUnconfiguredType, nil},
		"no time":                   {changes{d + "eventTime": absent}, OutcomeTrigger, windows(0)},
		"no time at all":            {changes{d + "eventTime": absent, "time": nil}, OutcomeMalformed, nil},
		"time of no form":           {changes{d + "eventTime": "just now"}, OutcomeTrigger, windows(0)},
		"time of no form, nor its":  {changes{d + "eventTime": "just now", "time": tree{}}, OutcomeMalformed, nil},
		"time is a leap second":     {changes{d + "eventTime": "2026-11-23T15:04:60Z"}, OutcomeTrigger, windows(0)},
		"time in seconds":           {changes{d + "eventTime": eventTime.Unix()}, OutcomeTrigger, windows(0)},
		"time in milliseconds":      {changes{d + "eventTime": strconv.FormatInt(eventTime.UnixMilli(), 10)}, OutcomeTrigger, windows(0)},
		"time without a zone":       {changes{d + "eventTime": "2026-11-23 15:04:05"}, OutcomeTrigger, windows(0)},
		"time in small letters":     {changes{d + "eventTime": "2026-11-23t15:04:05z "}, OutcomeTrigger, windows(0)},
		"time before 1970":          {changes{d + "eventTime": "0000-01-01T00:00:00Z"}, OutcomeMalformed, nil},
		"ten minutes ahead":         {changes{d + "eventTime": "2026-11-23T15:14:08Z"}, OutcomeTrigger, windows(600)},
		"further ahead":             {changes{d + "eventTime": "2026-11-23T15:14:09Z"}, OutcomeMalformed, nil},
		"late by an hour":           {changes{d + "eventTime": "2026-11-23T14:04:08Z"}, OutcomeTrigger, windows(-3600)},
		"time with an offset":       {changes{d + "eventTime": "2026-11-23T16:04:05+01:00"}, OutcomeTrigger, windows(0)},
		"lookback over an edge":     {changes{d + "eventTime": "2026-11-23T15:04:04Z"}, OutcomeTrigger, windows(-10, 0)},
		"last second of a window":   {changes{d + "eventTime": "2026-11-23T15:04:09Z"}, OutcomeTrigger, windows(0)},
		"first second of a window":  {changes{d + "eventTime": "2026-11-23T15:04:10Z"}, OutcomeTrigger, windows(0, 10)},
		"source of another service": {changes{"source": "aws.s3"}, OutcomeOtherSource, nil},
		"eventSource of another":    {changes{d + "eventSource": "s3.amazonaws.com"}, OutcomeOtherSource, nil},
		"no eventSource":            {changes{d + "eventSource": absent}, OutcomeTrigger, windows(0)},
		"no source":                 {changes{"source": absent}, OutcomeTrigger, windows(0)},
		"neither source":            {changes{"source": absent, d + "eventSource": absent}, OutcomeMalformed, nil},
		"no detail-type":            {changes{"detail-type": absent}, OutcomeTrigger, windows(0)},
		"nothing says what it is":   {changes{"detail-type": absent, d + "eventSource": absent}, OutcomeMalformed, nil},
		"source in capitals":        {changes{"source": "AWS.HealthLake ", "detail-type": "aws api call via cloudtrail", d + "eventSource": "HealthLake.amazonaws.com"}, OutcomeTrigger, windows(0)},
		"another detail-type":       {changes{"detail-type": "Data Store Active", d + "eventSource": absent}, OutcomeIgnored, nil},
		"a record all the same":     {changes{"detail-type": "AWS Service Event via CloudTrail"}, OutcomeTrigger, windows(0)},
		"detail is text":            {changes{"detail": "x"}, OutcomeMalformed, nil},
		"record of another source":  {changes{"source": "healthlake"}, OutcomeIgnored, nil},
		"no detail":                 {changes{"detail": absent}, OutcomeMalformed, nil},
		"name in small letters":     {changes{d + "eventName": "createresource "}, OutcomeTrigger, windows(0)},
		"known read, described":     {changes{d + "eventName": "DescribeFHIRBulkPatchJob"}, OutcomeReadOnly, nil},
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
			require.Empty(t, got.UnknownEvent)
		})
	}
}

// A member without a name stands for no other: a forged errorCode would make a write a
// failed one.
func TestParseMemberWithoutAName(t *testing.T) {
	for _, file := range []string{"cloudtrail-update-patient.json", "cloudtrail-delete-observation.json", "cloudtrail-bundle-no-type.json"} {
		body := sample(t, file)
		var event map[string]any
		require.NoError(t, json.Unmarshal(body, &event))
		event[""] = "AccessDenied"
		event["detail"].(map[string]any)[""] = "AccessDenied"
		forged, err := json.Marshal(event)
		require.NoError(t, err)
		require.Equal(t, Parse(body, scope()), Parse(forged, scope()))
	}
}

func TestParseUnknownWriteIsATriggerAndReported(t *testing.T) {
	for name, shown := range map[any]string{
		"MergeResource": "MergeResource", "UpdateResource20260301": "UpdateResource20260301", "Resource2": "Resource2",
		"ReadResource20260301": "ReadResource20260301", "readResource": "readResource", // no read's exact name
		"Create Resource": "unprintable", "Update/Patient/p-1": "unprintable", "2": "unprintable", "": "unprintable", "Ändern": "unprintable",
		strings.Repeat("x", 65): "unprintable", absent: "unprintable", nil: "unprintable", 5: "unprintable", true: "unprintable",
	} {
		body := decoded(t, "cloudtrail-update-patient.json").set("detail.eventName", name).bytes(t)
		got := Parse(body, scope())
		require.Equal(t, OutcomeTrigger, got.Outcome, name)
		require.Equal(t, windows(0), got.Windows)
		require.Equal(t, shown, got.UnknownEvent)
	}
	// With the date of an API's version a delete is one, and a bundle writes what it did.
	dated := func(sample, name string) Result {
		return Parse(decoded(t, sample).set("detail.eventName", name).bytes(t), scope())
	}
	require.Equal(t, OutcomeDelete, dated("cloudtrail-delete-observation.json", "DeleteResource20260301v2").Outcome)
	require.Equal(t, windows(-30, -20, -10, 0), dated("cloudtrail-bundle-no-type.json", "ProcessBundle20260301").Windows)
}

// The template's rule lets everything through but the known reads, and what fails.
func TestTheTemplatesRuleLeavesOutTheKnownReads(t *testing.T) {
	_, list, found := strings.Cut(string(deploy.Template), "- anything-but:\n")
	require.True(t, found)
	list, _, _ = strings.Cut(list, "errorCode:")
	var inTemplate, known []string
	for _, name := range regexp.MustCompile(`- (\w+)`).FindAllStringSubmatch(list, -1) {
		inTemplate = append(inTemplate, name[1])
	}
	for name, k := range kinds {
		if k == read {
			known = append(known, name)
		}
	}
	require.ElementsMatch(t, known, inTemplate)
}

// The messages that users reported: see the names of the files.
func TestParseReported(t *testing.T) {
	for _, file := range []string{"07-event-name.json", "08-parameters-notification.json"} {
		body, err := os.ReadFile(filepath.Join("testdata", "reported", file))
		require.NoError(t, err)
		got := Parse(body, scope())
		require.Equal(t, OutcomeTrigger, got.Outcome, got.Reason)
		require.Equal(t, windows(0), got.Windows, file)
	}
}

// An asynchronous job is followed, and opens no windows of its own; a bundle that goes
// on being written does both.
func TestParseAsynchronousWrites(t *testing.T) {
	following := cdc.Job{ID: eventID, Span: cdc.Span{From: eventTime.Add(-5 * time.Second), To: eventTime.Add(time.Second)}}
	for name, known := range map[string]bool{"StartFHIRBulkPatchJob": true, "StartFHIRBulkPatchJob2": false, "startSomethingElseJobWithGet": false} {
		job := Parse(decoded(t, "cloudtrail-update-patient.json").set("detail.eventName", name).bytes(t), scope())
		require.Equal(t, OutcomeJob, job.Outcome)
		require.Equal(t, known, job.UnknownEvent == "", name)
		require.Equal(t, &following, job.Job)
		require.Empty(t, slices.Concat(job.Windows, job.Late))
	}
	accepted := Parse(decoded(t, "cloudtrail-bundle-no-type.json").set("detail.responseElements.statusCode", "202 Accepted").bytes(t), scope())
	require.Equal(t, OutcomeTrigger, accepted.Outcome)
	require.Equal(t, windows(-30, -20, -10, 0), accepted.Windows)
	following.Span.From = eventTime.Add(-30 * time.Second)
	require.Equal(t, &following, accepted.Job)
	require.Empty(t, accepted.UnknownEvent)
	require.Equal(t, OutcomeUnconfiguredType, Parse(decoded(t, "cloudtrail-update-patient.json").
		set("detail.eventName", "StartFHIRBulkPatchJob").set("detail.requestParameters.resourceType", "Basic").bytes(t), scope()).Outcome)
}

// What is more than an hour back is opened in the bulk lane, whatever it is.
func TestParseOldRecords(t *testing.T) {
	for name, at := range map[string]time.Time{
		"UpdateResource": scope().Now.Add(-LateAfter - time.Second), "ProcessBundle": eventTime.AddDate(0, 0, -1), "MergeResource": time.Date(1990, 1, 1, 0, 0, 5, 0, time.UTC),
	} {
		lookback := scope().Lookback
		if name == "ProcessBundle" {
			lookback = BundleLookback
		}
		got := Parse(decoded(t, "cloudtrail-update-patient.json").set("detail.eventName", name).set("detail.eventTime", at).bytes(t), scope())
		require.Equal(t, OutcomeTrigger, got.Outcome)
		require.Empty(t, got.Windows)
		at = at.Truncate(time.Second)
		require.Equal(t, cdc.WindowsTouching(store, at.Add(-lookback), at.Add(time.Second)), got.Late, name)
	}
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
	// What has not the form of AWS's ids is not shown: it is anybody's text.
	for id, want := range map[any]string{
		"a/b": hashedID(store, "a/b"), "Jane Roe": hashedID(store, "Jane Roe"), 5: hashedID(store, "5"),
		strings.Repeat("x", 129): hashedID(store, strings.Repeat("x", 129)), " " + strings.ToUpper(eventID): eventID,
		// Without one, the call's and EventBridge's.
		absent: "e70389e9-d359-4e95-b701-ba93603eb5b5", nil: "e70389e9-d359-4e95-b701-ba93603eb5b5",
	} {
		got := parse(hidden, map[string]any{"detail.eventID": id})
		require.Equal(t, OutcomeDelete, got.Outcome)
		require.Equal(t, want, got.Deletes[0].EventID)
	}
	require.Equal(t, "6a7e8feb-b491-4cf7-a9f1-bf3703467718", parse(hidden, map[string]any{"detail.eventID": "", "detail.requestID": absent}).Deletes[0].EventID)
	none := parse(hidden, map[string]any{"detail.eventID": "", "detail.requestID": tree{}, "id": absent})
	require.Equal(t, OutcomeMalformed, none.Outcome)
	require.Empty(t, none.Deletes)
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
