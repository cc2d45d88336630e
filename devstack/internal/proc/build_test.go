package proc_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/proc"
)

func TestRepoRootHoldsBothModules(t *testing.T) {
	for _, gowork := range []string{"", "off"} {
		t.Setenv("GOWORK", gowork)
		root, err := proc.RepoRoot(t.Context())
		require.NoError(t, err)
		require.FileExists(t, filepath.Join(root, "go.work"))
		require.FileExists(t, filepath.Join(root, "devstack", "go.mod"))
	}
}

func TestRepoRootOutsideOfTheRepository(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := proc.RepoRoot(t.Context())
	require.ErrorContains(t, err, "from inside a clone")
}

func TestBuildBinary(t *testing.T) {
	var progress bytes.Buffer
	before := proc.Progress
	proc.Progress = &progress
	t.Cleanup(func() { proc.Progress = before })
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("go.mod", []byte("module healthlake-cdc\n\ngo 1.26\n"), 0o600))
	require.NoError(t, os.WriteFile("go.work", []byte("go 1.26\n\nuse .\n"), 0o600))
	require.NoError(t, os.Mkdir("tool", 0o700))
	require.NoError(t, os.WriteFile("tool/main.go", []byte("package main\n\nfunc main() { println(\"built\") }\n"), 0o600))
	t.Setenv("GOWORK", "")
	t.Chdir("tool")

	require.NoError(t, proc.BuildBinary(t.Context(), "healthlake-cdc/tool", "out"))
	require.Contains(t, progress.String(), "building healthlake-cdc/tool")
	p := start(t, proc.Spec{Name: "tool", Path: "./out"})
	_, err := p.WaitLine(t.Context(), func(line string) bool { return line == "built" })
	require.NoError(t, err)

	err = proc.BuildBinary(t.Context(), "healthlake-cdc/absent", "out")
	require.ErrorContains(t, err, "building healthlake-cdc/absent")
}
