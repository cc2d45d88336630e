package composecheck_test

import (
	"context"
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

// everyProfile switches on the services of all profiles.
const everyProfile = "*"

// source is what `docker compose` is given.
type source struct {
	files   []string
	env     []string // nothing of the process's own environment is seen
	profile string
	// raw does not replace ${…}.
	raw bool
}

func (s source) load(ctx context.Context) (*types.Project, error) {
	options, err := cli.NewProjectOptions(s.files,
		cli.WithWorkingDirectory(root), cli.WithEnv(s.env), cli.WithInterpolation(!s.raw),
		// A project's services are looked up by name below: none may be dropped.
		cli.WithDefaultProfiles(s.profile))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(ctx)
}

// composed is docker-compose.yml with every service, as `docker compose` reads it
// where no variable is set.
func composed(t *testing.T) *types.Project {
	t.Helper()
	return mustLoad(t, source{files: []string{composeFile}, profile: everyProfile})
}

func mustLoad(t *testing.T, s source) *types.Project {
	t.Helper()
	project, err := s.load(t.Context())
	require.NoError(t, err)
	return project
}

// environment is a service's, as [os.Environ] would give it to the program.
func environment(service types.ServiceConfig) []string {
	var env []string
	for name, value := range service.Environment {
		if value != nil {
			env = append(env, name+"="+*value)
		}
	}
	return env
}
