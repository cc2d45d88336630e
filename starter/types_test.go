package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/config"
)

// A misspelt --type is refused with the nearest that exists.
func TestTypesThatAreAskedFor(t *testing.T) {
	configured := []string{"Goal", "Patient"}
	asked, err := chooseTypes(configured, []string{"Patient"})
	require.NoError(t, err)
	require.Equal(t, []string{"Patient"}, asked)
	for name, want := range map[string]string{
		"Patients": `--type: "Patients" is not a FHIR R4 resource type: did you mean Patient?`,
		"Claim":    "--type Claim is not one of the configured resource types: see CDC_RESOURCE_TYPES",
	} {
		_, err := chooseTypes(configured, []string{name})
		require.EqualError(t, err, want)
	}
}

// A bus of another region takes no events, so a replay to one is refused before it starts.
func TestTheBusOfAReplayIsOfOurRegion(t *testing.T) {
	c := &connection{config: &config.Config{Region: "eu-west-1"}}
	err := new(session).checkBus(t.Context(), c, "arn:aws:events:us-east-1:123456789012:event-bus/warehouse")
	require.ErrorContains(t, err, "is in region us-east-1, and AWS_REGION is eu-west-1")
	require.ErrorContains(t, err, "nothing was started")
}
