package temporal

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/internal/payload"
)

func TestOptionsDefaults(t *testing.T) {
	options, err := Options(settings(t, environment{}))
	require.NoError(t, err)
	require.Equal(t, client.DefaultHostPort, options.HostPort)
	require.Equal(t, client.DefaultNamespace, options.Namespace)
	require.Nil(t, options.ConnectionOptions.TLS)
	require.Nil(t, options.Credentials)
	require.NotNil(t, options.Logger)
}

func TestOptionsFromTheEnvironmentAndProfiles(t *testing.T) {
	options, err := Options(settings(t, environment{"TEMPORAL_ADDRESS": "a:1", "TEMPORAL_API_KEY": "x", "TEMPORAL_TLS_SERVER_NAME": "b"}))
	require.NoError(t, err)
	require.Equal(t, "a:1", options.HostPort)
	require.NotNil(t, options.Credentials)
	require.Equal(t, "b", options.ConnectionOptions.TLS.ServerName)

	file := filepath.Join(t.TempDir(), "temporal.toml")
	require.NoError(t, os.WriteFile(file, []byte("[profile.lab]\naddress = \"lab:7233\"\nnamespace = \"lab\"\n"), 0o600))
	s := settings(t, environment{})
	s.Lookup = environment{"TEMPORAL_CONFIG_FILE": file, "TEMPORAL_PROFILE": "lab"}
	options, err = Options(s)
	require.NoError(t, err)
	require.Equal(t, "lab:7233", options.HostPort)
	require.Equal(t, "lab", options.Namespace)

	s.Lookup = environment{"TEMPORAL_CONFIG_FILE": file, "TEMPORAL_PROFILE": "nope"}
	_, err = Options(s)
	require.ErrorContains(t, err, "reading TEMPORAL_ settings")
}

func TestOptionsNeedACodec(t *testing.T) {
	_, err := Options(Settings{})
	require.ErrorContains(t, err, "a payload codec is required")
}

// What is stored in a namespace is bound to it.
func TestTheCodecIsOfTheNamespace(t *testing.T) {
	for name, lookup := range map[string]environment{client.DefaultNamespace: {}, "clinic": {"TEMPORAL_NAMESPACE": "clinic"}} {
		s := settings(t, lookup)
		var asked string
		codecOf := s.Codec
		s.Codec = func(namespace string) (*payload.Codec, error) {
			asked = namespace
			return codecOf(namespace)
		}
		_, err := Options(s)
		require.NoError(t, err)
		require.Equal(t, name, asked)
		named, err := Namespace(lookup)
		require.NoError(t, err)
		require.Equal(t, name, named)
	}
}

func TestOptionsReachTheServer(t *testing.T) {
	f := startFrontend(t)
	c := dial(t, f, environment{"TEMPORAL_NAMESPACE": "clinic", "TEMPORAL_GRPC_META_X_TEAM": "cdc"})
	_, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: "window/a/b", TaskQueue: "q", StaticSummary: "a secret", Memo: map[string]any{"m": "a secret"},
	}, "CaptureWindow", "a secret")
	require.NoError(t, err)
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Equal(t, "clinic", f.started.Namespace)
	require.Regexp(t, `^healthlake-cdc-worker@.+/\d+$`, f.started.Identity)
	require.Equal(t, []string{"cdc"}, f.header.Get("x-team"))
	require.Equal(t, map[string]int{payload.EncodingEncrypted: 3}, payload.Encodings(f.started))
	require.NotContains(t, f.started.String(), "secret")
}
