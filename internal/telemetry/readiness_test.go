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
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		ready := NewReadiness(slog.New(slog.NewTextHandler(&out, nil)))
		runs, failure := 0, error(nil)
		ready.Add("temporal", func(context.Context) error { runs++; return failure })

		require.NoError(t, ready.check(t.Context())[0].err)
		failure = errors.New("no answer")
		<-time.After(checkTTL - 1)
		require.NoError(t, ready.check(t.Context())[0].err)
		require.Equal(t, 1, runs)
		<-time.After(1)
		require.ErrorIs(t, ready.check(t.Context())[0].err, failure)
		<-time.After(checkTTL)
		require.Error(t, ready.check(t.Context())[0].err)
		failure = nil
		<-time.After(checkTTL)
		require.NoError(t, ready.check(t.Context())[0].err)
		require.Equal(t, 4, runs)

		// Only changes are logged.
		require.Equal(t, 2, strings.Count(out.String(), "\n"))
		require.Contains(t, out.String(), `msg="readiness check fails" check=temporal error="no answer"`)
		require.Contains(t, out.String(), `msg="readiness check passes again" check=temporal`)
	})
}

func TestAHangingCheckFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := NewReadiness(slog.New(slog.DiscardHandler))
		ready.Add("store", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		began := time.Now()
		statuses := ready.check(t.Context())
		require.Equal(t, checkTimeout, time.Since(began))
		require.Equal(t, "store", statuses[0].name)
		require.ErrorIs(t, statuses[0].err, context.DeadlineExceeded)
	})
}

func TestAClientThatLeavesDecidesNothing(t *testing.T) {
	ready := NewReadiness(slog.New(slog.DiscardHandler))
	ready.Add("temporal", func(ctx context.Context) error { return ctx.Err() })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, ready.check(gone)[0].err)
}

func TestManyAskOneChecks(t *testing.T) {
	ready := NewReadiness(slog.New(slog.DiscardHandler))
	var runs atomic.Int32
	ready.Add("temporal", func(context.Context) error { runs.Add(1); return nil })
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() { ready.check(t.Context()) })
	}
	wg.Wait()
	require.Equal(t, int32(1), runs.Load())
}
