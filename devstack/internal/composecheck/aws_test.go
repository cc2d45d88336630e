package composecheck_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/payload"
)

// awsEnvironment is what the overlay for real AWS needs to be given.
func awsEnvironment() []string {
	return []string{
		"AWS_REGION=eu-west-1", "CDC_DATASTORES=0123456789abcdef0123456789abcdef",
		"CDC_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/111122223333/triggers", "CDC_EVENT_BUS=changes",
		"CDC_PAYLOAD_KEYS=" + payload.GenerateKey(), "TEMPORAL_DATABASE_PASSWORD=from-outside",
		"TEMPORAL_JWT_KEY_SOURCE1=https://keys.example.org/jwks.json", "TEMPORAL_API_KEY=a-token",
	}
}

func TestForRealAWSNothingOfTheStandInsIsLeft(t *testing.T) {
	project := mustLoad(t, source{files: []string{composeFile, awsFile}, env: awsEnvironment(), profile: "operator"})
	require.NotContains(t, project.Services, "devstack")
	for name, program := range ours {
		service := project.Services[name]
		require.NotContains(t, service.DependsOn, "devstack")
		require.Contains(t, service.DependsOn, "temporal-namespace")
		require.True(t, service.ReadOnly, "%s stays as it was in the rest", name)
		for variable, value := range service.Environment {
			require.NotContains(t, variable, "ENDPOINT")
			if value != nil {
				require.NotContains(t, strings.ToLower(*value), "devstack", variable)
			}
		}
		cfg, err := config.Load(program, environment(service), nil)
		require.NoError(t, err, name)
		require.False(t, cfg.InsecurePlaintext, "real records are encrypted")
		require.NotNil(t, cfg.PayloadKeys)
		require.Equal(t, "eu-west-1", cfg.Region)
	}
}

// Credentials are handed on where they are set, and are not there otherwise: an
// empty one would hide the machine's role.
func TestForRealAWSCredentialsAreHandedOn(t *testing.T) {
	files := []string{composeFile, awsFile}
	without := mustLoad(t, source{files: files, env: awsEnvironment()}).Services["worker"]
	for _, line := range environment(without) {
		require.False(t, strings.HasPrefix(line, "AWS_SECRET_ACCESS_KEY="), "not set outside, so not set inside")
	}
	with := mustLoad(t, source{files: files, env: append(awsEnvironment(), "AWS_SECRET_ACCESS_KEY=from-outside")}).Services["worker"]
	require.Contains(t, environment(with), "AWS_SECRET_ACCESS_KEY=from-outside")
}

// Temporal requires a token of its callers, and its database a password from the
// environment; those in the files are not used.
func TestForRealAWSTemporalAsksWhoCalls(t *testing.T) {
	services := mustLoad(t, source{files: []string{composeFile, awsFile}, env: awsEnvironment(), profile: everyProfile}).Services
	server := services["temporal"].Environment
	require.Equal(t, "false", *server["TEMPORAL_ALLOW_NO_AUTH"])
	require.Equal(t, "default", *server["TEMPORAL_AUTH_AUTHORIZER"])
	require.Equal(t, "default", *server["TEMPORAL_AUTH_CLAIM_MAPPER"])
	require.Equal(t, "https://keys.example.org/jwks.json", *server["TEMPORAL_JWT_KEY_SOURCE1"])
	for _, name := range []string{"worker", "starter", "temporal-namespace"} {
		require.Equal(t, "a-token", *services[name].Environment["TEMPORAL_API_KEY"], name)
	}
	for name, variable := range map[string]string{"postgresql": "POSTGRES_PASSWORD", "temporal-schema": "SQL_PASSWORD", "temporal": "POSTGRES_PWD"} {
		require.Equal(t, "from-outside", *services[name].Environment[variable], name)
	}
	up := mustLoad(t, source{files: []string{composeFile, awsFile}, env: awsEnvironment()}).Services
	require.NotContains(t, up, "temporal-ui", "it has no token")
}

func TestForRealAWSEveryValueIsAskedFor(t *testing.T) {
	for i, variable := range awsEnvironment() {
		env := slices.Delete(awsEnvironment(), i, i+1)
		name, _, _ := strings.Cut(variable, "=")
		_, err := source{files: []string{composeFile, awsFile}, env: env}.load(t.Context())
		require.ErrorContains(t, err, name)
	}
	_, err := source{files: []string{composeFile, awsFile}, env: append(awsEnvironment(), "CDC_INSECURE_PLAINTEXT=true")}.load(t.Context())
	require.NoError(t, err, "it does not come from the environment")
}
