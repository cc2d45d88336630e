package temporalserver_test

import (
	"flag"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/temporalserver"
)

func TestArgsAndParseArgsAreInverse(t *testing.T) {
	for _, o := range []temporalserver.Options{
		{},
		{
			Address: "127.0.0.1:7233", UIAddress: "127.0.0.1:8233", DatabaseFile: "a b/c#d.db",
			Namespaces: []string{"one", "two"}, Retention: 90 * time.Minute,
			CodecEndpoint: "http://127.0.0.1:8081", LogLevel: "warn",
		},
	} {
		parsed, err := temporalserver.ParseArgs(o.Args(), io.Discard)
		require.NoError(t, err)
		require.Equal(t, o, parsed)
	}
}

func TestParseArgsDefaults(t *testing.T) {
	o, err := temporalserver.ParseArgs(nil, io.Discard)
	require.NoError(t, err)
	require.Equal(t, temporalserver.Options{
		Address: "127.0.0.1:7233", UIAddress: "127.0.0.1:8233", Retention: 72 * time.Hour, LogLevel: "error",
	}, o)
}

func TestParseArgsRefuses(t *testing.T) {
	for _, args := range [][]string{{"--port", "1"}, {"extra"}, {"--namespace", ""}, {"--retention", "soon"}} {
		_, err := temporalserver.ParseArgs(args, io.Discard)
		require.Error(t, err, "%q", args)
	}
	_, err := temporalserver.ParseArgs([]string{"--help"}, io.Discard)
	require.ErrorIs(t, err, flag.ErrHelp)
}

func TestStartRefusesWhatIsNotSafeOrNotKnown(t *testing.T) {
	for message, o := range map[string]temporalserver.Options{
		"not on loopback":        {Address: "0.0.0.0:0"},
		"choosing the UI's":      {UIAddress: "localhost"},
		"at least a second":      {Retention: time.Millisecond},
		"log level":              {LogLevel: "loud"},
		"create its folder":      {DatabaseFile: t.TempDir() + "/absent/t.db"},
		"is another server runn": {Address: listening(t)},
	} {
		_, err := temporalserver.Start(t.Context(), o)
		require.ErrorContains(t, err, message)
	}
}
