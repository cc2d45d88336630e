package telemetry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestResultsAreUsedAgain(t *testing.T) {
	var out bytes.Buffer
	ready := NewReadiness(slog.New(slog.NewTextHandler(&out, nil)))
	now := time.Unix(1, 0)
	ready.now = func() time.Time { return now }
	runs, failure := 0, error(nil)
	ready.Add("temporal", func(context.Context) error { runs++; return failure })

	require.NoError(t, ready.Check(t.Context())[0].Err)
	failure = errors.New("no answer")
	now = now.Add(checkTTL - 1)
	require.NoError(t, ready.Check(t.Context())[0].Err)
	require.Equal(t, 1, runs)
	now = now.Add(1)
	require.ErrorIs(t, ready.Check(t.Context())[0].Err, failure)
	now = now.Add(checkTTL)
	require.Error(t, ready.Check(t.Context())[0].Err)
	failure = nil
	now = now.Add(checkTTL)
	require.NoError(t, ready.Check(t.Context())[0].Err)
	require.Equal(t, 4, runs)

	// What changed is logged, what goes on is not.
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), `msg="readiness check fails" check=temporal error="no answer"`)
	require.Contains(t, out.String(), `msg="readiness check passes again" check=temporal`)
}

func TestAHangingCheckFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := NewReadiness(slog.New(slog.DiscardHandler))
		ready.Add("store", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		ready.Add("queue", func(context.Context) error { panic("a bug") })
		began := time.Now()
		statuses := ready.Check(t.Context())
		require.Equal(t, checkTimeout, time.Since(began))
		require.Equal(t, "store", statuses[0].Name)
		require.ErrorIs(t, statuses[0].Err, context.DeadlineExceeded)
		require.ErrorContains(t, statuses[1].Err, "panicked")
	})
}

func TestAClientThatLeavesDecidesNothing(t *testing.T) {
	ready := NewReadiness(slog.New(slog.DiscardHandler))
	ready.Add("temporal", func(ctx context.Context) error { return ctx.Err() })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, ready.Check(gone)[0].Err)
}

func TestManyAskOneChecks(t *testing.T) {
	ready := NewReadiness(slog.New(slog.DiscardHandler))
	ready.now = func() time.Time { return time.Unix(1, 0) }
	var runs atomic.Int32
	ready.Add("temporal", func(context.Context) error { runs.Add(1); return nil })
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() { ready.Check(t.Context()) })
	}
	wg.Wait()
	require.Equal(t, int32(1), runs.Load())
}
