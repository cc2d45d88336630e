package temporal

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatWaitsIsCountedByDatastore(t *testing.T) {
	f := startFrontend(t)
	f.counts = map[string]int64{
		"CdcState = 'waiting' AND ExecutionStatus = 'Running' AND CdcDatastore = 'a'":   2,
		"CdcState = 'waiting' AND ExecutionStatus = 'Running' AND CdcDatastore = 'b'":   0,
		"CdcState = 'waiting' AND ExecutionStatus = 'Running' AND CdcDatastore IS NULL": 3,
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(map[string]int64)
	observe := func(datastore string, n int64) {
		if seen[datastore] = n; datastore == several {
			cancel()
		}
	}
	conn := connect(t, f)
	require.NoError(t, conn.CountWaiting(ctx, []string{"a", "failing", "b"}, observe, slog.New(slog.DiscardHandler)))
	require.Equal(t, map[string]int64{"a": 2, "b": 0, several: 3}, seen, "a count that fails changes no figure")

	conn.Attributes = false
	require.NoError(t, conn.CountWaiting(t.Context(), nil, nil, nil), "nothing is known without our search attributes")
}
