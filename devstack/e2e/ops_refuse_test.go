package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/docs"
	"healthlake-cdc/internal/payload"
)

// valid is an environment in which every setting is valid and nothing listens.
var valid = []string{
	"AWS_REGION=us-west-2", "AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret-example",
	"CDC_DATASTORES=a1b2c3d4e5f60718293a4b5c6d7e8f90", "CDC_HEALTHLAKE_ENDPOINT=http://127.0.0.1:9",
	"CDC_QUEUE_URL=http://127.0.0.1:9/111122223333/triggers", "CDC_EVENT_BUS=bus", "CDC_METRICS_ADDR=",
	"AWS_ENDPOINT_URL_SQS=http://127.0.0.1:9", "AWS_ENDPOINT_URL_EVENTBRIDGE=http://127.0.0.1:9", "TEMPORAL_ADDRESS=127.0.0.1:9",
}

func TestCommandsThatPrint(t *testing.T) {
	t.Parallel()
	schema := runProgram(t, t.Context(), "starter", nil, nil, "schema")
	require.Zero(t, schema.code, schema.all())
	require.Equal(t, string(docs.EventSchema), schema.stdout)
	require.True(t, json.Valid([]byte(schema.stdout)))

	one := runProgram(t, t.Context(), "starter", nil, nil, "keys", "generate")
	two := runProgram(t, t.Context(), "starter", nil, nil, "keys", "generate", "--json")
	require.Zero(t, one.code, one.all())
	var made map[string]string
	require.NoError(t, json.Unmarshal([]byte(two.stdout), &made))
	ring, err := payload.ParseKeys(strings.TrimSpace(one.stdout) + "," + made["CDC_PAYLOAD_KEYS"])
	require.NoError(t, err, "two keys that can be used, and differ")
	require.Len(t, ring.IDs(), 2)

	for _, program := range []string{"worker", "starter"} {
		help := runProgram(t, t.Context(), program, nil, nil, "--help")
		require.Zero(t, help.code)
		require.Contains(t, help.all(), "CDC_PAYLOAD_KEYS")
	}
}

// A wrong command line or setting ends a program with an error that names it, and a code
// that is not 0.
func TestWrongUse(t *testing.T) {
	t.Parallel()
	key := "CDC_PAYLOAD_KEYS=" + payload.GenerateKey()
	span := []string{"--since", "2026-01-01T00:00:00Z", "--until", "2026-01-02T00:00:00Z"}
	for name, c := range map[string]struct {
		program string
		env     []string
		args    []string
		says    []string
	}{
		"no keys":                 {program: "worker", says: []string{"CDC_PAYLOAD_KEYS", "CDC_INSECURE_PLAINTEXT"}},
		"no keys, starter":        {program: "starter", args: []string{"capture", "--at", "1m"}, says: []string{"CDC_PAYLOAD_KEYS"}},
		"no keys, codec":          {program: "worker", args: []string{"--role", "codec"}, says: []string{"CDC_PAYLOAD_KEYS"}},
		"keys and plaintext":      {program: "worker", env: []string{key, "CDC_INSECURE_PLAINTEXT=true"}, says: []string{"CDC_INSECURE_PLAINTEXT", "CDC_PAYLOAD_KEYS"}},
		"unknown variable":        {program: "worker", env: []string{key, "CDC_DATASTORE=x"}, says: []string{"CDC_DATASTORE", "CDC_DATASTORES"}},
		"unknown, starter":        {program: "starter", env: []string{key, "CDC_PASES=1s"}, args: []string{"capture", "--at", "1m"}, says: []string{"CDC_PASSES"}},
		"contradiction":           {program: "worker", env: []string{key, "CDC_PASSES=60s,10s"}, says: []string{"CDC_PASSES"}},
		"flag overrides":          {program: "worker", env: []string{key, "CDC_PASSES=10s"}, args: []string{"--passes", "never"}, says: []string{"--passes"}},
		"unknown flag":            {program: "worker", env: []string{key}, args: []string{"--pases", "1s"}, says: []string{"--pases"}},
		"argument":                {program: "worker", env: []string{key}, args: []string{"run"}, says: []string{"argument"}},
		"role":                    {program: "worker", env: []string{key}, args: []string{"--role", "boss"}, says: []string{"all, consumer, worker, codec"}},
		"unknown command":         {program: "starter", args: []string{"captur"}, says: []string{"unknown command", "capture"}},
		"unknown subcommand":      {program: "starter", args: []string{"keys", "rotate"}, says: []string{"generate"}},
		"no subcommand":           {program: "starter", args: []string{"keys"}, says: []string{"generate"}},
		"capture without a time":  {program: "starter", env: []string{key}, args: []string{"capture"}, says: []string{`"at"`}},
		"capture of no time":      {program: "starter", env: []string{key}, args: []string{"capture", "--at", "noon"}, says: []string{"--at", "10m"}},
		"capture of the future":   {program: "starter", env: []string{key}, args: []string{"capture", "--at", "2999-01-01T00:00:00Z"}, says: []string{"--at"}},
		"replay without a name":   {program: "starter", env: []string{key}, args: append([]string{"replay"}, span...), says: []string{`"name"`}},
		"replay with a bad name":  {program: "starter", env: []string{key}, args: append([]string{"replay", "--name", "a/b"}, span...), says: []string{"--name"}},
		"replay of nothing":       {program: "starter", env: []string{key}, args: []string{"replay", "--name", "n", "--since", "1h", "--until", "2h"}, says: []string{"--until"}},
		"replay of a bad since":   {program: "starter", env: []string{key}, args: []string{"replay", "--name", "n", "--since", "x", "--until", "1h"}, says: []string{"--since"}},
		"an argument too many":    {program: "starter", args: []string{"schema", "please"}, says: []string{"please"}},
		"Temporal does not serve": {program: "starter", env: []string{key}, args: []string{"capture", "--at", "1m"}, says: []string{"TEMPORAL_ADDRESS"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := runProgram(t, t.Context(), c.program, append(valid, c.env...), nil, c.args...)
			require.Positive(t, got.code, got.all())
			require.Empty(t, got.stdout, "errors are on stderr")
			for _, text := range c.says {
				require.Contains(t, got.stderr, text)
			}
			require.NotContains(t, got.stderr, "goroutine ")
		})
	}
}
