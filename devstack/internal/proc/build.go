package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// rootModule is the module that holds worker and starter, devModule the one of this package.
const (
	rootModule = "healthlake-cdc"
	devModule  = rootModule + "/devstack"
)

// Progress receives the line that precedes a build.
var Progress io.Writer = os.Stderr

// BuildBinary builds a main package of this repository, for example "healthlake-cdc/worker", to
// the file out (made absolute against the working directory). It needs the go command and runs
// it in the repository's root, so that go.work decides the versions as it does for the developer.
func BuildBinary(ctx context.Context, pkg, out string) error {
	root, err := RepoRoot(ctx)
	if err != nil {
		return err
	}
	out, err = filepath.Abs(out)
	if err != nil {
		return fmt.Errorf("resolving the output path: %w", err)
	}
	hint := "the first build takes a minute or two"
	if pkg == devModule || strings.HasPrefix(pkg, devModule+"/") {
		hint = "building the Temporal server for the first time takes about 7 minutes on two cores"
	}
	_, _ = fmt.Fprintf(Progress, "building %s (%s)\n", pkg, hint)

	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, pkg)
	cmd.Dir = root
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
