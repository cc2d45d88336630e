package trigger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// shownPattern is what an id of an event or a job looks like that came from outside.
var shownPattern = regexp.MustCompile(`^(?:n-[0-9a-f]{32}|[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

var outcomes = []Outcome{
	OutcomeTrigger, OutcomeDelete, OutcomeDeleteExact, OutcomeOtherSource, OutcomeReadOnly, OutcomeFailed,
	OutcomeUnknownStore, OutcomeUnconfiguredType, OutcomeMalformed, OutcomeHandshake,
	OutcomeHeartbeat, OutcomeImport, OutcomeJob, OutcomeRestore, OutcomeIgnored,
}

// reasons are made of our own words only.
var reasonPattern = regexp.MustCompile(`^[A-Za-z0-9'_: -]+$`)

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "samples", "*.json"))
	require.NoError(f, err)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(body)
		for _, m := range mutants {
			f.Add(bytes.ReplaceAll(body, []byte(m.old), []byte(m.new)))
		}
		f.Add(body[:len(body)/2])
	}
	ours := scope()
	f.Fuzz(func(t *testing.T, body []byte) {
		got := Parse(body, ours)
		require.Contains(t, outcomes, got.Outcome)
		require.Equal(t, got, Parse(body, ours), "the same body means the same")

		all := slices.Concat(got.Windows, got.Late)
		require.Equal(t, got.Outcome == OutcomeTrigger, len(all) > 0)
		if got.Outcome == OutcomeDelete || got.Outcome == OutcomeDeleteExact {
			require.NotEmpty(t, got.Deletes)
		} else if got.Outcome != OutcomeTrigger {
			require.Empty(t, got.Deletes)
		}
		require.LessOrEqual(t, len(got.Deletes), MaxDeletes)
		ids := make(map[string]bool)
		for _, d := range got.Deletes {
			require.Regexp(t, shownPattern, d.EventID, "the id of a notification's event is never shown")
			require.True(t, got.Cause.CapturedBy != cdc.BySubscription || strings.HasPrefix(d.EventID, "n-") && d.Exact())
			require.True(t, cdc.ValidEventID(d.EventID))
			require.False(t, ids[d.EventID], "each once")
			ids[d.EventID] = true
			require.True(t, !d.Exact() || cdc.ValidResourceID(d.ResourceID) && ours.Types[d.Type])
			require.True(t, got.Outcome != OutcomeDeleteExact || d.Exact())
			require.Nil(t, d.Tombstone)
		}
		if got.Import != nil {
			require.Equal(t, OutcomeImport, got.Outcome)
			require.Regexp(t, shownPattern, got.Import.ID)
			require.True(t, got.Import.Span.To.After(got.Import.Span.From))
			require.False(t, got.Import.Span.To.After(ours.Now.Add(MaxAhead+time.Minute)))
			require.LessOrEqual(t, got.Import.Span.To.Sub(got.Import.Span.From), MaxImport+time.Minute)
		}
		require.True(t, got.Outcome != OutcomeJob || got.Job != nil)
		if got.Job != nil {
			require.True(t, got.Outcome == OutcomeJob || got.Outcome == OutcomeTrigger && got.Cause.CapturedBy == cdc.ByCloudTrail)
			require.Regexp(t, shownPattern, got.Job.ID)
			require.True(t, got.Job.Span.To.After(got.Job.Span.From))
		}
		require.Equal(t, got.Outcome == OutcomeMalformed, got.Reason != "")
		require.LessOrEqual(t, len(all), MaxWindows)
		for _, list := range [][]cdc.Window{got.Windows, got.Late} {
			for i, w := range list {
				require.NoError(t, w.Validate())
				require.True(t, ours.Datastores[w.Datastore])
				require.Equal(t, got.Datastore, w.Datastore)
				require.False(t, w.Start.After(ours.Now.Add(MaxAhead+time.Second)))
				require.True(t, i == 0 || list[i-1].Start.Before(w.Start), "oldest first, each once")
			}
		}
		for _, w := range got.Windows {
			require.False(t, w.End().Before(ours.Now.Add(-LateAfter-ours.Lookback)), "an old time opens nothing live")
			require.NotContains(t, got.Late, w)
		}
		if got.Datastore != "" {
			require.True(t, ours.Datastores[got.Datastore])
		}
		if got.UnknownEvent != "" {
			require.Regexp(t, namePattern, got.UnknownEvent)
		}
		if got.Reason != "" {
			require.Regexp(t, reasonPattern, got.Reason)
			require.Contains(t, knownReasons, got.Reason, "a reason is one of a fixed set: nothing of the body")
		}
	})
}

