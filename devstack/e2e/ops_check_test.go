package e2e

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/proc"
	"healthlake-cdc/devstack/internal/stack"
)

// worker --check reaches every dependency, exits 0 when all is well, and names
// the one that is not.
func TestCheckNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{})
	nowhere, err := proc.FreeAddress()
	require.NoError(t, err)
	plain, err := r.SQS().CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("without-dead-letter-queue")})
	require.NoError(t, err)
	url := r.Outputs["QueueUrl"]

	ok := runProgram(t, t.Context(), "worker", r.environment(), nil, "--check")
	require.Zero(t, ok.code, ok.all())
	require.NotContains(t, ok.stdout, "MISSING")
	for _, name := range []string{"settings", "AWS credentials", "resource types", "datastore", "search rate", "queue", "event bus", "Temporal"} {
		require.Contains(t, ok.stdout, "ok       "+name)
	}

	for name, c := range map[string]struct {
		without []string
		env     string
		missing string
		says    string
	}{
		"no credentials":         {without: []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, missing: "AWS credentials", says: "AWS_ACCESS_KEY_ID"},
		"wrong credentials":      {env: "AWS_SECRET_ACCESS_KEY=another", missing: "datastore", says: "Forbidden"},
		"store that is not ours": {env: "CDC_DATASTORES=ffffffffffffffffffffffffffffffff", missing: "datastore", says: "ffffffffffffffffffffffffffffffff"},
		"store does not answer":  {env: "CDC_HEALTHLAKE_ENDPOINT=http://" + nowhere, missing: "datastore", says: "Unavailable"},
		"capabilities unknown":   {env: "CDC_RESOURCE_TYPES=*", without: []string{"AWS_SECRET_ACCESS_KEY"}, missing: "resource types", says: "CDC_RESOURCE_TYPES"},
		"search rate":            {env: "CDC_SEARCH_RATE=2", missing: "search rate", says: "CDC_SEARCH_RATE"},
		"no such queue":          {env: "CDC_QUEUE_URL=" + url + "-not", missing: "queue", says: "CDC_QUEUE_URL"},
		"no dead-letter queue":   {env: "CDC_QUEUE_URL=" + aws.ToString(plain.QueueUrl), missing: "queue", says: "redrive policy"},
		"SQS does not answer":    {env: "AWS_ENDPOINT_URL_SQS=http://" + nowhere, missing: "queue", says: "CDC_QUEUE_URL"},
		"no such bus":            {env: "CDC_EVENT_BUS=not-there", missing: "event bus", says: "CDC_EVENT_BUS"},
		"bus does not answer":    {env: "AWS_ENDPOINT_URL_EVENTBRIDGE=http://" + nowhere, missing: "event bus", says: "CDC_EVENT_BUS"},
		"Temporal away":          {env: "TEMPORAL_ADDRESS=" + nowhere, missing: "Temporal", says: "TEMPORAL_ADDRESS"},
		"no such namespace":      {env: "TEMPORAL_NAMESPACE=not-there", missing: "Temporal", says: "not-there"},
	} {
		t.Run(name, func(t *testing.T) {
			env := r.environment(c.without...)
			if c.env != "" {
				env = append(env, c.env)
			}
			got := runProgram(t, t.Context(), "worker", env, nil, "--check")
			require.Positive(t, got.code, got.all())
			line := missingLine(got.stdout, c.missing)
			require.NotEmpty(t, line, "no MISSING line of %s in\n%s", c.missing, got.all())
			require.Contains(t, line, c.says)
		})
	}
}

// missingLine is the line that says that name is missing.
func missingLine(text, name string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "MISSING  "+name) {
			return line
		}
	}
	return ""
}
