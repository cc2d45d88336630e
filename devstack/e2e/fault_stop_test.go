package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/fhirclient"
	"healthlake-cdc/devstack/internal/proc"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

// load keeps writing until stop, which returns how much was written.
func load(t *testing.T, w *fhirclient.Client, prefix string) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	n := 0
	go func() {
		pace := time.NewTicker(20 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-ctx.Done():
				done <- nil
				return
			case <-pace.C:
			}
			id := fmt.Sprintf("%s-%d", prefix, n)
			// Not cut off: what the store has written has to be counted.
			if _, err := w.Update(context.WithoutCancel(ctx), "Observation", id, smallBody("Observation", id)); err != nil {
				done <- err
				return
			}
			n++
		}
	}()
	stop = sync.OnceValue(func() int {
		cancel()
		require.NoError(t, <-done)
		return n
	})
	t.Cleanup(func() { stop() })
	return stop
}

// exits waits until a process has exited with code 0.
func exits(t *testing.T, p *proc.Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	exit, err := p.Wait(ctx)
	require.NoError(t, err)
	require.True(t, exit.OK(), "it ended with %s", exit)
}

// One of two workers on one host gets SIGTERM under load, half-way through a Publish of
// 600. It reports that it is stopping, finishes what is in progress and exits 0; nothing is
// lost and nothing repeated.
func TestWorkerDrainsUnderLoad(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	books := r.keepBooks()
	window := windowAgo(r.datastore(), 30*time.Second)
	r.silenced(t)
	r.fill(t, c, window, "drained", ofType)
	require.NoError(t, r.Simulator.SetTrail(simulator.Trail{Sink: r.Sink()}))
	// Sixty calls, eight at a time, last about twelve seconds: longer than /readyz caches its result, shorter
	// than the grace period.
	r.slowCalls(4 * slowBus)
	one, two := r.worker(t), r.worker(t)
	require.NotEqual(t, one.MetricsURL, two.MetricsURL)
	r.refusesBusyMetricsAddress(t, one)
	stop := load(t, r.writer, "load")
	r.trigger(window)
	f := r.midway(t, books, window)[0]
	leaving := worksOn(t, f, one, two)

	require.NoError(t, leaving.Signal(syscall.SIGTERM))
	require.Contains(t, answersReadyz(t, leaving.MetricsURL, 503), "running: failing")
	require.True(t, leaving.Running(), "it has a Publish in hand")
	exits(t, leaving.Process)
	require.Equal(t, 3*ofType, count(f.batch, books.accepted()), "it published all of the batch before it went")
	r.slowCalls(0)
	written := stop()
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, 3*ofType+written, report.Total.Published)
	require.Equal(t, []int32{1}, r.attempts(t, window), "the Publish was completed, not retried")
	require.Zero(t, r.queueDepth(t, "DlqUrl"))
}

// refusesBusyMetricsAddress starts a worker on the metrics address of another.
func (r *rig) refusesBusyMetricsAddress(t *testing.T, other *stack.Worker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	busy := strings.TrimPrefix(other.MetricsURL, "http://")
	got := runProgram(t, ctx, "worker", append(r.environment(), "CDC_METRICS_ADDR="+busy), nil)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, busy+" is in use: choose another CDC_METRICS_ADDR")
}

// All workers get SIGTERM under load, with messages on their way to them, exit 0,
// and are started again: nothing is lost and nothing repeated.
func TestAllWorkersStoppedAndStarted(t *testing.T) {
	t.Parallel()
	r, sqs := newQueueRig(t)
	sqs.holdReceives(time.Second)
	one, two := r.worker(t), r.worker(t)
	stop := load(t, r.writer, "load")
	r.received(t, 100)

	require.NoError(t, errors.Join(one.Signal(syscall.SIGTERM), two.Signal(syscall.SIGTERM)))
	exits(t, one.Process)
	exits(t, two.Process)
	until(t, "records wait for the workers", func(context.Context) bool {
		return r.queueDepth(t, "QueueUrl").Visible != 0
	})
	require.Zero(t, r.queueDepth(t, "QueueUrl").InFlight, "what was not worked off was given back")
	sqs.holdReceives(0)
	require.NoError(t, one.Restart(t.Context()))
	require.NoError(t, two.Restart(t.Context()))
	written := stop()
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, written, report.Total.Published)
	require.Zero(t, r.queueDepth(t, "DlqUrl"))
}
