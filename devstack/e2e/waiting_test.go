package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/ops/explain"
	"healthlake-cdc/internal/ops/status"
)

// operated is what starter retry and skip print.
type operated struct {
	WorkflowID string     `json:"workflowId"`
	Retried    []cdc.Wait `json:"retried"`
	Skipped    []cdc.Wait `json:"skipped"`
}

// resolve runs starter retry or skip with --json.
func (r *rig) resolve(t *testing.T, args ...string) operated {
	t.Helper()
	var report operated
	require.NoError(t, json.Unmarshal([]byte(r.operate(t, append(args, "--json")...).stdout), &report))
	return report
}

// retryWaiting runs starter retry. Without its cause, the workflow may have retried just
// before: then it does not wait any more.
func (r *rig) retryWaiting(t *testing.T, id string, wait cdc.Wait) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := runProgram(t, ctx, "starter", r.environment(), nil, "retry", id, "--json")
	if got.code != 0 {
		for _, waiting := range r.starterStatus(t).Waiting {
			require.NotEqual(t, id, waiting.WorkflowID, got.all())
		}
		return
	}
	var report operated
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &report))
	require.Equal(t, []cdc.Wait{wait}, report.Retried)
}

// declines runs the starter and requires that it fails, with that in its error.
func (r *rig) declines(t *testing.T, says string, args ...string) {
	t.Helper()
	require.Contains(t, r.refuses(t, args...), says)
}

// waitingNow waits until exactly these executions are shown as waiting for an
// operator: by Temporal's visibility and by starter status, which it returns.
func (r *rig) waitingNow(t *testing.T, ids ...string) []status.Waiting {
	t.Helper()
	slices.Sort(ids)
	eventually(t, fmt.Sprintf("%v wait", ids), func(ctx context.Context) error {
		all, err := r.executions(ctx, `CdcState="waiting" AND ExecutionStatus="Running"`)
		if err != nil {
			return err
		}
		var found []string
		for _, info := range all {
			found = append(found, info.GetExecution().GetWorkflowId())
		}
		if slices.Sort(found); !slices.Equal(found, ids) {
			return fmt.Errorf("%w: %v wait", errNotYet, found)
		}
		return nil
	})
	waiting := slices.DeleteFunc(r.starterStatus(t).Waiting, func(w status.Waiting) bool { return !w.Operator })
	var told []string
	for _, w := range waiting {
		told = append(told, w.WorkflowID)
	}
	slices.Sort(told)
	require.Equal(t, ids, slices.Compact(told))
	return waiting
}

func newWaitingRig(t *testing.T) (*rig, *clock) {
	t.Helper()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}},
		fewTypes, shortPasses, "CDC_SEARCH_RATE=1000")
	r.silenced(t)
	r.worker(t)
	return r, c
}

