package e2e

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"healthlake-cdc/devstack/internal/proc"
)

// recorder writes histories of a rig's executions where workflows/replay_test.go
// replays them.
type recorder struct {
	rig *rig
	dir string
}

// recordedWith is the key beside the recorded histories. They are recorded with it, because
// payloads are bound to their workflow and namespace.
func recordedWith(t testing.TB) string {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(historiesFolder(t), "test-only-payload-key.txt"))
	require.NoError(t, err)
	return strings.TrimSpace(string(key))
}

func historiesFolder(t testing.TB) string {
	t.Helper()
	root, err := proc.RepoRoot(t.Context())
	require.NoError(t, err)
	return filepath.Join(root, "workflows", "testdata", "histories")
}

func newRecorder(t *testing.T, r *rig) *recorder {
	t.Helper()
	require.Equal(t, recordedWith(t), r.Keys)
	return &recorder{rig: r, dir: historiesFolder(t)}
}

// record writes the history of an execution's last run as name.json.gz.
func (c *recorder) record(t *testing.T, name, workflowID string) {
	t.Helper()
	history := proto.Clone(c.rig.history(t, &commonpb.WorkflowExecution{WorkflowId: workflowID}).GetHistory()).(*historypb.History)
	anonymous(history.ProtoReflect())
	text, err := protojson.Marshal(history)
	require.NoError(t, err)
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, err = zip.Write(text)
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, name+".json.gz"), packed.Bytes(), 0o644))
	t.Logf("recorded %s: %d events, %d bytes", name, len(history.GetEvents()), packed.Len())
}

// anonymous replaces every identity, which names the machine that recorded.
func anonymous(m protoreflect.Message) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Name() == "identity" && field.Kind() == protoreflect.StringKind:
			m.Set(field, protoreflect.ValueOfString("recorded"))
		case field.Message() == nil || field.IsMap():
		case field.IsList():
			for i := range value.List().Len() {
				anonymous(value.List().Get(i).Message())
			}
		default:
			anonymous(value.Message())
		}
		return true
	})
}
