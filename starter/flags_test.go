package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// Times are exact, or how long ago.
func TestTimeRange(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2026-11-23T10:00:00Z":           noon.Add(-2 * time.Hour),
		"2026-11-23T11:00:00.5+01:00":    noon.Add(-2*time.Hour + 500*time.Millisecond),
		"1h30m":                          noon.Add(-90 * time.Minute),
		"0s":                             noon,
		"2026-11-23T12:00:00.123456789Z": noon.Add(123456789),
	} {
		got, err := parseTime(text, noon)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		again, err := parseTime(stamp(got), time.Time{})
		require.NoError(t, err)
		require.Equal(t, got, again, "what is printed can be given again")
	}
	for _, text := range []string{"", "yesterday", "-1h", "2026-11-23", "1d"} {
		_, err := parseTime(text, noon)
		require.ErrorContains(t, err, "neither a time like", text)
	}

	span, err := (&timeRange{since: "2h", until: "1h"}).span(noon)
	require.NoError(t, err)
	require.Equal(t, cdc.Span{From: noon.Add(-2 * time.Hour), To: noon.Add(-time.Hour)}, span)
	for says, r := range map[string]timeRange{
		"--since: ": {since: "x", until: "1h"}, "--until: ": {since: "2h", until: "x"},
		"--until must be later than --since; 2h is two hours ago": {since: "1h", until: "2h"},
	} {
		_, err := r.span(noon)
		require.ErrorContains(t, err, says)
	}
}

// A misspelt --type is an error that names the nearest type.
func TestChooseTypes(t *testing.T) {
	configured := []string{"Goal", "Patient"}
	chosen, err := chooseTypes(configured, []string{"Patient", "Goal", "Patient"})
	require.NoError(t, err)
	require.Equal(t, configured, chosen, "each once, in order")
	chosen, err = chooseTypes(configured, nil)
	require.NoError(t, err)
	require.Equal(t, configured, chosen)
	for name, want := range map[string]string{
		"Patients": `--type: "Patients" is not a FHIR R4 resource type: did you mean Patient?`,
		"Claim":    "--type Claim is not one of the configured resource types: see CDC_RESOURCE_TYPES",
	} {
		_, err := chooseTypes(configured, []string{name})
		require.EqualError(t, err, want)
	}
}
