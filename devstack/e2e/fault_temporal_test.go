package e2e

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/awslocal"
)

// Temporal is killed with windows open and triggers arriving, stays down until the
// visibility of received messages had to be extended (30 s, half their timeout), and is
// started again with its database. The queue fills: no message is received twice, none
// reaches the dead-letter queue, and each version comes once.
func TestTemporalGoneAndBack(t *testing.T) {
	t.Parallel()
	r, sqs := newQueueRig(t)
	w := r.worker(t)
	stop := load(t, r.writer, "load")
	counted(t, w, messagesMetric, "acknowledged", 20)
	answersReadyz(t, w.MetricsURL, 200)

	require.NoError(t, r.Temporal.Kill())
	eventually(t, "polling pauses", func(ctx context.Context) error {
		paused, _, err := metric(ctx, w.MetricsURL, "healthlake_cdc_polling_paused")
		if err != nil || paused != 1 {
			return errNotYet
		}
		return nil
	})
	up, found, err := metric(t.Context(), w.MetricsURL, "healthlake_cdc_temporal_up")
	require.NoError(t, err)
	require.True(t, found)
	require.Zero(t, up)
	require.Contains(t, answersReadyz(t, w.MetricsURL, 503), "temporal: failing")
	counted(t, w, messagesMetric, "extended", 1)
	waiting := r.queueDepth(t, "QueueUrl")
	require.Greater(t, waiting.Visible, 100, "what comes while polling is paused is not received")
	require.Positive(t, waiting.InFlight)

	require.NoError(t, r.Temporal.Restart(t.Context()))
	answersReadyz(t, w.MetricsURL, 200)
	written := stop()
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, written, report.Total.Published)
	require.Zero(t, r.queueDepth(t, "DlqUrl"))
	require.Len(t, sqs.receipts(func(m receipt) bool { return m.times == 1 }), r.Deliveries.Len(), "each message was received once")
	require.Zero(t, outcome(t, w, triggersMetric, "malformed"))
}

// Temporal is killed half-way through a Publish of 300. The Publish ends at once, because
// nothing can record what it does. The next attempt continues from the last heartbeat in
// the database.
func TestTemporalGoneWhilePublishing(t *testing.T) {
	t.Parallel()
	r := newHalfway(t, "unrecorded")
	require.NoError(t, r.Temporal.Kill())
	said(t, r.first, `"msg":"Activity error."`)
	r.slowCalls(0)
	before := r.books.accepted()
	require.NoError(t, r.Temporal.Restart(t.Context()))
	require.Less(t, count(r.started[0].batch, before), 3*ofType, "it went on without heartbeats")
	report := r.drained(t)

	nothingLost(t, report)
	require.Equal(t, 3*ofType, report.Total.Published)
	again := boundedRepeats(t, r.started, before, r.books.accepted())
	require.Equal(t, again, report.Total.Duplicated)
}

// queueDepth counts the messages of a queue, by the template's output that names it.
func (r *rig) queueDepth(t *testing.T, output string) awslocal.Depth {
	t.Helper()
	depth, ok := r.AWS.Messages(lastOf(r.Outputs[output]))
	require.True(t, ok, output)
	return depth
}
