package audit

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// opener starts windows, whose runs close some time after.
type opener struct {
	*engine
	mu   sync.Mutex
	runs map[string]cdc.WindowRun
	// takes is how long a run is open, indefinitely when it is negative.
	takes  time.Duration
	closes map[string]time.Time
	most   int
	fail   error
	// waits reports whether a run waits for an operator now; nil is never.
	waits func(id string) bool
}

func newOpener(takes time.Duration) *opener {
	return &opener{engine: newEngine(), runs: make(map[string]cdc.WindowRun), closes: make(map[string]time.Time), takes: takes}
}

func (o *opener) Run(_ context.Context, window cdc.Window, n int, run cdc.WindowRun) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		return false, o.fail
	}
	id := window.RerunID(n)
	if _, known := o.Executions[id]; known {
		return false, nil
	}
	o.runs[id] = run
	o.Executions[id] = temporaltest.Execution{Status: temporaltest.Running}
	o.closes[id] = time.Now().Add(o.takes)
	open := 0
	for _, at := range o.closes {
		if o.takes < 0 || time.Now().Before(at) {
			open++
		}
	}
	o.most = max(o.most, open)
	return true, nil
}

func (o *opener) DescribeWorkflowExecution(ctx context.Context, id, run string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if at, ours := o.closes[id]; ours && o.takes >= 0 && !time.Now().Before(at) {
		o.Executions[id] = temporaltest.Execution{Status: temporaltest.Completed}
	}
	if known, ok := o.Executions[id]; ok {
		known.Waits = o.waits != nil && o.waits(id)
		o.Executions[id] = known
	}
	return o.Executions.DescribeWorkflowExecution(ctx, id, run)
}

func (o *opener) activities() *Activities {
	return &Activities{Executions: executionsOf(o), Windows: o}
}

// heal heals within the time that a Heal has.
func heal(t *testing.T, o *opener, in cdc.HealInput) (cdc.HealResult, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute+healReserve)
	defer cancel()
	return o.activities().Heal(ctx, in)
}

func gapAt(n, run int) cdc.WindowGap {
	return cdc.WindowGap{Start: windowAt(testStore, n).Start, Run: run, Missing: 3, Types: []string{"Patient"}}
}

func TestHealRunsWhatMissesSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOpener(2 * time.Minute)
		wanted := []cdc.Version{version("Patient", "w")}
		in := cdc.HealInput{Datastore: testStore, Horizon: ages, Cause: cdc.Cause{CapturedBy: cdc.ByAudit, SourceTime: auditStart, Bulk: true}, Windows: []cdc.WindowGap{
			gapAt(0, -1), gapAt(1, 0), gapAt(2, 4),
		}}
		in.Windows[2].Wanted = wanted
		result, err := heal(t, o, in)
		require.NoError(t, err)
		require.Equal(t, cdc.HealResult{Started: 3}, result)
		base := cdc.WindowRun{Cause: cdc.Cause{SourceTime: auditStart, CapturedBy: cdc.ByAudit, Bulk: true}}
		rerun := base
		rerun.Types = []string{"Patient"}
		withWanted := rerun
		withWanted.Wanted = wanted
		require.Equal(t, map[string]cdc.WindowRun{
			windowAt(testStore, 0).RerunID(0): base, // all types: a trigger that comes later joins it
			windowAt(testStore, 1).RerunID(1): rerun,
			windowAt(testStore, 2).RerunID(5): withWanted,
		}, o.runs)

		// A retry, or a second Heal of the same: no other run.
		again, err := heal(t, o, in)
		require.NoError(t, err)
		require.Equal(t, result, again)
		require.Len(t, o.runs, 3)
	})
}

func TestHealSkips(t *testing.T) {
	o := newOpener(0)
	_, err := heal(t, o, cdc.HealInput{Datastore: testStore, Horizon: ages, Skip: true, Windows: []cdc.WindowGap{gapAt(0, 0)}})
	require.NoError(t, err)
	require.True(t, o.runs[windowAt(testStore, 0).RerunID(1)].Skip)
}

// A window that is older than the horizon when its turn comes is not run: whether it
// ever ran is not known any more.
func TestHealStartsNothingOlderThanTheHorizon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(windowAt(testStore, 1000).Start)) // the bubble's clock begins in 2000
		o := newOpener(2 * time.Minute)
		var gaps []cdc.WindowGap
		for n := range healsAtOnce {
			gaps = append(gaps, gapAt(6+n, -1)) // they close a minute after the one below has become too old
		}
		gaps = append(gaps, gapAt(0, -1), gapAt(1, 3))
		in := cdc.HealInput{Datastore: testStore, Windows: gaps, Horizon: time.Since(windowAt(testStore, 0).Start) + time.Minute - cdc.ExpiryGrace}
		result, err := heal(t, o, in)
		require.NoError(t, err)
		require.Equal(t, cdc.HealResult{Started: healsAtOnce}, result)
		require.Len(t, o.runs, healsAtOnce)
	})
}

// Hundreds of windows are healed some at a time, and the activity ends in time.
func TestHealHasFewWindowsOpenAndEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gaps []cdc.WindowGap
		for n := range 5 * healsAtOnce {
			gaps = append(gaps, gapAt(n, -1))
		}
		o := newOpener(time.Minute)
		result, err := heal(t, o, cdc.HealInput{Datastore: testStore, Horizon: ages, Windows: gaps})
		require.NoError(t, err)
		require.Equal(t, cdc.HealResult{Started: len(gaps)}, result)
		require.Equal(t, healsAtOnce, o.most)

		o = newOpener(-1)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		result, err = o.activities().Heal(ctx, cdc.HealInput{Datastore: testStore, Horizon: ages, Windows: gaps})
		require.NoError(t, err)
		require.NoError(t, ctx.Err())
		require.Equal(t, cdc.HealResult{Started: healsAtOnce}, result)
	})
}

// A window that waits for an operator holds up the audit for a moment only; one
// that has waited and goes on is waited for as any other, and none for long.
func TestHealLeavesWhatWaitsForAnOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			// waiting is how long the window waits for an operator, of the time that it
			// is open.
			waiting time.Duration
			takes   time.Duration
			took    time.Duration
		}{
			"for good":                              {waiting: time.Hour, takes: time.Hour, took: operatorWait},
			"not long":                              {waiting: 40 * time.Second, takes: 4 * time.Minute, took: 4 * time.Minute},
			"open for long, though for no operator": {takes: time.Hour, took: windowWait},
		} {
			o := newOpener(c.takes)
			began := time.Now()
			o.waits = func(id string) bool { return id == windowAt(testStore, 0).ID() && time.Since(began) < c.waiting }
			result, err := heal(t, o, cdc.HealInput{Datastore: testStore, Horizon: ages, Windows: []cdc.WindowGap{gapAt(0, -1)}})
			require.NoError(t, err)
			require.Equal(t, cdc.HealResult{Started: 1}, result, name)
			require.InDelta(t, c.took, time.Since(began), float64(maxLook), name)
		}
	})
}

func TestHealThatCannotStart(t *testing.T) {
	o := newOpener(0)
	o.fail = errors.New("Temporal is away")
	_, err := heal(t, o, cdc.HealInput{Datastore: testStore, Horizon: ages, Windows: []cdc.WindowGap{gapAt(0, 0), gapAt(1, 0)}})
	require.ErrorContains(t, err, "Temporal is away")
}
