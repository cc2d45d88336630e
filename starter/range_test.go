package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

func TestNamedResourcesAreNeverRepeatedInErrors(t *testing.T) {
	for _, bad := range []string{
		"SECRET-1", "Patient/SECRET\n1", "Patient/", "patient/SECRET-1", "Patient/SECRET/1", "Patient/SECRET/_history/1",
	} {
		_, err := parseResources([]string{"Patient/ok", bad})
		require.ErrorContains(t, err, "--id number 2", bad)
		require.NotContains(t, err.Error(), "SECRET")
	}
	named, err := parseResources([]string{"Patient/1", "Patient/2.a", "Patient/1", "Patient/a:1:b 2"})
	require.NoError(t, err)
	require.Equal(t, []cdc.ResourceID{{Type: "Patient", ID: "1"}, {Type: "Patient", ID: "2.a"}, {Type: "Patient", ID: "a:1:b 2"}}, named,
		"each once; a replay takes the ids that a search gives it, whether FHIR has them or not")

	configured := []string{"Goal", "Patient"}
	in := cdc.CaptureRangeInput{Types: configured}
	require.NoError(t, nameResources(&in, named))
	require.Equal(t, named, in.IDs)
	require.Equal(t, []string{"Patient"}, in.Types, "others need not be asked")
	require.Equal(t, []string{"Goal", "Patient"}, configured)
	err = nameResources(&in, []cdc.ResourceID{{Type: "Claim", ID: "SECRET-1"}})
	require.ErrorContains(t, err, "of type Claim")
	require.NotContains(t, err.Error(), "SECRET")
}

func TestRangeNames(t *testing.T) {
	require.Equal(t, []string{"replay/a", "backfill/a"}, rangeIDs("a"))
	for _, id := range []string{"replay/a", "backfill/a", "dry-run/replay/a"} {
		require.Equal(t, []string{id}, rangeIDs(id))
	}
	for _, none := range []string{"", "a/b", "window/ds/2026-01-01T00:00:00Z", "replay/", "dry-run/a"} {
		require.Empty(t, rangeIDs(none))
	}
}

func TestEstimate(t *testing.T) {
	c := estimate(cdc.CaptureRangeResult{Counts: cdc.Counts{Published: 10, Events: 2_000_000}, Actions: 1_000_000})
	require.InDelta(t, 2, c.EventBridge, 1e-9)
	require.InDelta(t, 50, c.Temporal, 1e-9)
	require.InDelta(t, 52, c.Total, 1e-9)
}