// Versions that EventBridge rejects permanently are shown to an operator, in Temporal, by
// status and by a metric; other windows are not affected. A retry that fails again
// changes nothing; a skip closes the window and is in its ledger, for explain and reruns.
func TestVersionsThatWaitAreSkipped(t *testing.T) {
	t.Parallel()
	const good, poisoned = 23, 2
	r, c := newWaitingRig(t)
	r.AWS.SetFaults(awslocal.Faults{RejectDetailContaining: `"resourceId":"poisoned-`})
	window, other := windowAgo(r.datastore(), 3*time.Minute), windowAgo(r.datastore(), 2*time.Minute)
	r.writeAt(t, c, window, "Patient", "good", good)
	r.writeAt(t, c, window, "Patient", "poisoned", poisoned)
	r.writeAt(t, c, other, "Patient", "other", good)
	r.trigger(window)
	r.trigger(other)
	r.closed(t, other.ID())

	waiting := r.waitingNow(t, window.ID())
	require.Len(t, waiting, 1)
	require.Equal(t, "Patient", waiting[0].Type)
	require.Contains(t, waiting[0].What, "2 of Patient")
	text := r.operate(t, "status").stdout
	require.Contains(t, text, "starter retry")
	// A worker counts when it starts, and once a minute.
	counting := r.worker(t)
	eventually(t, "the metric shows it", func(context.Context) error {
		shown := make(map[string]string)
		for line := range strings.Lines(string(scrape(t, counting))) {
			if labels, ok := strings.CutPrefix(line, `healthlake_cdc_executions_waiting{datastore="`); ok {
				datastore, _, _ := strings.Cut(labels, `"`)
				shown[datastore] = line[strings.LastIndexByte(line, ' ')+1 : len(line)-1]
			}
		}
		if shown[r.datastore()] != "1" || shown["several"] != "0" {
			return fmt.Errorf("%w: %v", errNotYet, shown)
		}
		return nil
	})
	require.Len(t, r.came("good"), good, "the others of the window are published")

	r.declines(t, "has closed", "skip", other.ID(), "--yes")
	r.declines(t, "--yes", "skip", window.ID())
	r.declines(t, "Observation", "skip", window.ID(), "--type", "Observation", "--yes")
	r.declines(t, "no execution", "retry", "window/nowhere")
	rejected := r.rejections(t, window.ID())
	require.Equal(t, []cdc.Wait{{Type: "Patient", Versions: poisoned}}, r.resolve(t, "retry", window.ID()).Retried)
	until(t, "they are offered again", func(context.Context) bool {
		return r.rejections(t, window.ID()) != rejected
	})
	r.waitingNow(t, window.ID())

	got := r.operate(t, "skip", window.ID(), "--yes")
	require.Contains(t, got.stdout, "2 of Patient")
	r.closed(t, window.ID())
	r.waitingNow(t)
	r.declines(t, "has closed", "skip", window.ID(), "--yes")
	result := r.result(t, window.ID())
	require.Equal(t, poisoned, result.Counts.Skipped)
	require.Equal(t, poisoned, result.Ledger.Types["Patient"].Skipped.Len())
	require.Equal(t, good, result.Ledger.Published())

	// Without the fault, what was skipped stays skipped.
	r.AWS.SetFaults(awslocal.Faults{})
	require.Contains(t, r.verdict(t, explain.Skipped, "Patient/poisoned-0").Reason, "skipped")
	r.verdict(t, explain.Published, "Patient/good-0")
	rerun := r.capture(t, window.Start)
	r.closed(t, rerun.WorkflowID)
	require.Zero(t, r.result(t, rerun.WorkflowID).Counts.Published)
	require.Equal(t, poisoned, r.result(t, rerun.WorkflowID).Ledger.Types["Patient"].Skipped.Len())
	stated := r.auditedByHand(t, window.Span())["Patient"]
	require.Equal(t, good+poisoned, stated.InStore)
	require.Equal(t, good, stated.Published)
	require.Equal(t, poisoned, stated.Skipped, "a skip is in the statement")
	require.Zero(t, stated.Missing)
	r.subscribed(t)
	require.Empty(t, r.came("poisoned"))
	require.Len(t, r.came("other"), good)
	r.recordIf(t, map[string]string{"window-versions-skipped": window.ID()})
}

// recordIf records the histories of executions, by their names, with -record.
func (r *rig) recordIf(t *testing.T, histories map[string]string) {
	t.Helper()
	if !*record {
		return
	}
	recorder := newRecorder(t, r)
	for name, id := range histories {
		recorder.record(t, name, id)
	}
}

