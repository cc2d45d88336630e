package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

const (
	// rootModule is the module that worker and starter are in.
	rootModule = "healthlake-cdc"
	// temporalModule is the Temporal server's, outside of go.work: its go.mod alone decides the
	// versions that it is built with.
	temporalModule = rootModule + "/devstack/temporal"
)

// Progress receives the line that precedes a build.
var Progress io.Writer = os.Stderr

// programs are built once a process.
var programs struct {
	sync.Mutex
	paths map[string]string
}

// Program builds a main package of this repository, for example "healthlake-cdc/worker", to the
// repository's folder bin, once in this process, and returns the binary's path.
func Program(ctx context.Context, pkg string) (string, error) {
	programs.Lock()
	defer programs.Unlock()
	if file := programs.paths[pkg]; file != "" {
		return file, nil
	}
	root, err := RepoRoot(ctx)
	if err != nil {
		return "", err
	}
	file := filepath.Join(root, "bin", path.Base(pkg))
	if err := BuildBinary(ctx, pkg, file); err != nil {
		return "", err
	}
	if programs.paths == nil {
		programs.paths = make(map[string]string)
	}
	programs.paths[pkg] = file
	return file, nil
}

// BuildBinary builds a main package of this repository to the file out (made absolute against the
// working directory). It needs the go command and runs it in the repository's root, so that
// go.work decides the versions as it does for the developer, but for the Temporal server.
func BuildBinary(ctx context.Context, pkg, out string) error {
	root, err := RepoRoot(ctx)
	if err != nil {
		return err
	}
	out, err = filepath.Abs(out)
	if err != nil {
		return fmt.Errorf("resolving the output path: %w", err)
	}
	// Built on the output's file system, a binary is renamed to out, which works while the one
	// there runs: another process may have built and started it a moment ago. The dot hides the
	// folder from the pattern ./...
	temporary := filepath.Join(filepath.Dir(out), ".build")
	if err := os.MkdirAll(temporary, 0o750); err != nil {
		return fmt.Errorf("making the build's folder: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOTMPDIR="+temporary)
	line := "building " + pkg + " (a minute or two the first time)"
	if pkg == temporalModule {
		cmd.Dir = filepath.Join(root, "devstack", "temporal")
		cmd.Env = append(cmd.Env, "GOWORK=off")
		line = "building the Temporal server (about 7 minutes the first time, on two cores)"
	}
	_, _ = fmt.Fprintln(Progress, line)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, bytes.TrimSpace(text))
	}
	return nil
}

// RepoRoot is the directory of the root module: the workspace's, or with GOWORK=off the parent
// of the devstack module. The working directory must lie in the repository.
func RepoRoot(ctx context.Context) (string, error) {
	text, err := exec.CommandContext(ctx, "go", "env", "GOWORK", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("asking go for the workspace (is Go installed and in PATH?): %w", err)
	}
	for line := range strings.Lines(string(text)) {
		file := strings.TrimSpace(line)
		if file == "" || file == "off" || file == os.DevNull {
			continue
		}
		for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
			if isRoot(dir) {
				return dir, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", errors.New("finding the repository: run this from inside a clone of " + rootModule)
}

func isRoot(dir string) bool {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod")) //nolint:gosec // a path that go itself named
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(mod)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "module" {
			return fields[1] == rootModule
		}
	}
	return false
}
