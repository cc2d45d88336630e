package main

import (
	"bufio"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/dynamicconfig"
)

// listening returns the address of a listener that is closed with the test.
func listening(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// free returns addresses that nothing listens on.
func free(t *testing.T, flags ...string) []string {
	t.Helper()
	args := make([]string, 0, len(flags))
	for _, flag := range flags {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { require.NoError(t, listener.Close()) }()
		args = append(args, flag+"="+listener.Addr().String())
	}
	return args
}

// What devstack relies on: a line when clients can come, and the end when the process
// that started it is gone.
func TestServesUntilStdinEnds(t *testing.T) {
	args := free(t, "--frontend", "--history", "--matching", "--worker", "--ui")
	stdin, parent := io.Pipe()
	output, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(t.Context(), args, stdin, stdout)
		_ = stdout.Close()
		ended <- err
	}()
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, readyLine+"\n", line)

	_, frontend, _ := strings.Cut(args[0], "=")
	c, err := client.DialContext(t.Context(), client.Options{HostPort: frontend})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, parent.Close())
	require.NoError(t, <-ended)
	_, ui, _ := strings.Cut(args[4], "=")
	_, err = http.Get("http://" + ui)
	require.ErrorContains(t, err, "refused")
}

func TestWhatDoesNotStart(t *testing.T) {
	taken := listening(t)
	addresses := free(t, "--frontend", "--history", "--matching", "--worker")
	for message, more := range map[string][]string{
		"is another server runn":   {"--frontend", taken},
		"starting the Temporal UI": {"--ui", taken},
		"create its folder":        {"--db", filepath.Join(t.TempDir(), "absent", "t.db")},
		"setting the log level":    {"--log-level", "loud"},
		"not defined":              {"--port", "1"},
		"there are flags only":     {"extra"},
		"reading an address":       {"--history", "7234"},
	} {
		err := run(t.Context(), append(addresses, more...), strings.NewReader(""), io.Discard)
		require.ErrorContains(t, err, message)
	}
	require.ErrorIs(t, run(t.Context(), []string{"--help"}, strings.NewReader(""), io.Discard), flag.ErrHelp)
}

// What docker-compose.yml gives Temporal's own image is known to the server.
func TestDynamicSettingsOfTheContainersExist(t *testing.T) {
	text, err := os.ReadFile("../../deploy/docker/temporal-dynamicconfig.yaml")
	require.NoError(t, err)
	loaded := dynamicconfig.LoadYamlFile(text)
	require.NoError(t, loaded.Err())
	require.Empty(t, loaded.Warnings)
	require.Len(t, loaded.Map, 2)
}
