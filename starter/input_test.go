package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Resources are named by arguments, by standard input, or by both; what cannot be read
// is not repeated.
func TestResourceNames(t *testing.T) {
	s := &session{progress: io.Discard}
	names := func(in string, most int, args ...string) ([]string, error) {
		return s.resourceNames(t.Context(), strings.NewReader(in), args, most)
	}
	got, err := names("\ufeffPatient/2, Patient/3\r\n\n  Goal/4\n", 5, "Patient/1", "-", "Claim/5")
	require.NoError(t, err)
	require.Equal(t, []string{"Patient/1", "Patient/2", "Patient/3", "Goal/4", "Claim/5"}, got)
	got, err = names("unread", 1, "Patient/1")
	require.NoError(t, err)
	require.Equal(t, []string{"Patient/1"}, got)
	for says, c := range map[string]struct {
		in   string
		args []string
	}{
		"names no resource":    {in: " \n", args: []string{"-"}},
		"only once":            {in: "Patient/1", args: []string{"-", "-"}},
		"more than 2":          {in: "Patient/1\nPatient/2\nPatient/SECRET", args: []string{"-"}},
		"more than 2 ":         {args: []string{"a", "b", "c"}},
		"cannot be read as li": {in: "Patient/SECRET" + strings.Repeat("x", 1<<17), args: []string{"-"}},
	} {
		_, err := names(c.in, 2, c.args...)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "SECRET")
	}
}

// Ctrl-C ends a command that waits for somebody to type.
func TestStandardInputCanBeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never, writer := io.Pipe()
	t.Cleanup(func() { require.NoError(t, writer.Close()) })
	_, err := (&session{progress: io.Discard}).resourceNames(ctx, never, []string{"-"}, 1)
	require.ErrorIs(t, err, errInterrupted)
}

// run runs the starter's command line without a stack.
func run(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	root := newRootCommand()
	var out, progress bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&progress)
	root.SetIn(strings.NewReader(""))
	root.SetArgs(args)
	err = root.ExecuteContext(t.Context())
	return out.String(), progress.String(), err
}

// A command that does not exist is an error that shows what does, in every group.
func TestUnknownCommands(t *testing.T) {
	groups := 0
	for _, command := range newRootCommand().Commands() {
		if !command.HasSubCommands() {
			continue
		}
		groups++
		for _, args := range [][]string{{command.Name()}, {command.Name(), "aply"}} {
			stdout, _, err := run(t, args...)
			require.ErrorContains(t, err, command.Name()+" needs a subcommand: "+command.Commands()[0].Name(), args)
			require.Empty(t, stdout, "only answers go there")
		}
	}
	require.Equal(t, 2, groups, "keys and subscriptions")
	_, _, err := run(t, "aply")
	require.ErrorContains(t, err, `unknown command "aply"`)
	_, _, err = run(t, "help", "subscriptions", "aply")
	require.ErrorContains(t, err, "no help for")
	stdout, _, err := run(t, "help", "subscriptions", "apply")
	require.NoError(t, err)
	require.Contains(t, stdout, "Apply writes what plan prints")
}
