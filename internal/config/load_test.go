package config

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/docs/docstest"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
)

const key = "k1:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="

// environ is the smallest environment that a worker starts with, changed by the
// given NAME=value; a bare NAME is removed.
func environ(changes ...string) []string {
	vars := map[string]string{
		"PATH": "/bin", "AWS_REGION": "eu-west-1",
		"CDC_DATASTORES": "0ea2c0a3b5f94d0fbb4e1bb2b9ef3b16", "CDC_EVENT_BUS": "changes", "CDC_PAYLOAD_KEYS": key,
		"CDC_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/triggers",
	}
	for _, change := range changes {
		name, value, given := strings.Cut(change, "=")
		if given {
			vars[name] = value
		} else {
			delete(vars, name)
		}
	}
	var out []string
	for name, value := range vars {
		out = append(out, name+"="+value)
	}
	return out
}

func load(t *testing.T, changes ...string) *Config {
	t.Helper()
	c, err := Load(Worker, environ(changes...), nil)
	require.NoError(t, err)
	return c
}

func TestDefaultsAreTheContracts(t *testing.T) {
	c := load(t)
	require.Equal(t, "https://healthlake.eu-west-1.amazonaws.com", c.HealthLakeEndpoint)
	require.Len(t, c.ResourceTypes, 36)
	require.Equal(t, "AllergyIntolerance", c.ResourceTypes[0])
	require.Equal(t, "Task", c.ResourceTypes[35])
	require.IsIncreasing(t, c.ResourceTypes)
	require.Equal(t, 5*time.Second, c.Lookback)
	require.Equal(t, []time.Duration{10 * time.Second, time.Minute}, c.Passes)
	require.Equal(t, 50.0, c.SearchRate)
	require.Equal(t, []string{"latest", "publish", "full", "json"}, []string{c.Versions, c.Imports, c.EventPayload, c.LogFormat})
	require.Equal(t, []time.Duration{15 * time.Minute, 20 * time.Minute, 0}, []time.Duration{c.AuditEvery, c.AuditAfter, c.AuditHorizon})
	require.Equal(t, 1000000, c.MaxEventBytes)
	require.Equal(t, "com.fhir-{type}", c.EventSource)
	require.Equal(t, "Fhir{Type}Changed", c.DetailType)
	require.Equal(t, cdc.DefaultTaskQueue, c.TaskQueue)
	require.Equal(t, "127.0.0.1:9464", c.MetricsAddr)
	require.Equal(t, slog.LevelInfo, c.LogLevel)
	require.Equal(t, []string{"k1"}, c.PayloadKeys.IDs())
	require.False(t, c.InsecurePlaintext)
	require.True(t, c.AuditOn())
	require.False(t, c.AllResourceTypes())
}

func TestValues(t *testing.T) {
	c := load(t, "CDC_DATASTORES=a, b_1 ,c-2", "CDC_RESOURCE_TYPES=*", "CDC_PASSES=5s, 30s,2m", "CDC_SEARCH_RATE=0.5",
		"CDC_LOG_LEVEL=debug", "CDC_METRICS_ADDR=", "CDC_TASK_QUEUE=", "CDC_AUDIT_EVERY=0", "CDC_AUDIT_HORIZON=48h",
		"CDC_HEALTHLAKE_ENDPOINT=http://127.0.0.1:8080/fhir/", "CDC_EVENT_SOURCE=acme.{Type}", "CDC_VERSIONS=all",
		"CDC_EVENT_BUS=arn:aws:events:eu-west-1:123456789012:event-bus/changes",
		"TEMPORAL_DEPLOYMENT_NAME=cdc", "TEMPORAL_WORKER_BUILD_ID=1.0", "TEMPORAL_ADDRESS=x:7233")
	require.Equal(t, []string{"a", "b_1", "c-2"}, c.Datastores)
	require.True(t, c.AllResourceTypes())
	require.Equal(t, []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute}, c.Passes)
	require.Equal(t, 0.5, c.SearchRate)
	require.Equal(t, slog.LevelDebug, c.LogLevel)
	require.Empty(t, c.MetricsAddr, "empty means none")
	require.Equal(t, "healthlake-cdc", c.TaskQueue, "empty means unset")
	require.False(t, c.AuditOn())
	require.Equal(t, "http://127.0.0.1:8080/fhir", c.HealthLakeEndpoint)
	require.Equal(t, 48*time.Hour, c.Horizon(time.Hour))
	require.Equal(t, "1.0", c.BuildID)
}

