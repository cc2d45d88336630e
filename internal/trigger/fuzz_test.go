package trigger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

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
		require.Contains(t, Outcomes(), got.Outcome)
		require.Equal(t, got, Parse(body, ours), "the same body means the same")

		require.Equal(t, got.Outcome == OutcomeTrigger, len(got.Windows) > 0)
		if got.Outcome == OutcomeDelete || got.Outcome == OutcomeDeleteExact {
			require.NotEmpty(t, got.Deletes)
		} else if got.Outcome != OutcomeTrigger {
			require.Empty(t, got.Deletes)
		}
		require.LessOrEqual(t, len(got.Deletes), MaxDeletes)
		ids := make(map[string]bool)
		for _, d := range got.Deletes {
			require.True(t, cdc.ValidEventID(d.EventID))
			require.False(t, ids[d.EventID], "each once")
			ids[d.EventID] = true
			require.True(t, !d.Exact() || cdc.ValidResourceID(d.ResourceID) && ours.Types[d.Type])
			require.True(t, got.Outcome != OutcomeDeleteExact || d.Exact())
			require.Nil(t, d.Tombstone)
		}
		if got.Import != nil {
			require.True(t, got.Outcome == OutcomeImport || got.Outcome == OutcomeRestore)
			require.True(t, cdc.ValidEventID(got.Import.ID))
			require.True(t, got.Import.Span.To.After(got.Import.Span.From))
			require.False(t, got.Import.Span.To.After(ours.Now.Add(MaxAhead+AsyncSpan)))
		}
		require.Equal(t, got.Outcome == OutcomeMalformed, got.Reason != "")
		require.LessOrEqual(t, len(got.Windows), MaxWindows)
		for i, w := range got.Windows {
			require.NoError(t, w.Validate())
			require.True(t, ours.Datastores[w.Datastore])
			require.Equal(t, got.Datastore, w.Datastore)
			require.False(t, w.Start.After(ours.Now.Add(MaxAhead+AsyncSpan)))
			require.True(t, i == 0 || got.Windows[i-1].Start.Before(w.Start), "oldest first, each once")
		}
		if got.Datastore != "" {
			require.True(t, ours.Datastores[got.Datastore])
		}
		if got.EventName != "" {
			require.Regexp(t, eventNamePattern, got.EventName)
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
	"record has no eventSource",
	"record has no valid eventName",
	"record names no datastore",
	"record has no valid eventTime",
	"time is before 1970",
	"time is more than 10 minutes ahead",
	"record opens too many windows: CDC_LOOKBACK is too long",
	"record of a delete has no valid eventID",
	"notification names no datastore",
	"notification has no bundle",
	"notification has no SubscriptionStatus with a type",
	"notification of events has none",
	"notification's event has no valid time",
	"notification opens too many windows or tells of too many deletes",
	"notification of a delete has no valid id",
	"import job has no valid id",
	"record of a restore has no valid eventID",
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
