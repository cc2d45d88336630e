package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// auditAfter is how old a span must be in these tests: longer than the last pass of
// a window and any search lag.
const auditAfter = 15 * time.Second

// audits are a worker's settings under which spans are audited every few seconds,
// when they are so old.
func audits(after time.Duration) []string {
	return []string{"CDC_AUDIT_EVERY=5s", "CDC_AUDIT_AFTER=" + after.String()}
}

// newAuditRig starts the parts with a store whose clock the test sets, and with only the
// records that the test sends.
func newAuditRig(t *testing.T, env ...string) (*rig, *clock) {
	t.Helper()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}},
		append([]string{fewTypes, shortPasses, "CDC_SEARCH_RATE=1000"}, env...)...)
	r.silenced(t)
	return r, c
}

// anchor opens the store's first window by a late record: audits begin with it.
func (r *rig) anchor(t *testing.T, c *clock, window cdc.Window) {
	t.Helper()
	r.fill(t, c, window, "anchor", 1)
	r.trigger(window)
	r.closed(t, window.ID())
}

// reached waits until every type's statements reach the time and nothing is missing
// in any, and returns the latest ones.
func (r *rig) reached(t *testing.T, through time.Time, more func([]cdc.Statement) error) (latest []cdc.Statement) {
	t.Helper()
	eventually(t, "everything is audited through "+through.UTC().Format(time.TimeOnly), func(context.Context) error {
		latest = truth.LatestStatements(r.subscriber.Statements())
		reached := make(map[string]time.Time)
		for _, s := range latest {
			if s.Missing+s.Open > 0 {
				return fmt.Errorf("%w: of %s from %s to %s %d are missing, %d open", errNotYet, s.ResourceType, s.From, s.To, s.Missing, s.Open)
			}
			if s.To.After(reached[s.ResourceType]) {
				reached[s.ResourceType] = s.To
			}
		}
		for _, name := range threeTypes {
			if reached[name].Before(through) {
				return fmt.Errorf("%w: %s is audited through %s", errNotYet, name, reached[name])
			}
		}
		return more(latest)
	})
	return latest
}

// auditedThrough waits until the statements, which reach the time, say what the write log
// does, and returns the latest ones.
func (r *rig) auditedThrough(t *testing.T, through time.Time) []cdc.Statement {
	t.Helper()
	return r.reached(t, through, func(latest []cdc.Statement) error {
		if wrong := truth.CheckStatements(r.Simulator.WriteLog(r.datastore()), latest); len(wrong) > 0 {
			return fmt.Errorf("%w: %d statements are wrong: %s", errNotYet, len(wrong), wrong[0])
		}
		return nil
	})
}

// fillSilently writes each versions of every type into n windows, of which no record
// comes, from a minute after begin. It returns the last window.
func (r *rig) fillSilently(t *testing.T, c *clock, begin cdc.Window, n, each int) (last cdc.Window) {
	t.Helper()
	for i := range n {
		last = cdc.WindowAt(r.datastore(), begin.Start.Add(time.Minute+time.Duration(i)*cdc.WindowWidth))
		r.fill(t, c, last, fmt.Sprintf("lost%d", i), each)
	}
	return last
}

// unbroken requires that each type's statements lie end to end, from the first.
func unbroken(t *testing.T, latest []cdc.Statement, from time.Time) {
	t.Helper()
	reached := make(map[string]time.Time)
	for _, s := range latest {
		if before, ok := reached[s.ResourceType]; ok {
			require.Equal(t, before, s.From, "the spans of %s do not lie end to end", s.ResourceType)
		} else {
			require.Equal(t, from, s.From, s.ResourceType)
		}
		reached[s.ResourceType] = s.To
	}
}

// exactlyOnce requires that every version that shows keep approves is published once, and
// nothing twice. A statement may reach the subscriber before the last of its events.
func (r *rig) exactlyOnce(t *testing.T, keep func(simulator.Write) bool) (versions int) {
	t.Helper()
	eventually(t, "every version is published", func(context.Context) error {
		keys, missing := r.subscriber.Keys(), 0
		versions = 0
		for _, w := range r.Simulator.WriteLog(r.datastore()) {
			if w.Deleted || !keep(w) {
				continue
			}
			versions++
			if keys[versionKey(w.Datastore, w.Type, w.ID, w.Version)] == 0 {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Errorf("%w: %d of %d are missing", errNotYet, missing, versions)
		}
		return nil
	})
	r.keysOnce(t)
	return versions
}

// current are the versions that nothing has replaced.
func current(w simulator.Write) bool { return w.Replaced.IsZero() }

// scheduledAudits are the IDs and results of the scheduled audits that have
// completed, the oldest first.
func (r *rig) scheduledAudits(t *testing.T) (ids []string, results []cdc.AuditState) {
	t.Helper()
	all, err := r.executions(t.Context(), fmt.Sprintf("WorkflowType='Audit' AND WorkflowId STARTS_WITH '%s-' AND ExecutionStatus='Completed'", cdc.AuditScheduleID(r.datastore())))
	require.NoError(t, err)
	slices.SortFunc(all, func(a, b *workflowpb.WorkflowExecutionInfo) int {
		return a.GetCloseTime().AsTime().Compare(b.GetCloseTime().AsTime())
	})
	for _, info := range all {
		var result cdc.AuditState
		id := info.GetExecution().GetWorkflowId()
		require.NoError(t, r.temporal.GetWorkflow(t.Context(), id, "").Get(t.Context(), &result))
		ids, results = append(ids, id), append(results, result)
	}
	require.NotEmpty(t, ids)
	return ids, results
}

// recordAudit records the history of the last scheduled audit that healed anything.
func (r *rig) recordAudit(t *testing.T, name string) {
	t.Helper()
	if !*record {
		return
	}
	ids, results := r.scheduledAudits(t)
	for i := len(ids) - 1; i >= 0; i-- {
		if results[i].Totals.Healed > 0 {
			newRecorder(t, r).record(t, name, ids[i])
			return
		}
	}
	t.Fatal("no audit has healed anything")
}

// pauseAudits pauses the schedule, so that a comparison is of one moment.
func (r *rig) pauseAudits(t *testing.T) {
	t.Helper()
	handle := r.temporal.ScheduleClient().GetHandle(t.Context(), cdc.AuditScheduleID(r.datastore()))
	require.NoError(t, handle.Pause(t.Context(), client.SchedulePauseOptions{Note: "the test compares"}))
	eventually(t, "no audit is open", func(ctx context.Context) error {
		open, err := r.executions(ctx, "WorkflowType='Audit' AND ExecutionStatus='Running'")
		if err != nil || len(open) > 0 {
			return errNotYet
		}
		return nil
	})
}

// unpauseAudits unpauses the schedule that pauseAudits has paused.
func (r *rig) unpauseAudits(t *testing.T) {
	t.Helper()
	handle := r.temporal.ScheduleClient().GetHandle(t.Context(), cdc.AuditScheduleID(r.datastore()))
	require.NoError(t, handle.Unpause(t.Context(), client.ScheduleUnpauseOptions{Note: "the test has compared"}))
}
