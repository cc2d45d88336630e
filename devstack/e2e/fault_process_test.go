package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// slowBus makes a Publish of 600 last about three seconds, several heartbeats.
const slowBus = 400 * time.Millisecond

// A worker is killed half-way through a Publish of 600. Another continues from its last
// heartbeat.
func TestWorkerKilledWhilePublishing(t *testing.T) {
	t.Parallel()
	r := newHalfway(t, "killed")
	require.NoError(t, r.first.Kill())
	interrupted, before := r.interrupted(t, r.window), r.books.accepted()
	r.slowCalls(0)
	r.worker(t)
	report := r.drained(t)

	nothingLost(t, report)
	require.Equal(t, 3*ofType, report.Total.Published)
	again := boundedRepeats(t, interrupted, before, r.books.accepted())
	require.Equal(t, again, report.Total.Duplicated, "the subscriber saw what the bus accepted")
	require.Equal(t, []int32{2}, r.attempts(t, r.window))
}

// Both workers are killed half-way through the Publish of 600 of two windows, and started
// again.
func TestAllWorkersKilledAndRestarted(t *testing.T) {
	t.Parallel()
	r, c := newFaultRig(t)
	books := r.keepBooks()
	windows := []cdc.Window{windowAgo(r.datastore(), 30*time.Second), windowAgo(r.datastore(), time.Minute)}
	for _, window := range windows {
		r.fill(t, c, window, window.Start.Format("150405"), ofType)
	}
	r.slowCalls(slowBus)
	one, two := r.worker(t), r.worker(t)
	for _, window := range windows {
		r.trigger(window)
	}
	r.midway(t, books, windows...)

	require.NoError(t, errors.Join(one.Kill(), two.Kill()))
	interrupted, before := r.interrupted(t, windows...), books.accepted()
	require.Len(t, interrupted, len(windows))
	r.slowCalls(0)
	require.NoError(t, one.Restart(t.Context()))
	require.NoError(t, two.Restart(t.Context()))
	report := r.drained(t)

	nothingLost(t, report)
	require.Equal(t, 2*3*ofType, report.Total.Published)
	again := boundedRepeats(t, interrupted, before, books.accepted())
	require.Equal(t, again, report.Total.Duplicated)
}

// A worker is suspended for longer than the heartbeat timeout, half-way through a Publish
// of 600, and continues when another worker has published everything: it then makes at
// most one more call, and serves the next window.
func TestWorkerStoppedLongerThanItsHeartbeatTimeout(t *testing.T) {
	t.Parallel()
	r := newHalfway(t, "stopped")
	pause(t, r.first)
	eventually(t, "the server starts the next attempt", func(ctx context.Context) error {
		flights, err := r.flights(ctx, r.window)
		if err != nil || len(flights) != 1 || flights[0].pending.GetAttempt() < 2 {
			return errNotYet
		}
		return nil
	})
	interrupted, before := r.interrupted(t, r.window), r.books.accepted()
	r.slowCalls(0)
	r.worker(t)
	until(t, "the other worker has published everything", func(context.Context) bool {
		return count(interrupted[0].batch, r.books.accepted()) >= 3*ofType
	})
	again := boundedRepeats(t, interrupted, before, r.books.accepted())

	resume(t, r.first)
	after := windowAgo(r.datastore(), time.Minute)
	r.fill(t, r.clock, after, "after", 1)
	r.trigger(after)
	report := r.drained(t)

	nothingLost(t, report)
	require.Equal(t, 3*ofType+3, report.Total.Published)
	require.LessOrEqual(t, report.Total.Duplicated, again+inFlight*perCall, "at most the calls in flight")
	require.True(t, r.first.Running())
	answersReadyz(t, r.first.MetricsURL, 200)
}