func TestHorizon(t *testing.T) {
	c := load(t)
	require.Equal(t, 72*time.Hour, c.Horizon(30*24*time.Hour))
	require.Equal(t, 22*time.Hour, c.Horizon(24*time.Hour))
	require.Zero(t, c.Horizon(time.Hour))
}

func TestInvalidSettingsAreRejected(t *testing.T) {
	for _, tc := range []struct{ change, want string }{
		{"CDC_DATASTORES", "CDC_DATASTORES: is required by the worker"},
		{"CDC_DATASTORES=a,,b", "CDC_DATASTORES: item 2 of the list is empty"},
		{"CDC_DATASTORES=a,b,a", `CDC_DATASTORES: "a" is listed twice`},
		{"CDC_DATASTORES=a/b", `CDC_DATASTORES: "a/b" is not a datastore id`},
		{"CDC_DATASTORES=" + strings.Repeat("a", 65), "is not a datastore id"},
		{"CDC_RESOURCE_TYPES=Patient,*", "CDC_RESOURCE_TYPES: * stands alone"},
		{"CDC_RESOURCE_TYPES=patient", `CDC_RESOURCE_TYPES: "patient" is not a FHIR R4 resource type: did you mean Patient?`},
		{"CDC_RESOURCE_TYPES=Patient,Patient", `"Patient" is listed twice`},
		{"CDC_QUEUE_URL", "CDC_QUEUE_URL: is required by the worker"},
		{"CDC_QUEUE_URL=triggers", "CDC_QUEUE_URL: is not the http or https URL"},
		{"CDC_EVENT_BUS= ", "CDC_EVENT_BUS: is required by the worker"},
		{"CDC_EVENT_BUS=a bus", `CDC_EVENT_BUS: "a bus" is neither the name nor the ARN`},
		{"CDC_EVENT_BUS=arn:aws:sqs:eu-west-1:123456789012:changes", "CDC_EVENT_BUS"},
		{"CDC_HEALTHLAKE_ENDPOINT=ftp://x", "CDC_HEALTHLAKE_ENDPOINT: is not an http or https URL"},
		{"CDC_HEALTHLAKE_ENDPOINT=http://u:secret@x", "CDC_HEALTHLAKE_ENDPOINT: is not an http or https URL"},
		{"AWS_REGION=x/evil", "AWS_REGION"},
		{"CDC_LOOKBACK=-1s", "CDC_LOOKBACK: -1s is not between 0s and 10m0s"},
		{"CDC_LOOKBACK=5", `CDC_LOOKBACK: "5" is not a duration: write it as 10s`},
		{"CDC_PASSES=0s", "CDC_PASSES: 0s is not above 0s"},
		{"CDC_PASSES=60s,10s", "CDC_PASSES: 10s follows a longer or equal delay"},
		{"CDC_PASSES=10s,10s", "CDC_PASSES: 10s follows"},
		{"CDC_PASSES=1s,2s,3s,4s,5s,6s,7s,8s,9s,10s,11s", "CDC_PASSES: has 11 delays, at most 10"},
		{"CDC_PASSES=10s,x", `CDC_PASSES: "x" is not a duration`},
		{"CDC_PASSES=10s,13h", "CDC_PASSES: 13h0m0s is not above"},
		{"CDC_SEARCH_RATE=0", "CDC_SEARCH_RATE: 0 is not a number of searches above 0"},
		{"CDC_SEARCH_RATE=NaN", "CDC_SEARCH_RATE"},
		{"CDC_SEARCH_RATE=fast", `CDC_SEARCH_RATE: "fast" is not a number`},
		{"CDC_VERSIONS=some", `CDC_VERSIONS: "some" is not one of latest, all`},
		{"CDC_IMPORTS=yes", `CDC_IMPORTS: "yes" is not one of publish, summary, off`},
		{"CDC_AUDIT_EVERY=-1m", "CDC_AUDIT_EVERY: -1m0s is negative"},
		{"CDC_AUDIT_AFTER=1m", "CDC_AUDIT_AFTER: 1m0s contradicts CDC_PASSES"},
		{"CDC_AUDIT_HORIZON=10m", "CDC_AUDIT_HORIZON: 10m0s contradicts CDC_AUDIT_AFTER"},
		{"CDC_EVENT_PAYLOAD=none", `CDC_EVENT_PAYLOAD: "none" is not one of full, reference`},
		{"CDC_MAX_EVENT_BYTES=1023", "CDC_MAX_EVENT_BYTES: 1023 is not between 1024 and 1048576"},
		{"CDC_MAX_EVENT_BYTES=1048577", "EventBridge's limit"},
		{"CDC_EVENT_SOURCE=AWS.{type}", "CDC_EVENT_SOURCE: must not start with aws."},
		{"CDC_EVENT_SOURCE=a.{kind}", "CDC_EVENT_SOURCE: \"a.{kind}\" has a placeholder other than {type} and {Type}"},
		{"CDC_EVENT_SOURCE=a b", "CDC_EVENT_SOURCE"},
		{"CDC_DETAIL_TYPE=" + strings.Repeat("x", 110) + "{Type}", "CDC_DETAIL_TYPE: has more than 128 characters"},
		{"CDC_PAYLOAD_KEYS", "CDC_PAYLOAD_KEYS: is required: payloads hold patient data"},
		{"CDC_PAYLOAD_KEYS=k1:c2VjcmV0", "CDC_PAYLOAD_KEYS: entry 1: the key has 6 bytes"},
		{"CDC_INSECURE_PLAINTEXT=true", "CDC_INSECURE_PLAINTEXT: contradicts CDC_PAYLOAD_KEYS"},
		{"CDC_INSECURE_PLAINTEXT=maybe", `CDC_INSECURE_PLAINTEXT: "maybe" is not true or false`},
		{"CDC_TASK_QUEUE=a b", "CDC_TASK_QUEUE"},
		{"CDC_METRICS_ADDR=9464", `CDC_METRICS_ADDR: "9464" is not host:port`},
		{"CDC_METRICS_ADDR=:99999", "CDC_METRICS_ADDR"},
		{"CDC_LOG_LEVEL=loud", "CDC_LOG_LEVEL"},
		{"CDC_LOG_FORMAT=xml", `CDC_LOG_FORMAT: "xml" is not one of json, text`},
		{"TEMPORAL_DEPLOYMENT_NAME=cdc", "TEMPORAL_DEPLOYMENT_NAME: goes with TEMPORAL_WORKER_BUILD_ID"},
		{"CDC_DATASTORE=a", `"CDC_DATASTORE" is not a setting: did you mean CDC_DATASTORES?`},
		{"CDC_PASES=a", "did you mean CDC_PASSES?"},
		{"CDC_COLOUR_OF_THE_HORSE=a", `"CDC_COLOUR_OF_THE_HORSE" is not a setting`},
	} {
		t.Run(tc.change, func(t *testing.T) {
			_, err := Load(Worker, environ(tc.change), nil)
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "secret")
			require.NotContains(t, err.Error(), "c2VjcmV0")
		})
	}
}

