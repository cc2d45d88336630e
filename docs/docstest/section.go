// Package docstest holds the generated sections of docs/reference.md to the code that
// they describe.
package docstest

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the generated sections of docs/reference.md")

// Section requires that the section between the comments `<!-- name -->` and
// `<!-- /name -->` of the file at path is want. With -update it writes the section.
func Section(t *testing.T, path, name, want string) {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
	file, err := os.ReadFile(path) //nolint:gosec // a file of the repository
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(file), begin)
	require.True(t, found, "%s has no %s", path, begin)
	got, tail, found := strings.Cut(rest, end)
	require.True(t, found, "%s has no %s", path, end)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(head+begin+want+end+tail), 0o600)) //nolint:gosec // the same
		return
	}
	require.Equal(t, want, got, "run go generate ./docs")
}

// Flags returns the table of a command's flags in Markdown, "" when it has none.
func Flags(set *pflag.FlagSet) string {
	var rows strings.Builder
	set.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Hidden {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		name := strings.TrimSpace("--" + f.Name + " " + kind)
		shown := "–"
		switch f.DefValue {
		case "", "0", "0s", "false", "[]":
		default:
			shown = "`" + strings.Trim(f.DefValue, "[]") + "`"
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s |\n", name, shown, strings.ReplaceAll(usage, "|", `\|`))
	})
	if rows.Len() == 0 {
		return ""
	}
	return "| flag | default | meaning |\n|---|---|---|\n" + rows.String()
}
