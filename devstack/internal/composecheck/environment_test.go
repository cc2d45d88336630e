package composecheck_test

import (
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/deploy"
	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/payload"
)

// ours are the services that run our programs, and which settings those read.
var ours = map[string]config.Program{"worker": config.Worker, "starter": config.Starter}

// sdkVariables are those of the SDKs that the contract of settings names: AWS's
// region, credentials and endpoints, Temporal's address, namespace, key and TLS.
var sdkVariables = []string{
	"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_EVENTBRIDGE", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TEMPORAL_TLS",
}

func settings() []string {
	all := append([]string(nil), sdkVariables...)
	return append(all, config.Names()...)
}

func TestEveryVariableExists(t *testing.T) {
	known := settings()
	for _, project := range []source{
		{files: []string{composeFile}, profile: everyProfile},
		{files: []string{composeFile, awsFile}, env: awsEnvironment(), profile: everyProfile},
	} {
		services := mustLoad(t, project).Services
		for _, name := range []string{"worker", "starter", "devstack"} {
			for variable := range services[name].Environment {
				require.Contains(t, known, variable, "%s has %s", name, variable)
			}
		}
	}
}

// A variable in a ${…} or a comment is a setting too, but for the compose file's own.
func TestEveryVariableThatIsNamedExists(t *testing.T) {
	known := settings()
	for _, file := range []string{composeFile, awsFile, root + "/Dockerfile"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`\b(?:CDC|AWS)_[A-Z0-9_]+`).FindAllString(string(text), -1) {
			require.Contains(t, known, name, file)
		}
	}
}

// The programs accept the environment.
func TestTheEnvironmentIsValid(t *testing.T) {
	for name, program := range ours {
		// Without keys nothing may lead out of this network.
		out := append(environment(composed(t).Services[name]), "CDC_HEALTHLAKE_ENDPOINT=https://healthlake.us-west-2.amazonaws.com")
		_, err := config.Load(program, out, nil)
		require.ErrorContains(t, err, "CDC_INSECURE_PLAINTEXT: is for synthetic data on one machine", name)

		cfg, err := config.Load(program, environment(composed(t).Services[name]), nil)
		require.NoError(t, err, name)
		require.True(t, cfg.InsecurePlaintext, "the first `up` works without keys")

		cfg, err = config.Load(program, environment(mustLoad(t, source{
			files: []string{composeFile}, profile: everyProfile,
			env: []string{"CDC_PAYLOAD_KEYS=" + payload.GenerateKey(), "CDC_INSECURE_PLAINTEXT=false"},
		}).Services[name]), nil)
		require.NoError(t, err, name)
		require.NotNil(t, cfg.PayloadKeys, "keys from outside are used")
	}
}

// The worker, the starter and the codec endpoint agree on the payload keys.
func TestTheCodecHasTheWorkersKeys(t *testing.T) {
	services := mustLoad(t, source{
		files: []string{composeFile}, profile: everyProfile,
		env: []string{"CDC_PAYLOAD_KEYS=one:key", "CDC_INSECURE_PLAINTEXT=false"},
	}).Services
	for _, name := range []string{"CDC_PAYLOAD_KEYS", "CDC_INSECURE_PLAINTEXT"} {
		require.Equal(t, services["worker"].Environment[name], services["devstack"].Environment[name])
		require.Equal(t, services["worker"].Environment[name], services["starter"].Environment[name])
	}
	require.Equal(t, "one:key", *services["devstack"].Environment["CDC_PAYLOAD_KEYS"])
}

// The worker's settings match what the stand-ins create from the template.
func TestTheWorkerIsToldWhatTheStandInsOffer(t *testing.T) {
	told := composed(t).Services["worker"].Environment
	identity := simulator.DefaultCredentials
	server, err := awslocal.New(awslocal.Config{
		Region: *told["AWS_REGION"], ContainerHost: "devstack",
		AccessKeyID: identity.AccessKeyID, SecretAccessKey: identity.SecretAccessKey,
	})
	require.NoError(t, err)
	require.NoError(t, server.Start("127.0.0.1:0"))
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	client := aws.Config{
		Region: *told["AWS_REGION"], BaseEndpoint: aws.String(server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(*told["AWS_ACCESS_KEY_ID"], *told["AWS_SECRET_ACCESS_KEY"], ""),
	}
	applied, err := awslocal.ApplyTemplate(t.Context(), deploy.Template,
		map[string]string{"DatastoreIds": *told["CDC_DATASTORES"]},
		awslocal.Target{SQS: sqs.NewFromConfig(client), EventBridge: eventbridge.NewFromConfig(client), Region: server.Region(), Account: server.Account()})
	require.NoError(t, err)

	require.Equal(t, simulator.DefaultDatastore, *told["CDC_DATASTORES"])
	require.Equal(t, applied.Outputs["BusName"], *told["CDC_EVENT_BUS"])
	made, given := parse(t, applied.Outputs["QueueUrl"]), parse(t, *told["CDC_QUEUE_URL"])
	require.Equal(t, made.Path, given.Path)
	require.Equal(t, made.Hostname(), given.Hostname())
	// All of SQS is on one port, and devstack publishes it.
	require.Equal(t, *told["AWS_ENDPOINT_URL_SQS"], given.Scheme+"://"+given.Host)
	require.Equal(t, *told["AWS_ENDPOINT_URL_SQS"], *told["AWS_ENDPOINT_URL_EVENTBRIDGE"])
}

// The file is for synthetic records, and leads to another one for real AWS.
func TestTheFileForSyntheticRecordsIsForNoOthers(t *testing.T) {
	text, err := os.ReadFile(composeFile)
	require.NoError(t, err)
	require.Contains(t, string(text), "synthetic records only")
	require.Contains(t, string(text), "For real AWS add deploy/docker/aws.yml")
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	parsed, err := url.Parse(text)
	require.NoError(t, err)
	return parsed
}

var secretName = regexp.MustCompile(`KEY|PASSWORD|PWD|SECRET|TOKEN`)

// Secrets come from the environment, except the stand-ins' public credentials.
func TestNoSecretIsInTheFiles(t *testing.T) {
	public := []string{simulator.DefaultCredentials.AccessKeyID, simulator.DefaultCredentials.SecretAccessKey}
	project := mustLoad(t, source{files: []string{composeFile}, profile: everyProfile, raw: true})
	for name, service := range project.Services {
		for variable, value := range service.Environment {
			if value == nil || !secretName.MatchString(variable) || strings.HasPrefix(*value, "${") {
				continue
			}
			require.Contains(t, public, *value, "%s of %s", variable, name)
		}
	}
	text, err := os.ReadFile(awsFile)
	require.NoError(t, err)
	for _, line := range regexp.MustCompile(`(?m)^ +([A-Z_]+):(.*)$`).FindAllStringSubmatch(string(text), -1) {
		if secretName.MatchString(line[1]) {
			require.Regexp(t, `^( \$\{.*\}| \*[a-z-]+)?$`, line[2], line[1])
		}
	}
}
