package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// A name that is in use joins its range if the ranges are equal; otherwise the command
// fails and names the difference. A cancelled range is not joined. Nothing is started in
// either case.
func TestUsedNameOfARange(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, "CDC_SEARCH_RATE=400")
	r.silenced(t)
	r.writePast(t, c, longAgo, "Patient", "named", 30)
	named := append([]string{"replay", "--name", "used"}, yearOf...)
	r.operate(t, named...)
	require.Contains(t, r.operate(t, named...).stdout, "running", "no worker has done anything")

	for difference, args := range map[string][]string{
		"2025-02-01T00:00:00Z":         {"--since", "2025-02-01T00:00:00Z", "--until", "2026-01-01T00:00:00Z"},
		"2025-06-01T00:00:00Z":         {"--since", "2025-01-01T00:00:00Z", "--until", "2025-06-01T00:00:00Z"},
		"--since 2025-01-01T00:00:00Z": {"--since", "48h", "--until", "0s"},
		"--type":                       append([]string{"--type", "Observation"}, yearOf...),
		"--rate":                       append([]string{"--rate", "5"}, yearOf...),
		"--id":                         append([]string{"--id", "Patient/SECRET"}, yearOf...),
	} {
		got := r.refuses(t, append([]string{"replay", "--name", "used", "--json"}, args...)...)
		require.Contains(t, got, difference)
		require.NotContains(t, got, "SECRET")
	}
	r.worker(t)
	r.closed(t, cdc.ReplayID("used"))
	joined := readReplayed(t, r.operate(t, append(named, "--wait", "--json")...))
	require.False(t, joined.Started)
	require.Equal(t, "done", joined.Joined.State)
	require.Equal(t, 30, joined.Result.Counts.Published)
	r.subscribed(t)
	all, _ := r.subscriber.Len()
	require.Equal(t, 30, all)

	// A dry run may be made again, but one that is open has its name.
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.ServerError, Count: -1}))
	dry := append([]string{"replay", "--name", "used", "--dry-run"}, yearOf...)
	ctx, cancel := context.WithCancel(t.Context())
	interrupted := make(chan printed, 1)
	go func() { interrupted <- runProgram(t, ctx, "starter", r.environment(), nil, dry...) }()
	r.reaches(t, cdc.DryRunID(cdc.ReplayID("used")), enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING)
	cancel()
	<-interrupted
	require.Contains(t, r.refuses(t, append(dry, "--type", "Patient")...), "--type")
	r.Simulator.ClearFaults()
	require.Equal(t, 30, readReplayed(t, r.operate(t, append(dry, "--json")...)).Result.Counts.Published)

	// A backfill without --until goes up to its start, and joins one that did.
	backfill := []string{"backfill", "--name", "snapshot", "--type", "Patient"}
	r.operate(t, append(backfill, "--wait")...)
	require.Contains(t, r.operate(t, backfill...).stdout, "backfill/snapshot")
	require.Contains(t, r.refuses(t, append(backfill, "--until", "2026-01-01T00:00:00Z")...), "2026-01-01T00:00:00Z")

	slow := append([]string{"replay", "--name", "ended", "--rate", "1"}, yearOf...)
	r.operate(t, slow...)
	r.operate(t, "cancel", "ended", "--wait")
	got := r.refuses(t, slow...)
	require.Contains(t, got, "canceled")
}

// A missing bus is an error before anything is started.
func TestReplayToABusThatIsNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{}, fewTypes)
	for _, dry := range [][]string{nil, {"--dry-run"}} {
		args := append([]string{"replay", "--name", "nowhere", "--to-bus", "warehouse"}, yearOf...)
		got := r.refuses(t, append(args, dry...)...)
		require.Contains(t, got, "warehouse in "+stack.Region)
	}
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED, r.status(t.Context(), cdc.ReplayID("nowhere")))

	// Without the permission to check the bus there is a warning, and the replay starts.
	environment := append(r.environment("AWS_ENDPOINT_URL_EVENTBRIDGE"), "AWS_ENDPOINT_URL_EVENTBRIDGE=http://127.0.0.1:1", "AWS_MAX_ATTEMPTS=1")
	got := runProgram(t, t.Context(), "starter", environment, nil,
		append([]string{"replay", "--name", "unchecked", "--to-bus", "warehouse", "--json"}, yearOf...)...)
	require.True(t, readReplayed(t, got).Started)
	require.Contains(t, got.stderr, "warehouse")
}