// A delete that EventBridge rejects waits for an operator: one is retried, one skipped.
func TestDeletesThatWait(t *testing.T) {
	t.Parallel()
	r, _ := newWaitingRig(t)
	r.AWS.SetFaults(awslocal.Faults{RejectDetailContaining: `/_delete/`})
	var ids []string
	for range 2 {
		record := stack.WriteRecord(r.datastore(), "Patient", time.Now())
		record.Detail.EventName = "DeleteResource"
		ids = append(ids, cdc.DeleteID(r.datastore(), record.Detail.EventID))
		r.Sink()(record)
	}
	waiting := r.waitingNow(t, slices.Clone(ids)...)
	require.Contains(t, waiting[0].What, "EventBridge")
	require.Equal(t, []cdc.Wait{{Type: "Patient", Versions: 1}}, r.resolve(t, "skip", ids[0], "--type", "Patient", "--yes").Skipped)
	r.waitingNow(t, ids[1])
	r.AWS.SetFaults(awslocal.Faults{})
	r.retryWaiting(t, ids[1], cdc.Wait{Type: "Patient", Versions: 1})
	r.received(t, 1)
	for i, id := range ids {
		r.reaches(t, id, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
		var result cdc.PublishDeleteResult
		require.NoError(t, r.temporal.GetWorkflow(t.Context(), id, "").Get(t.Context(), &result))
		require.Equal(t, i == 0, result.Skipped)
		require.Equal(t, "Patient", result.Type)
		require.False(t, result.EventTime.IsZero())
	}
	r.waitingNow(t)
	r.recordIf(t, map[string]string{"publish-delete-skipped": ids[0], "publish-delete-retried": ids[1]})
}

// Unavailable types wait in their windows, and a slice's pages in the slice. One type is
// retried when the store works again, one is skipped and found by a later rerun, and a slice
// continues where it was.
func TestTypesThatWait(t *testing.T) {
	t.Parallel()
	const few = 5
	r, c := newWaitingRig(t)
	retried, skipped := windowAgo(r.datastore(), 4*time.Minute), windowAgo(r.datastore(), 3*time.Minute)
	overflowing := windowAgo(r.datastore(), 2*time.Minute)
	slice := cdc.SliceID(overflowing.ID(), "Patient", overflowing.Start, 1)
	for i, window := range []cdc.Window{retried, skipped} {
		r.writeAt(t, c, window, "Observation", fmt.Sprintf("seen-%d", i), few)
		r.writeAt(t, c, window, "Condition", fmt.Sprintf("hidden-%d", i), few)
	}
	r.writeAt(t, c, overflowing, "Patient", "sliced", slicedPatients)
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.Forbid, Type: "Condition", Count: -1}))
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.Forbid, Type: "Patient", Further: true, Count: -1}))
	for _, window := range []cdc.Window{retried, skipped, overflowing} {
		r.trigger(window)
	}
	// The third window waits for Condition as well.
	waiting := r.waitingNow(t, retried.ID(), skipped.ID(), overflowing.ID(), slice)
	for _, w := range waiting {
		if w.WorkflowID == slice {
			require.Equal(t, status.Waiting{WorkflowID: slice, Type: "Patient", Class: cdc.ClassForbidden, What: w.What, Operator: true}, w)
		} else {
			require.Equal(t, status.Waiting{WorkflowID: w.WorkflowID, Type: "Condition", Class: cdc.ClassForbidden, What: w.What, Operator: true}, w)
		}
	}
	until(t, "the other type has come", func(context.Context) bool {
		return len(r.came("seen-0")) >= few && len(r.came("seen-1")) >= few
	})
	wait := cdc.Wait{Type: "Condition", Class: cdc.ClassForbidden}
	require.Equal(t, []cdc.Wait{wait}, r.resolve(t, "skip", skipped.ID(), "--yes").Skipped)
	r.closed(t, skipped.ID())
	require.Equal(t, []string{"Observation", "Patient"}, r.result(t, skipped.ID()).Ledger.Names(), "Condition was not swept")
	require.Equal(t, 1, r.result(t, skipped.ID()).Counts.SkippedTypes)

	r.Simulator.ClearFaults()
	for _, id := range []string{retried.ID(), overflowing.ID()} {
		r.retryWaiting(t, id, wait)
	}
	r.retryWaiting(t, slice, cdc.Wait{Type: "Patient", Class: cdc.ClassForbidden})
	r.closed(t, retried.ID())
	r.closed(t, overflowing.ID())
	r.waitingNow(t)
	require.Empty(t, r.came("hidden-1"))
	r.closed(t, r.capture(t, skipped.Start).WorkflowID)
	report := r.drained(t)
	complete(t, report)
	require.Equal(t, slicedPatients+4*few, report.Total.Published)
	r.recordIf(t, map[string]string{
		"window-type-retried": retried.ID(), "window-type-skipped": skipped.ID(), "slice-retried": slice,
	})
}

