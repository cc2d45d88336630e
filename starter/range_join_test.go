package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func aReplay() cdc.CaptureRangeInput {
	return cdc.CaptureRangeInput{
		Name: "x", CapturedBy: cdc.ByOperator, Datastores: []string{"d1"}, Types: []string{"Claim", "Patient"},
		Span: cdc.Span{From: noon, To: noon.Add(time.Hour)}, SourceTime: noon.Add(2 * time.Hour),
		IDs: []cdc.ResourceID{{Type: "Patient", ID: "SECRET-1"}, {Type: "Patient", ID: "SECRET-2"}}, Rate: 5,
	}
}

// Whatever differs is named by its flag, with what it was and what it is; a resource's
// id is never among that.
func TestRangeDifferences(t *testing.T) {
	for want, change := range map[string]func(in *cdc.CaptureRangeInput){
		"--since was 2026-11-23T12:00:00Z, is 2026-11-23T12:00:01Z": func(in *cdc.CaptureRangeInput) { in.Span.From = noon.Add(time.Second) },
		"--until was 2026-11-23T13:00:00Z, is 2026-11-24T12:00:00Z": func(in *cdc.CaptureRangeInput) { in.Span.To = noon.Add(24 * time.Hour) },
		"--type Claim was in it, is not":                            func(in *cdc.CaptureRangeInput) { in.Types = []string{"Patient"} },
		"--type Goal was not in it, is":                             func(in *cdc.CaptureRangeInput) { in.Types = []string{"Claim", "Goal", "Patient"} },
		"--datastore d2 was not in it, is":                          func(in *cdc.CaptureRangeInput) { in.Datastores = []string{"d1", "d2"} },
		"--id named 2, names 1; 1 are the same": func(in *cdc.CaptureRangeInput) {
			in.IDs = in.IDs[:1]
		},
		"--id named 2, names 2; 1 are the same": func(in *cdc.CaptureRangeInput) {
			in.IDs = []cdc.ResourceID{in.IDs[0], {Type: "Patient", ID: "SECRET-3"}}
		},
		"--id named 2, names none":         func(in *cdc.CaptureRangeInput) { in.IDs = nil },
		"--rate was 5, is 0.5":             func(in *cdc.CaptureRangeInput) { in.Rate = 0.5 },
		"--to-bus was CDC_EVENT_BUS, is b": func(in *cdc.CaptureRangeInput) { in.Bus = "b" },
	} {
		is := aReplay()
		change(&is)
		found := rangeDifferences(aReplay(), is)
		require.Len(t, found, 1, want)
		require.True(t, strings.HasPrefix(found[0], want), found[0])
		require.NotContains(t, found[0], "SECRET")
	}
	same := aReplay()
	same.SourceTime, same.Attributes, same.Types = noon.Add(99*time.Hour), true, []string{"Patient", "Claim"}
	same.IDs = []cdc.ResourceID{same.IDs[1], same.IDs[0]}
	same.Plan = &cdc.RangePlan{}
	require.Empty(t, rangeDifferences(aReplay(), same))

	backfill := cdc.CaptureRangeInput{CapturedBy: cdc.ByBackfill, Versions: cdc.VersionsAll, Border: noon}
	other := backfill
	other.Versions, other.Border = cdc.VersionsLatest, noon.Add(time.Minute)
	require.Equal(t, []string{"CDC_VERSIONS was all, is latest"}, rangeDifferences(backfill, other))
}

// A range that was joined says when it was started and whether it is done; one that
// has ended otherwise will never publish the rest.
func TestExistingState(t *testing.T) {
	for status, want := range map[enumspb.WorkflowExecutionStatus]string{
		enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:    "running",
		enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED:     "running",
		enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:  "done",
		enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:   "",
		enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED: "",
		enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:     "",
		enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:  "",
	} {
		j, err := existingState("replay/x", temporal.ExistingRange{Status: status, Started: noon, Input: aReplay()})
		if want == "" {
			require.ErrorContains(t, err, "its name stays in use", status)
			continue
		}
		require.NoError(t, err, status)
		require.Equal(t, want, j.State)
		require.Equal(t, "joined replay/x: it was started at 2026-11-23T12:00:00Z for 2026-11-23T12:00:00Z to 2026-11-23T13:00:00Z, and is "+want,
			j.text("replay/x"))
	}
}

func TestNotFoundText(t *testing.T) {
	in := cdc.CaptureRangeInput{IDs: make([]cdc.ResourceID, 3), Datastores: []string{"d1"}}
	r := rangeReport{Result: &cdc.CaptureRangeResult{}}
	require.NotContains(t, r.text(in), "named")
	r.Result.Counts.NotFound = 1
	require.Contains(t, r.text(in), "time range: 1 of 3 named resources")
	in.Datastores, r.Result.Counts.NotFound = []string{"d1", "d2"}, 3
	require.Contains(t, r.text(in), "3 of 6", "each store that has one lacks it for the other")
}

func TestAnAuditThatRunsIsJoinedWhenItHasTheTypes(t *testing.T) {
	require.NoError(t, checkJoinedAudit("audit/x", []string{"Claim", "Patient"}, []string{"Patient"}))
	require.ErrorContains(t, checkJoinedAudit("audit/x", []string{"Patient"}, []string{"Claim", "Goal", "Patient"}),
		"audit/x is running already, without Claim, Goal")
}