// What a slice has published counts for status and for a command that waits while the
// slice is open; the range itself counts it at its close.
func TestProgressIsTrueWithinSeconds(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, "CDC_SEARCH_RATE=400")
	r.silenced(t)
	r.worker(t)
	const versions = 400
	r.writePast(t, c, longAgo, "Patient", "slow", versions)
	var shown lines
	done := make(chan printed, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		done <- runProgram(t, ctx, "starter", r.environment(), &shown,
			append([]string{"replay", "--name", "slow", "--rate", "20", "--wait"}, yearOf...)...)
	}()
	r.received(t, 1)
	id := cdc.ReplayID("slow")
	eventually(t, "status shows what the open slice has published", func(ctx context.Context) error {
		own, err := r.rangeProgress(ctx, id)
		if err != nil {
			return err
		}
		require.Zero(t, own.Done, "the slice is open")
		for _, one := range r.starterStatus(t).Ranges {
			if one.WorkflowID == id && one.Progress != nil && one.Progress.Range.Done > 0 {
				require.Equal(t, one.Progress.Counts.Published, one.Progress.Range.Done)
				return nil
			}
		}
		return errNotYet
	})
	eventually(t, "the command that waits shows it", func(context.Context) error {
		for n := 1; n < versions; n++ {
			if shown.contains(fmt.Sprintf("%s: %d of %d versions", id, n, versions)) {
				return nil
			}
		}
		return errNotYet
	})
	got := <-done
	require.Zero(t, got.code, got.all())
	require.Contains(t, got.stdout, "400 published")
}

// A window with a failed run is listed with what to do about it, until a rerun has
// published the rest: the rerun reads what was published from the history of the failed
// run. A terminated replay stays listed.
func TestFailedExecutionsAreListedUntilMadeGood(t *testing.T) {
	t.Parallel()
	const before, after = 20, 5
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, "CDC_SEARCH_RATE=400")
	r.silenced(t)
	worker := r.worker(t)
	window := windowAgo(r.datastore(), 3*time.Minute)
	r.writeAt(t, c, window, "Patient", "before", before)
	r.capture(t, window.Start, "--passes", "1s,10h")
	r.received(t, before)
	r.publishesNothing(t, window.ID())
	r.writeAt(t, c, window, "Patient", "after", after)
	require.NoError(t, worker.Kill())
	r.fail(t, window.ID())
	r.operate(t, append([]string{"replay", "--name", "dead"}, yearOf...)...)
	require.NoError(t, r.temporal.TerminateWorkflow(t.Context(), cdc.ReplayID("dead"), "", "a test"))

	listed := func(want ...string) {
		t.Helper()
		eventually(t, fmt.Sprintf("%v are listed as failed", want), func(context.Context) error {
			report := r.starterStatus(t)
			var ids []string
			for _, f := range report.Failed {
				ids = append(ids, f.WorkflowID+" "+f.Status)
			}
			require.Len(t, ids, report.FailedTotal)
			if fmt.Sprint(ids) != fmt.Sprint(want) {
				return fmt.Errorf("%w: %v", errNotYet, ids)
			}
			return nil
		})
	}
	listed(window.ID()+" failed", cdc.ReplayID("dead")+" terminated")
	text := r.operate(t, "status").stdout
	advice := fmt.Sprintf("starter capture --at %s --datastore %s", window.Start.UTC().Format(time.RFC3339), r.datastore())
	require.Contains(t, text, "FAILED")
	require.Contains(t, text, advice)
	require.Contains(t, text, "--name")

	r.worker(t)
	rerun := r.capture(t, window.Start, "--wait")
	require.Equal(t, window.RerunID(1), rerun.WorkflowID)
	require.Equal(t, after, *rerun.Published, "what the failed run had published is in its history")
	require.Equal(t, before+after, r.result(t, rerun.WorkflowID).Ledger.Published())
	listed(cdc.ReplayID("dead") + " terminated")
	r.subscribed(t)
	all, _ := r.subscriber.Len()
	require.Equal(t, before+after, all, "each once")
}
