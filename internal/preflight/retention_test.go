package preflight

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/queue"
)

const day = 24 * time.Hour

func TestNoticeNamesTheQueueAndTheCommand(t *testing.T) {
	text := notice("default", day, queue.Keeps{Queue: 4 * day, DLQ: 14*day - time.Hour})
	require.Contains(t, text, "trigger queue keeps messages for 4 d, its dead-letter queue for 335 h")
	require.Contains(t, text, "`temporal operator namespace update --namespace default --retention 14d`")
	require.Contains(t, text, "`tcld namespace retention set --namespace default --retention-days 14`")
	require.Contains(t, text, "MessageRetentionPeriod to 86400 at most")

	text = notice("default", 7*day, queue.Keeps{Queue: 4 * day, DLQ: 14 * day})
	require.Contains(t, text, "but the dead-letter queue keeps messages for 14 d")
	require.NotContains(t, text, "trigger queue keeps")

	text = notice("default", 7*day, queue.Keeps{Queue: 8 * day})
	require.Contains(t, text, "--retention 8d")
}

func TestNoNoticeWhereRetentionHolds(t *testing.T) {
	require.Empty(t, notice("default", 14*day, queue.Keeps{Queue: 4 * day, DLQ: 14 * day}))
	require.Empty(t, notice("default", 14*day, queue.Keeps{}))
}
