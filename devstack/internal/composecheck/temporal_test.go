package composecheck_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// The official images are built from the modules of devstack/temporal: their settings are
// compared with those.
const (
	serverModule = "go.temporal.io/server"
	uiModule     = "github.com/temporalio/ui-server/v2"
)

// module returns where the sources of a dependency of devstack/temporal are, and its version.
func module(t *testing.T, name string) (folder, version string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", name)
	command.Dir = filepath.Join(root, "devstack", "temporal")
	command.Env = append(os.Environ(), "GOWORK=off")
	text, err := command.Output()
	require.NoError(t, err)
	var found struct{ Dir, Version string }
	require.NoError(t, json.Unmarshal(text, &found))
	return found.Dir, found.Version
}

func texts(t *testing.T, folder string, files ...string) string {
	t.Helper()
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(folder, file))
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}

func TestTheImagesOfTemporalReadWhatTheyAreTold(t *testing.T) {
	server, _ := module(t, serverModule)
	ui, _ := module(t, uiModule)
	reads := map[string]string{
		"temporal": texts(t, server, "common/config/config_template_embedded.yaml", "common/config/loader.go", "docker/scripts/sh/entrypoint.sh", "cmd/server/main.go"),
		// The databases' names are the tool's to set, by the script.
		"temporal-schema": texts(t, server, "tools/sql/main.go"),
		// The CLI reads the SDK's variables.
		"temporal-namespace": read(t, "deploy/docker/temporal-namespace.sh") + strings.Join(sdkVariables, " "),
		"temporal-ui":        texts(t, ui, "config/docker.yaml"),
	}
	for _, services := range []types.Services{
		composed(t).Services, mustLoad(t, source{files: []string{composeFile, awsFile}, env: awsEnvironment(), profile: everyProfile}).Services,
	} {
		for name, text := range reads {
			for variable := range services[name].Environment {
				require.Regexp(t, `\b`+variable+`\b`, text, name)
			}
		}
	}
}

// Server, schema and namespace have one release, of the series that the end-to-end tests
// run.
func TestTemporalsImagesAreOfOneRelease(t *testing.T) {
	_, embedded := module(t, serverModule)
	services := composed(t).Services
	version := func(service, image string) string {
		_, rest, ok := strings.Cut(services[service].Image, image+":")
		require.True(t, ok, service)
		tag, _, _ := strings.Cut(rest, "@")
		return tag
	}
	server := version("temporal", "temporalio/server")
	for _, tools := range []string{"temporal-schema", "temporal-namespace"} {
		require.Equal(t, server, version(tools, "temporalio/admin-tools"))
	}
	series := regexp.MustCompile(`^v?(\d+\.\d+)\.`)
	require.Equal(t, series.FindStringSubmatch(embedded)[1], series.FindStringSubmatch(server)[1])
}

// The schemas' folders are copied to the tools' image as they are in the sources.
func TestTheSchemasExist(t *testing.T) {
	server, _ := module(t, serverModule)
	script := read(t, "deploy/docker/temporal-schema.sh")
	require.Contains(t, script, `/etc/temporal/schema/postgresql/v12/$schema/versioned`)
	require.Contains(t, script, "in temporal temporal_visibility;")
	for _, schema := range []string{"temporal", "visibility"} {
		require.DirExists(t, filepath.Join(server, "schema/postgresql/v12", schema, "versioned"))
	}
	template := texts(t, server, "common/config/config_template_embedded.yaml")
	require.Contains(t, template, `"temporal_visibility"`)
	require.Contains(t, template, `"`+*composed(t).Services["temporal"].Environment["DB"]+`"`)
}

// Scripts are given to the containers by this file, so they are in the repository.
func TestScriptsAreWhereTheyAreRun(t *testing.T) {
	project := composed(t)
	for _, name := range []string{"temporal-schema", "temporal-namespace"} {
		service := project.Services[name]
		require.Equal(t, "/bin/sh", service.Entrypoint[0])
		require.Equal(t, service.Configs[0].Target, service.Entrypoint[1])
	}
	for name, config := range project.Configs {
		require.FileExists(t, config.File, name)
	}
	target := project.Services["temporal"].Configs[0].Target
	require.Equal(t, target, *project.Services["temporal"].Environment["DYNAMIC_CONFIG_FILE_PATH"])
}
