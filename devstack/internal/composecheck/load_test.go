package composecheck_test

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

const (
	// root is the repository, seen from this folder.
	root        = "../../.."
	composeFile = root + "/docker-compose.yml"
	awsFile     = root + "/deploy/docker/aws.yml"
)

// load reads compose files as `docker compose` does, with every profile on and
// with nothing but env in the environment.
func load(t *testing.T, env []string, files ...string) *types.Project {
	t.Helper()
	project, err := tryLoad(t, env, files...)
	require.NoError(t, err)
	return project
}

func tryLoad(t *testing.T, env []string, files ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions(files, cli.WithEnv(env), cli.WithName("composecheck"), cli.WithDefaultProfiles("*"))
	require.NoError(t, err)
	return options.LoadProject(t.Context())
}
