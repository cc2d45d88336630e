package trigger

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseImportJobs(t *testing.T) {
	const file = "import-completed.json"
	for state, want := range map[string]Outcome{
		"Submitted": OutcomeIgnored, "Queued": OutcomeIgnored, "In Progress": OutcomeIgnored,
		"Completed": OutcomeImport, "Completed With Errors": OutcomeImport, "Failed": OutcomeImport,
	} {
		for _, detailType := range []string{"Import Job " + state, "import job  " + strings.ToUpper(state) + " "} {
			require.Equal(t, want, Parse(decoded(t, file).set("detail-type", detailType).bytes(t), scope()).Outcome, state)
		}
		got := Parse(decoded(t, file).set("detail-type", "Import Job "+state).bytes(t), scope())
		require.Equal(t, want, got.Outcome, state)
		require.Equal(t, want == OutcomeImport, got.Import != nil, "a job that has ended may have written, a failed one too")
	}
	require.Equal(t, OutcomeUnknownStore, Parse(decoded(t, file).set("detail.datastoreId", "x").bytes(t), scope()).Outcome)
	require.Equal(t, OutcomeMalformed, Parse(decoded(t, file).set("detail.datastoreId", nil).bytes(t), scope()).Outcome)

	ended := eventTime.Add(2 * time.Second)
	for _, submitted := range []any{absent, nil, tree{}, "soon", "2027-01-01T00:00:00Z", "0000-01-01T00:00:00Z"} {
		got := Parse(decoded(t, file).set("detail.submitTime", submitted).bytes(t), scope())
		require.Equal(t, ended.Add(-24*time.Hour-time.Second), got.Import.Span.From, submitted)
	}
	// No time: it has ended by now.
	got := Parse(decoded(t, file).set("time", absent).bytes(t), scope())
	require.Equal(t, scope().Now.Add(2*time.Second), got.Import.Span.To)
	// No id of the job: the event's. One of another form than AWS's is not shown.
	got = Parse(decoded(t, file).set("detail.jobId", nil).bytes(t), scope())
	require.Equal(t, "6a7e8feb-b491-4cf7-a9f1-bf3703467718", got.Import.ID)
	got = Parse(decoded(t, file).set("detail.jobId", "batch of Jane Roe").bytes(t), scope())
	require.Equal(t, hashedID(store, "batch of Jane Roe"), got.Import.ID)
	require.Equal(t, OutcomeMalformed, Parse(decoded(t, file).set("detail.jobId", "").set("id", absent).bytes(t), scope()).Outcome)

	// A span is a week at most.
	submitted := func(at time.Time) Result {
		return Parse(decoded(t, file).set("detail.submitTime", at).bytes(t), scope())
	}
	require.Equal(t, OutcomeImport, submitted(ended.Add(-MaxImport)).Outcome)
	long := submitted(ended.Add(-MaxImport - time.Second))
	require.Equal(t, OutcomeMalformed, long.Outcome)
	require.Equal(t, "import job took more than 7 days", long.Reason)
	require.Nil(t, long.Import)
}
