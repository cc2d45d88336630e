package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What names another region than the one that requests are signed for is rejected at
// the start: it would refuse every request for good.
func TestAnotherRegionIsRejected(t *testing.T) {
	for _, tc := range []struct{ change, want string }{
		{"CDC_EVENT_BUS=arn:aws:events:us-east-1:123456789012:event-bus/changes", "CDC_EVENT_BUS: is in region us-east-1, and AWS_REGION is eu-west-1"},
		{"CDC_QUEUE_URL=https://sqs.us-west-2.amazonaws.com/123456789012/triggers", "CDC_QUEUE_URL: is in region us-west-2, and AWS_REGION is eu-west-1"},
		{"CDC_QUEUE_URL=https://queue.amazonaws.com/123456789012/triggers", "CDC_QUEUE_URL: is in region us-east-1"},
		{"CDC_QUEUE_URL=https://us-west-2.queue.amazonaws.com/123456789012/triggers", "CDC_QUEUE_URL: is in region us-west-2"},
		{"CDC_QUEUE_URL=https://sqs.cn-north-1.amazonaws.com.cn/123456789012/triggers", "CDC_QUEUE_URL: is in region cn-north-1"},
		{"CDC_QUEUE_URL=https://sqs.us-gov-west-1.amazonaws.com/1/triggers", "CDC_QUEUE_URL: is in region us-gov-west-1"},
		{"CDC_QUEUE_URL=https://vpce-0a1-b2.sqs.us-east-1.vpce.amazonaws.com/1/triggers", "CDC_QUEUE_URL: is in region us-east-1"},
		{"CDC_HEALTHLAKE_ENDPOINT=https://healthlake.us-east-1.amazonaws.com", "CDC_HEALTHLAKE_ENDPOINT: is in region us-east-1"},
		{"AWS_ENDPOINT_URL_SQS=https://sqs.us-east-1.api.aws", "AWS_ENDPOINT_URL_SQS: is in region us-east-1"},
		{"AWS_ENDPOINT_URL_EVENTBRIDGE=https://events.us-east-1.amazonaws.com", "AWS_ENDPOINT_URL_EVENTBRIDGE: is in region us-east-1"},
		{"AWS_REGION=us-west-2", "CDC_QUEUE_URL: is in region eu-west-1, and AWS_REGION is us-west-2"},
	} {
		t.Run(tc.change, func(t *testing.T) {
			_, err := Load(Worker, environ(tc.change), nil)
			require.ErrorContains(t, err, tc.want)
		})
	}
	for _, change := range []string{
		"CDC_QUEUE_URL=http://devstack:4566/111122223333/us-east-1", "CDC_QUEUE_URL=https://sqs.example.org/us-east-1",
		"CDC_QUEUE_URL=https://vpce-0a1-b2-eu-west-1a.sqs.eu-west-1.vpce.amazonaws.com/1/triggers",
		"CDC_QUEUE_URL=https://queue.us-east-1.amazonaws.com.example.org/1", "AWS_ENDPOINT_URL=http://localhost:4566",
		"CDC_HEALTHLAKE_ENDPOINT=https://healthlake-fips.eu-west-1.amazonaws.com",
	} {
		load(t, change)
	}
}

// What would carry patients' records to AWS unencrypted is rejected.
func TestAWSIsCalledByHTTPS(t *testing.T) {
	for _, change := range []string{
		"CDC_HEALTHLAKE_ENDPOINT=http://healthlake.eu-west-1.amazonaws.com", "CDC_QUEUE_URL=http://sqs.eu-west-1.amazonaws.com/1/triggers",
		"AWS_ENDPOINT_URL=http://eu-west-1.amazonaws.com", "AWS_ENDPOINT_URL_SQS=http://sqs.eu-west-1.api.aws",
		"AWS_ENDPOINT_URL_EVENTBRIDGE=http://EVENTS.EU-WEST-1.AMAZONAWS.COM.",
	} {
		_, err := Load(Worker, environ(change), nil)
		require.ErrorContains(t, err, "calls AWS by http: write https", change)
	}
}

func TestCheckBus(t *testing.T) {
	c := load(t)
	require.NoError(t, c.CheckBus("changes"))
	require.NoError(t, c.CheckBus("arn:aws:events:eu-west-1:123456789012:event-bus/changes"))
	require.ErrorContains(t, c.CheckBus("arn:aws:events:us-east-1:123456789012:event-bus/changes"), "is in region us-east-1, and AWS_REGION is eu-west-1")
	require.ErrorContains(t, c.CheckBus("a bus"), "neither the name nor the ARN")
}

