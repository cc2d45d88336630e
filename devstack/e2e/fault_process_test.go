package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// slowBus lets a Publish of 300 take some six seconds, several heartbeats long.
const slowBus = 200 * time.Millisecond

// A worker is killed between PutEvents and completion, with a Publish of 300
// half-way. Another goes on from its last heartbeat.
func TestWorkerKilledWhilePublishing(t *testing.T) {
	t.Parallel()
	r, c := newFaultRig(t)
	books := r.keepBooks()
	window := windowAgo(r.datastore(), 30*time.Second)
	r.fill(t, c, window, "killed", pageOf)
	r.slowCalls(slowBus)
	doomed := r.worker(t)
	r.tell(window)
	r.midway(t, books, window)

	require.NoError(t, doomed.Kill())
	interrupted, before := r.held(t, window), books.accepted()
	r.slowCalls(0)
	r.worker(t)
	report := r.drained(t)

	nothingLost(t, report)
	require.Equal(t, 3*pageOf, report.Total.Published)
	again := boundedRepeats(t, interrupted, before, books.accepted())
	require.Equal(t, again, report.Total.Duplicated, "the subscriber saw what the bus accepted")
	require.Equal(t, []int32{2}, r.attempts(t, window))
}

// Both workers are killed with a Publish of 300 half-way in each of two windows,
// and started again.
func TestAllWorkersKilledAndRestarted(t *testing.T) {
	t.Parallel()
	r, c := newFaultRig(t)
	books := r.keepBooks()
	windows := []cdc.Window{windowAgo(r.datastore(), 30*time.Second), windowAgo(r.datastore(), time.Minute)}
	for _, window := range windows {
		r.fill(t, c, window, window.Start.Format("150405"), pageOf)
	}
	r.slowCalls(slowBus)
	one, two := r.worker(t), r.worker(t)
	for _, window := range windows {
		r.tell(window)
	}
	r.midway(t, books, windows...)

	require.NoError(t, errors.Join(one.Kill(), two.Kill()))
	interrupted, before := r.held(t, windows...), books.accepted()
	require.Len(t, interrupted, len(windows))
	r.slowCalls(0)
	require.NoError(t, one.Restart(t.Context()))
	require.NoError(t, two.Restart(t.Context()))
	report := r.drained(t)

	nothingLost(t, report)
	require.Equal(t, 2*3*pageOf, report.Total.Published)
	again := boundedRepeats(t, interrupted, before, books.accepted())
	require.Equal(t, again, report.Total.Duplicated)
}

// A worker stands still for longer than the heartbeat timeout, with a Publish of
// 300 half-way, and goes on when another has done its work: it then makes at most
// one call more, however much it had left, and is a good worker again.
func TestWorkerStoppedLongerThanItsHeartbeatTimeout(t *testing.T) {
	t.Parallel()
	r, c := newFaultRig(t)
	books := r.keepBooks()
	window := windowAgo(r.datastore(), 30*time.Second)
	r.fill(t, c, window, "stopped", pageOf)
	r.slowCalls(slowBus)
	stalled := r.worker(t)
	r.tell(window)
	r.midway(t, books, window)

	pause(t, stalled)
	eventually(t, "the server gives up the Publish", func(ctx context.Context) error {
		flights, err := r.flights(ctx, window)
		if err != nil || len(flights) != 1 || flights[0].pending.GetAttempt() < 2 {
			return errNotYet
		}
		return nil
	})
	interrupted, before := r.held(t, window), books.accepted()
	r.slowCalls(0)
	r.worker(t)
	eventually(t, "the other worker has published everything", func(context.Context) error {
		if count(interrupted[0].batch, books.accepted()) < 3*pageOf {
			return errNotYet
		}
		return nil
	})
	meanwhile := books.accepted()
	again := boundedRepeats(t, interrupted, before, meanwhile)

	resume(t, stalled)
	after := windowAgo(r.datastore(), time.Minute)
	r.fill(t, c, after, "after", 1)
	r.tell(after)
	report := r.drained(t)

	nothingLost(t, report)
	require.Equal(t, 3*pageOf+3, report.Total.Published)
	require.LessOrEqual(t, report.Total.Duplicated, again+perCall, "at most one call more")
	require.True(t, stalled.Running())
	answersReadyz(t, stalled.MetricsURL, 200)
}
