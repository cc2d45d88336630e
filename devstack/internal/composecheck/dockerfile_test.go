package composecheck_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	return string(text)
}

// stage is a FROM of the Dockerfile with what follows it.
type stage struct {
	from  string
	lines []string
}

var fromLine = regexp.MustCompile(`^FROM (?:--platform=\S+ )?(\S+) AS (\S+)$`)

func stages(t *testing.T) map[string]stage {
	t.Helper()
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	all := map[string]stage{}
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if match := fromLine.FindStringSubmatch(line); match != nil {
			name = match[2]
			all[name] = stage{from: match[1]}
			continue
		}
		require.False(t, strings.HasPrefix(line, "FROM"), "a stage has no name: %s", line)
		if name != "" && line != "" && !strings.HasPrefix(line, "#") {
			all[name] = stage{from: all[name].from, lines: append(all[name].lines, line)}
		}
	}
	return all
}

// find returns the rest of the only line that begins with word.
func (s stage) find(t *testing.T, word string) string {
	t.Helper()
	var found []string
	for _, line := range s.lines {
		if rest, ok := strings.CutPrefix(line, word+" "); ok {
			found = append(found, rest)
		}
	}
	require.Len(t, found, 1, word)
	return found[0]
}

// words reads the JSON array that ENTRYPOINT and CMD are written as.
func words(t *testing.T, text string) []string {
	t.Helper()
	var all []string
	require.NoError(t, json.Unmarshal([]byte(text[strings.IndexByte(text, '['):]), &all), "no shell is in the images")
	return all
}

func TestImagesHoldAStaticBinaryAndNoRoot(t *testing.T) {
	all := stages(t)
	require.Contains(t, all["source"].find(t, "ENV"), "CGO_ENABLED=0")
	require.Contains(t, all["source"].find(t, "ENV"), "GOWORK=off")
	require.Contains(t, all["source"].find(t, "ENV"), "-trimpath")
	require.Equal(t, "scratch", all["base"].from)
	require.Regexp(t, `^[1-9]\d*:[1-9]\d*$`, all["base"].find(t, "USER"))
	require.Contains(t, all["base"].find(t, "COPY"), "ca-certificates.crt")
	for _, name := range []string{"worker", "starter", "devstack"} {
		require.Equal(t, "base", all[name].from, name)
		require.Equal(t, []string{"/" + name}, words(t, all[name].find(t, "ENTRYPOINT")))
		require.Equal(t, "--from=build-"+name+" /out/"+name+" /"+name, all[name].find(t, "COPY"))
		build := all["build-"+name].find(t, "RUN")
		require.Contains(t, build, `-ldflags="-s -w" -o /out/`+name)
		for _, line := range all[name].lines {
			require.False(t, strings.HasPrefix(line, "USER"), "%s goes back to another user", name)
		}
	}
	require.Equal(t, "CDC_METRICS_ADDR=0.0.0.0:9464", all["worker"].find(t, "ENV"))
	require.Equal(t, []string{"/worker", "--probe", "healthz"}, words(t, all["worker"].find(t, "HEALTHCHECK")))
	require.Equal(t, []string{"/devstack", "probe"}, words(t, all["devstack"].find(t, "HEALTHCHECK")))
}

// The image compiles with the Go version that the modules name: it cannot download another.
func TestTheImageHasTheModulesGo(t *testing.T) {
	goLine := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, "devstack/go.mod"))
	require.NotNil(t, goLine)
	image, digest, _ := strings.Cut(stages(t)["source"].from, "@sha256:")
	require.Equal(t, "golang:"+goLine[1], image)
	require.Len(t, digest, 64)
}

func TestComposeBuildsTargetsThatExist(t *testing.T) {
	all := stages(t)
	built := 0
	for name, service := range composed(t).Services {
		if service.Build == nil {
			continue
		}
		built++
		target, ok := all[service.Build.Target]
		require.True(t, ok, "%s builds target %s", name, service.Build.Target)
		require.Empty(t, service.Entrypoint, "%s has the image's", name)
		if service.HealthCheck != nil {
			require.Equal(t, words(t, target.find(t, "ENTRYPOINT"))[0], service.HealthCheck.Test[1], "%s is checked by its own binary", name)
		}
	}
	require.Equal(t, 3, built)
}

// Every file that the three programs are built from is in the build's context.
func TestTheBuildContextHasEverySource(t *testing.T) {
	top, err := filepath.Abs(root)
	require.NoError(t, err)
	files := []string{"go.mod", "go.sum", "devstack/go.mod", "devstack/go.sum"}
	for folder, programs := range map[string][]string{".": {"./worker", "./starter"}, "devstack": {"."}} {
		files = append(files, sources(t, top, filepath.Join(top, folder), programs)...)
	}
	require.Greater(t, len(files), 100)
	patterns := strings.Fields(regexp.MustCompile(`(?m)^#.*$`).ReplaceAllString(read(t, ".dockerignore"), ""))
	for _, file := range files {
		require.False(t, ignored(patterns, file), "%s is not in the build's context", file)
	}
	for _, file := range []string{".git/config", ".env", "bin/worker", "docs/images/ui.png", "go.work", "worker/probe_test.go", "devstack/temporal/main.go"} {
		require.True(t, ignored(patterns, file), "%s is in the build's context", file)
	}
}

// sources are the files of the modules below top that the programs are compiled from.
func sources(t *testing.T, top, folder string, programs []string) []string {
	t.Helper()
	const list = `{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}`
	command := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps", "-f", list}, programs...)...)
	command.Dir = folder
	command.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	text, err := command.Output()
	require.NoError(t, err)
	var files []string
	for line := range strings.Lines(string(text)) {
		if file, ours := strings.CutPrefix(strings.TrimSpace(line), top+"/"); ours {
			files = append(files, file)
		}
	}
	return files
}

// ignored reports whether a .dockerignore excludes a file: the last pattern that matches
// the file or a folder above it decides, and ! includes it again.
func ignored(patterns []string, file string) bool {
	out := false
	for _, pattern := range patterns {
		pattern, back := strings.CutPrefix(pattern, "!")
		pattern, anywhere := strings.CutPrefix(pattern, "**/")
		parts := strings.Split(file, "/")
		for i := range parts {
			for from := 0; from <= i; from++ {
				if matched, _ := path.Match(pattern, strings.Join(parts[from:i+1], "/")); matched && (from == 0 || anywhere) {
					out = !back
				}
			}
		}
	}
	return out
}