func TestOneMistakeIsOneProblem(t *testing.T) {
	for _, change := range []string{"CDC_DATASTORES", "CDC_PASSES=x", "CDC_RESOURCE_TYPES=a%b,Patient", "CDC_PAYLOAD_KEYS=x", "CDC_MAX_EVENT_BYTES=x", "CDC_EVENT_SOURCE=aws.{x}%"} {
		_, err := Load(Worker, environ(change), nil)
		require.Error(t, err)
		require.NotContains(t, err.Error(), ";", change)
	}
}

func TestAllProblemsInOneLine(t *testing.T) {
	_, err := Load(Worker, environ("CDC_DATASTORES", "CDC_PASSES=x\ny", "CDC_NOPE=1"), nil)
	require.ErrorContains(t, err, "CDC_DATASTORES")
	require.ErrorContains(t, err, "CDC_PASSES")
	require.ErrorContains(t, err, "CDC_NOPE")
	require.NotContains(t, err.Error(), "\n")
}

func TestStarterNeedsLess(t *testing.T) {
	vars := environ("CDC_QUEUE_URL", "CDC_EVENT_BUS")
	_, err := Load(Starter, vars, nil)
	require.NoError(t, err)
	_, err = Load(Worker, vars, nil)
	require.Error(t, err)
	for _, missing := range []string{"CDC_DATASTORES", "CDC_PAYLOAD_KEYS"} {
		_, err = Load(Starter, environ(missing), nil)
		require.ErrorContains(t, err, missing)
	}
}

// local are the endpoints of stand-ins on this machine.
var local = []string{
	"CDC_PAYLOAD_KEYS", "CDC_INSECURE_PLAINTEXT=true", "CDC_HEALTHLAKE_ENDPOINT=http://127.0.0.1:4580",
	"CDC_QUEUE_URL=http://localhost:4566/1/triggers", "AWS_ENDPOINT_URL_SQS=http://localhost:4566", "AWS_ENDPOINT_URL_EVENTBRIDGE=http://[::1]:4566",
}