// Without keys everything must be on this machine or in a network of its containers.
func TestPlaintextStaysOnThisMachine(t *testing.T) {
	compose := []string{
		"CDC_PAYLOAD_KEYS", "CDC_INSECURE_PLAINTEXT=true", "CDC_HEALTHLAKE_ENDPOINT=http://devstack:4580",
		"CDC_QUEUE_URL=http://devstack:4566/1/triggers", "AWS_ENDPOINT_URL=http://devstack:4566", "TEMPORAL_ADDRESS=temporal:7233",
	}
	load(t, compose...)
	load(t, append(slices.Clone(compose), "TEMPORAL_ADDRESS=host.docker.internal:7233")...)
	for _, tc := range []struct{ change, want string }{
		{"CDC_HEALTHLAKE_ENDPOINT", "CDC_HEALTHLAKE_ENDPOINT is not set, which means AWS"},
		{"CDC_HEALTHLAKE_ENDPOINT=https://healthlake.eu-west-1.amazonaws.com", "CDC_HEALTHLAKE_ENDPOINT is elsewhere"},
		{"CDC_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/1/triggers", "CDC_QUEUE_URL is elsewhere"},
		{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS is not set, which means AWS, AWS_ENDPOINT_URL_EVENTBRIDGE is not set, which means AWS"},
		{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", "AWS_ENDPOINT_URL_SQS is not set, which means AWS"},
		{"AWS_ENDPOINT_URL_SQS=http://10.0.0.7:4566", "AWS_ENDPOINT_URL_SQS is elsewhere"},
		{"AWS_ENDPOINT_URL_EVENTBRIDGE=https://events.eu-west-1.amazonaws.com", "AWS_ENDPOINT_URL_EVENTBRIDGE is elsewhere"},
		{"TEMPORAL_ADDRESS=temporal.example.org:7233", "TEMPORAL_ADDRESS is elsewhere"},
		{"TEMPORAL_ADDRESS=dns:///temporal.example.org:7233", "TEMPORAL_ADDRESS is elsewhere"},
		{"TEMPORAL_ADDRESS=0.0.0.0:7233", "TEMPORAL_ADDRESS is elsewhere"},
		{"TEMPORAL_CONFIG_FILE=" + profile(t), "TEMPORAL_ADDRESS is elsewhere"},
	} {
		t.Run(tc.change, func(t *testing.T) {
			changes := append(slices.Clone(compose), tc.change)
			if strings.HasPrefix(tc.change, "TEMPORAL_CONFIG_FILE") {
				changes = append(changes, "TEMPORAL_ADDRESS")
			}
			_, err := Load(Worker, environ(changes...), nil)
			require.ErrorContains(t, err, "CDC_INSECURE_PLAINTEXT: is for synthetic data on one machine, but "+tc.want)
			require.NotContains(t, err.Error(), ";")
		})
	}
	// The starter calls what it is told of.
	_, err := Load(Starter, environ("CDC_PAYLOAD_KEYS", "CDC_INSECURE_PLAINTEXT=true", "CDC_QUEUE_URL"), nil)
	require.NoError(t, err)
	_, err = Load(Starter, environ("CDC_PAYLOAD_KEYS", "CDC_INSECURE_PLAINTEXT=true", "CDC_QUEUE_URL", "TEMPORAL_ADDRESS=temporal.example.org:7233"), nil)
	require.ErrorContains(t, err, "TEMPORAL_ADDRESS is elsewhere")
}

// profile is a file of Temporal's whose default profile names a server elsewhere.
func profile(t *testing.T) string {
	file := filepath.Join(t.TempDir(), "temporal.toml")
	require.NoError(t, os.WriteFile(file, []byte("[profile.default]\naddress = \"temporal.example.org:7233\"\n"), 0o600))
	return file
}

func TestAcceptPlaintextUntil(t *testing.T) {
	require.Zero(t, load(t).AcceptPlaintextUntil)
	c := load(t, "CDC_ACCEPT_PLAINTEXT_UNTIL=2026-12-01T02:00:00+02:00")
	require.Equal(t, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), c.AcceptPlaintextUntil)
	_, err := Load(Worker, environ("CDC_ACCEPT_PLAINTEXT_UNTIL=tomorrow"), nil)
	require.ErrorContains(t, err, `CDC_ACCEPT_PLAINTEXT_UNTIL: "tomorrow" is not a time: write it as 2026-12-01T00:00:00Z`)
	_, err = Load(Worker, environ(append(local, "CDC_ACCEPT_PLAINTEXT_UNTIL=2026-12-01T00:00:00Z")...), nil)
	require.ErrorContains(t, err, "CDC_ACCEPT_PLAINTEXT_UNTIL: contradicts CDC_INSECURE_PLAINTEXT")
}

func TestUnknownTypesAreRejectedWithTheNearest(t *testing.T) {
	for name, want := range map[string]string{
		"Observations": "did you mean Observation?", "patient": "did you mean Patient?", "MEDICATIONREQUEST": "did you mean MedicationRequest?",
		"DiagnosticRaport": "did you mean DiagnosticReport?", "Patent": "did you mean Patient?",
	} {
		require.ErrorContains(t, CheckType(name), want)
		_, err := Load(Worker, environ("CDC_RESOURCE_TYPES=Patient,"+name), nil)
		require.ErrorContains(t, err, want)
	}
	require.EqualError(t, CheckType("Zzzzzz"), `"Zzzzzz" is not a FHIR R4 resource type`)
	require.NoError(t, CheckType("Task"))
}
