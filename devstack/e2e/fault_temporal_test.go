package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

// Temporal is killed, with windows open and more triggers coming, stays away until
// the messages in hand had to be kept from coming again (30 s, half their
// visibility timeout), and comes back with its database. The queue fills and waits:
// no message is received a second time, none reaches the dead-letter queue, and
// each version comes once.
func TestTemporalGoneAndBack(t *testing.T) {
	t.Parallel()
	sqs := newGateway(t)
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, "AWS_ENDPOINT_URL_SQS="+sqs.URL)
	sqs.lead(t, r.AWS.URL())
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
	require.Zero(t, outcome(t, w, messagesMetric, "left"))
}

// Temporal is killed with a Publish of 300 half-way. It ends at once: it does not go
// on when nobody can take down what it did. The next attempt goes on from the last
// heartbeat in the database.
func TestTemporalGoneWhilePublishing(t *testing.T) {
	t.Parallel()
	r, c := newFaultRig(t)
	books := r.keepBooks()
	window := windowAgo(r.datastore(), 30*time.Second)
	r.fill(t, c, window, "unrecorded", pageOf)
	r.slowCalls(slowBus)
	w := r.worker(t)
	r.tell(window)
	interrupted := r.midway(t, books, window)

	require.NoError(t, r.Temporal.Kill())
	said(t, w, `"msg":"Activity error."`)
	r.slowCalls(0)
	before := books.accepted()
	require.NoError(t, r.Temporal.Restart(t.Context()))
	require.Less(t, count(interrupted[0].batch, before), 3*pageOf, "it went on without heartbeats")
	report := r.drained(t)

	nothingLost(t, report)
	require.Equal(t, 3*pageOf, report.Total.Published)
	again := boundedRepeats(t, interrupted, before, books.accepted())
	require.Equal(t, again, report.Total.Duplicated)
}

// queueDepth counts the messages of a queue, by the template's output that names it.
func (r *rig) queueDepth(t *testing.T, output string) awslocal.Depth {
	t.Helper()
	depth, ok := r.AWS.Messages(lastOf(r.Outputs[output]))
	require.True(t, ok, output)
	return depth
}