var mutants = []struct{ old, new string }{
	{"200", `"200"`},
	{"20", "50"},
	{`"statusCode"`, `"statusCode":null,"statusCode"`},
	{`"readOnly": false,`, ""},
	{"HIDDEN_DUE_TO_SECURITY_REASONS", "obs-42"},
	{"2026-11-23", "2126-11-23"},
	{"2026-11-23", "0000-01-01"},
	{"aws.healthlake", "healthlake"},
	{"Resource\"", "Something\""},
	{"CreateResource", "StartFHIRBulkDeleteJob"},
	{"UpdateResource", "StartFHIRBulkPatchJob"},
	{`"detail": {`, `"detail": [{`},
	{"event-notification", "heartbeat"},
	{`"focus"`, `"change":"delete","focus"`},
	{"Encounter/enc-7/_history/1", "delete"},
	{"Subscription/1f0a", "Subscription/healthlake-cdc-encounter-deletes"},
	{`"submitTime": "2026`, `"submitTime": "2027`},
	{"In Progress", "Failed"},
	{`"timestamp"`, `"time"`},
	{store, "../" + store},
	{store, strings.ToUpper(store)},
	{"31feacd9-6646-4c4f-934b-83b0f6cf6188", "Patient/p-1"},
	{"8a1f2f3c4d5e6f708192a3b4c5d6e7f8", "batch 8 of Jane Roe"},
	{"0b9f3f1e-3a77-4b5c-8d0a-2f9f1c0a7e11", "1"},
	{"0b9f3f1e-3a77-4b5c-8d0a-2f9f1c0a7e11", "Patient/p-1 was deleted"},
	{"2026-11-23T15:04", "1990-01-01T00:00"},
	{"CreateResource", "CreateResource20260301v2"},
	{"CreateResource", "Create a resource!"},
	{"UpdateResource", "StartSomethingJob"},
	{`"statusCode": 200`, `"statusCode": 202`},
	{`"requestParameters"`, `"resources":[{"ARN":"arn:aws:healthlake:us-west-2:111122223333:datastore/fhir/` + store + `"}],"parameters"`},
	{`"eventTime"`, `"EventTime"`},
	{`"detail": {`, `"detail": "{}", "Detail": {`},
	{`"SubscriptionStatus"`, `"Parameters","parameter":[{"name":"type","valueCode":"event-notification"},{"name":"notification-event","part":[{"name":"focus","valueReference":{"reference":"Encounter/e"}},{"name":"nested","part":[{"name":"x"}]}]}]`},
}

// knownReasons are all texts that Parse gives.
var knownReasons = []string{
	"body is larger than an SQS message can be",
	"body is not a JSON object",
	"Message of the notification is not a JSON object",
	"event has no source",
	"event has no detail-type",
	"detail is not a JSON object",
	"import job names no datastore",
	"import job has no id",
	"import job took more than 7 days",
	"record has no eventSource",
	"record names no datastore",
	"record has no valid eventTime",
	"record of a delete has no id",
	"record of a job has no id",
	"time is before 1970",
	"time is more than 10 minutes ahead",
	"notification names no datastore",
	"notification has no bundle",
	"notification has no SubscriptionStatus with a type",
	"notification of events has none",
	"notification's event has no valid time",
	"notification of a delete has no id",
	"notification of a delete names no resource",
	"notification opens too many windows or names too many deletes",
}

func TestReasonsAreDistinct(t *testing.T) {
	sorted := slices.Sorted(slices.Values(knownReasons))
	require.Len(t, slices.Compact(sorted), len(knownReasons))
	var source []byte
	for _, file := range []string{"parse.go", "imports.go", "notification.go", "result.go"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		source = append(source, text...)
	}
	for _, reason := range knownReasons {
		require.Contains(t, string(source), fmt.Sprintf("%q", reason), "no longer given: remove it from the list")
	}
}
