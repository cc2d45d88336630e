package config_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/config"
)

var update = flag.Bool("update", false, "write the README's table of settings")

// The README's table of settings is the one that the programs load by.
func TestREADMEHasTheTableOfSettings(t *testing.T) {
	const (
		path  = "../../README.md"
		begin = "<!-- settings:"
		end   = "<!-- /settings -->"
	)
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(file), begin)
	require.True(t, found, "README.md has no %s", begin)
	comment, rest, found := strings.Cut(rest, "\n")
	require.True(t, found)
	table, tail, found := strings.Cut(rest, end)
	require.True(t, found, "README.md has no %s", end)

	if *update {
		text := head + begin + comment + "\n" + config.Table() + end + tail
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return
	}
	require.Equal(t, config.Table(), table, "run go test ./internal/config -run README -update")
}
