package temporal

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/payload"
)

func TestOptionsDefaults(t *testing.T) {
	options := optionsOf(t, settings(t))
	require.Equal(t, client.DefaultHostPort, options.HostPort)
	require.Equal(t, client.DefaultNamespace, options.Namespace)
	require.Nil(t, options.ConnectionOptions.TLS)
	require.Nil(t, options.Credentials)
}

func TestOptionsFromTheEnvironment(t *testing.T) {
	cfg := settings(t)
	t.Setenv("TEMPORAL_ADDRESS", "a:1")
	t.Setenv("TEMPORAL_API_KEY", "x")
	t.Setenv("TEMPORAL_TLS_SERVER_NAME", "b")
	options := optionsOf(t, cfg)
	require.Equal(t, "a:1", options.HostPort)
	require.NotNil(t, options.Credentials)
	require.Equal(t, "b", options.ConnectionOptions.TLS.ServerName)
}

func TestOptionsFromProfiles(t *testing.T) {
	cfg := settings(t)
	file := filepath.Join(t.TempDir(), "temporal.toml")
	require.NoError(t, os.WriteFile(file, []byte("[profile.lab]\naddress = \"lab:7233\"\nnamespace = \"lab\"\n"), 0o600))
	t.Setenv("TEMPORAL_CONFIG_FILE", file)
	t.Setenv("TEMPORAL_PROFILE", "lab")
	options := optionsOf(t, cfg)
	require.Equal(t, "lab:7233", options.HostPort)
	require.Equal(t, "lab", options.Namespace)
	named, err := Namespace()
	require.NoError(t, err)
	require.Equal(t, "lab", named)

	t.Setenv("TEMPORAL_PROFILE", "nope")
	_, err = clientOptions(cfg, config.Worker, slog.New(slog.DiscardHandler), Observers{})
	require.ErrorContains(t, err, "reading TEMPORAL_ settings")
}

// What is stored in a namespace is bound to it.
func TestTheCodecIsOfTheNamespace(t *testing.T) {
	cfg := settings(t)
	value, err := optionsOf(t, cfg).DataConverter.ToPayload("x")
	require.NoError(t, err)
	t.Setenv("TEMPORAL_NAMESPACE", "clinic")
	var text string
	require.ErrorIs(t, optionsOf(t, cfg).DataConverter.FromPayload(value, &text), payload.ErrCorrupt)
}

func TestOptionsReachTheServer(t *testing.T) {
	f := startFrontend(t)
	t.Setenv("TEMPORAL_NAMESPACE", "clinic")
	t.Setenv("TEMPORAL_GRPC_META_X_TEAM", "cdc")
	_, err := connect(t, f).Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: "window/a/b", TaskQueue: "q", StaticSummary: "a secret", Memo: map[string]any{"m": "a secret"},
	}, "CaptureWindow", "a secret")
	require.NoError(t, err)
	started := f.started(t)
	require.Equal(t, "clinic", started.Namespace)
	require.Regexp(t, `^healthlake-cdc-worker@.+/\d+$`, started.Identity)
	require.Equal(t, []string{"cdc"}, f.header.Get("x-team"))
	for _, p := range []*commonpb.Payload{started.GetInput().GetPayloads()[0], started.GetMemo().GetFields()["m"], started.GetUserMetadata().GetSummary()} {
		require.Equal(t, payload.EncodingEncrypted, string(p.GetMetadata()[converter.MetadataEncoding]))
	}
	require.NotContains(t, started.String(), "secret")
}

// Without permission to create search attributes, a program goes on without them.
func TestDialGoesOnWithoutAttributes(t *testing.T) {
	f := startFrontend(t)
	t.Setenv("TEMPORAL_ADDRESS", f.addr)
	cfg := settings(t)
	f.attributes = all
	conn, err := Dial(t.Context(), cfg, config.Worker, slog.New(slog.DiscardHandler), Observers{})
	require.NoError(t, err)
	defer conn.Client.Close()
	require.True(t, conn.Attributes)
	f.retention = 24 * time.Hour
	kept, err := conn.Retention(t.Context())
	require.NoError(t, err)
	require.Equal(t, 24*time.Hour, kept)

	f.attributes = nil
	f.addErrs = append(f.addErrs, errDenied)
	conn, err = Dial(t.Context(), cfg, config.Worker, slog.New(slog.DiscardHandler), Observers{})
	require.NoError(t, err)
	defer conn.Client.Close()
	require.False(t, conn.Attributes)
}
