package temporaltest

import (
	"compress/gzip"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/payload"
)

// Recorded reads a history of workflows/testdata/histories, the folder.
func Recorded(t *testing.T, folder, name string) *historypb.History {
	t.Helper()
	file, err := os.DirFS(folder).Open(name + ".json.gz")
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err, name)
	history, err := client.HistoryFromJSON(unzipped, client.HistoryJSONOptions{})
	require.NoError(t, err, name)
	return history
}

// RecordedData is the data converter of the recorded histories. It is strict: a payload in
// them that is not encrypted is an error.
func RecordedData(t *testing.T, folder string) converter.DataConverter {
	t.Helper()
	key, err := fs.ReadFile(os.DirFS(folder), "test-only-payload-key.txt")
	require.NoError(t, err)
	ring, err := payload.ParseKeys(strings.TrimSpace(string(key)))
	require.NoError(t, err)
	codec, err := payload.NewCodec(ring, client.DefaultNamespace, payload.Migration{})
	require.NoError(t, err)
	return payload.NewDataConverter(codec)
}