func encodingOf(t *testing.T, codec *payload.Codec) string {
	encoded, err := codec.Encode([]*commonpb.Payload{{}})
	require.NoError(t, err)
	return string(encoded[0].GetMetadata()[converter.MetadataEncoding])
}

func TestInsecureMode(t *testing.T) {
	c := load(t, local...)
	codec, err := c.Codec("clinical", nil)
	require.NoError(t, err)
	require.Equal(t, payload.EncodingCompressed, encodingOf(t, codec))
	require.Equal(t, "NOT ENCRYPTED: synthetic data only", c.Storage())
	codec, err = load(t).Codec("clinical", nil)
	require.NoError(t, err)
	require.Equal(t, payload.EncodingEncrypted, encodingOf(t, codec))
	require.Equal(t, "encrypted with key k1", load(t).Storage())
}

func TestRegionIsWhereTheSDKLooks(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config")
	require.NoError(t, os.WriteFile(file, []byte("[default]\nregion = us-east-1\n[profile lab]\nregion = us-west-2\n"), 0o600))
	none := "AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(dir, "none")
	require.Equal(t, "ap-south-1", load(t, "CDC_QUEUE_URL=http://queue", "AWS_REGION", "AWS_DEFAULT_REGION=ap-south-1").Region)
	require.Equal(t, "us-east-1", load(t, "CDC_QUEUE_URL=http://queue", "AWS_REGION", "AWS_CONFIG_FILE="+file, none).Region)
	require.Equal(t, "https://healthlake.us-west-2.amazonaws.com",
		load(t, "CDC_QUEUE_URL=http://queue", "AWS_REGION", "AWS_PROFILE=lab", "AWS_CONFIG_FILE="+file, none).HealthLakeEndpoint)
	_, err := Load(Worker, environ("CDC_QUEUE_URL=http://queue", "AWS_REGION", "AWS_CONFIG_FILE="+dir+"/none", none), nil)
	require.ErrorContains(t, err, "AWS_REGION: is required")
}

func TestFlagsOverride(t *testing.T) {
	set := pflag.NewFlagSet("worker", pflag.ContinueOnError)
	BindFlags(set)
	require.NoError(t, set.Parse([]string{"--datastores=x,y", "--metrics-addr", "", "--insecure-plaintext", "--payload-keys="}))
	c, err := Load(Worker, environ(append(local[2:], "CDC_LOOKBACK=7s")...), set)
	require.NoError(t, err)
	require.Equal(t, []string{"x", "y"}, c.Datastores)
	require.Empty(t, c.MetricsAddr)
	require.True(t, c.InsecurePlaintext)
	require.Nil(t, c.PayloadKeys)
	require.Equal(t, 7*time.Second, c.Lookback)

	set = pflag.NewFlagSet("worker", pflag.ContinueOnError)
	BindFlags(set)
	require.NoError(t, set.Parse([]string{"--passes=0s"}))
	_, err = Load(Worker, environ(), set)
	require.ErrorContains(t, err, "--passes: 0s is not above 0s")
}

func TestEveryVariableHasAFlagAndHelp(t *testing.T) {
	set := pflag.NewFlagSet("worker", pflag.ContinueOnError)
	BindFlags(set)
	usage := set.FlagUsages()
	for _, v := range variables {
		require.NotEmpty(t, v.help, v.name)
		if strings.HasPrefix(v.name, prefix) {
			require.Contains(t, usage, "--"+v.flag+" ")
			require.Contains(t, usage, "("+v.name)
		}
	}
	require.Contains(t, usage, "(CDC_QUEUE_URL, required by the worker)")
	require.Contains(t, usage, "(CDC_LOOKBACK, default 5s)")
}

// The settings in docs/reference.md are the ones that the programs load.
func TestReference(t *testing.T) {
	docstest.Section(t, "../../docs/reference.md", "settings", Reference())
}

func TestPrintedFormsHideKeys(t *testing.T) {
	c := load(t)
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("starting", "config", c)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", c, c, c), fmt.Sprintf("%v %+v %#v", *c, *c, *c), logged.String()} {
		require.NotContains(t, text, "QUFB")
		require.NotContains(t, text, "AAAA")
		require.Contains(t, text, "[keys k1]")
	}
}