// A type that the store does not count keeps its range open, but not the range's other
// types: a retry publishes it when the store works again, a skip omits it.
func TestRangesThatWait(t *testing.T) {
	t.Parallel()
	const few = 5
	r, c := newWaitingRig(t)
	r.writePast(t, c, longAgo, "Patient", "seen", few)
	r.writePast(t, c, longAgo, "Condition", "hidden", few)
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.Forbid, Type: "Condition", Count: -1}))
	retried, skipped := cdc.ReplayID("retried"), cdc.ReplayID("skipped")
	for _, name := range []string{"retried", "skipped"} {
		r.operate(t, append([]string{"replay", "--name", name}, yearOf...)...)
	}
	for _, w := range r.waitingNow(t, retried, skipped) {
		require.Equal(t, status.Waiting{WorkflowID: w.WorkflowID, Type: "Condition", Class: cdc.ClassForbidden, What: w.What, Operator: true}, w)
	}
	until(t, "the other type has come", func(context.Context) bool {
		return len(r.keysOf("retried")) >= few && len(r.keysOf("skipped")) >= few
	})
	wait := cdc.Wait{Type: "Condition", Class: cdc.ClassForbidden}
	require.Equal(t, []cdc.Wait{wait}, r.resolve(t, "skip", skipped, "--yes").Skipped)
	r.closed(t, skipped)
	r.Simulator.ClearFaults()
	r.retryWaiting(t, retried, wait)
	r.closed(t, retried)
	r.waitingNow(t)
	r.subscribed(t)
	require.Len(t, r.keysOf("retried"), 2*few)
	require.Len(t, r.keysOf("skipped"), few)
}

// A rerun whose predecessor's ledger cannot be read waits and publishes nothing. If skipped,
// it adds what it finds to its ledger as skipped: it may have been published.
func TestLedgerThatWaits(t *testing.T) {
	t.Parallel()
	const versions = 5
	r, c := newWaitingRig(t)
	window := windowAgo(r.datastore(), 3*time.Minute)
	r.writeAt(t, c, window, "Patient", "doubtful", versions)
	_, err := r.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: window.RerunID(1), TaskQueue: cdc.DefaultTaskQueue,
	}, cdc.WorkflowCaptureWindow, cdc.CaptureWindowInput{
		Window: window, Rerun: 1, Types: []string{"Patient"}, Passes: []time.Duration{time.Second},
		Cause: cdc.Cause{SourceTime: window.Start, CapturedBy: cdc.ByOperator}, Attributes: true,
	})
	require.NoError(t, err)
	waiting := r.waitingNow(t, window.RerunID(1))
	require.Equal(t, cdc.ClassLedgerUnreadable, waiting[0].Class)
	require.Equal(t, []cdc.Wait{{Class: cdc.ClassLedgerUnreadable, Ledger: true}}, r.resolve(t, "skip", window.RerunID(1), "--yes").Skipped)
	r.closed(t, window.RerunID(1))
	result := r.result(t, window.RerunID(1))
	require.Zero(t, result.Ledger.Published())
	require.Equal(t, versions, result.Ledger.Types["Patient"].Skipped.Len())
	r.subscribed(t)
	require.Empty(t, r.came("doubtful"))
	r.recordIf(t, map[string]string{"window-ledger-skipped": window.RerunID(1)})
}
