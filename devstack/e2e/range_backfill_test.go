package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/ops/explain"
)

// A backfill whose worker is killed twice, and Temporal too: nothing is lost, and what its
// slices had in flight is repeated once at most by each kill.
func TestBackfillSurvivesItsWorkers(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, "CDC_SEARCH_RATE=400")
	r.silenced(t)
	w := r.worker(t)
	const each, moments = 2_500, 6
	for i := range moments {
		r.writePast(t, c, longAgo.Add(time.Duration(i)*24*time.Hour), []string{"Patient", "Observation"}[i%2], fmt.Sprintf("past%d", i), each)
	}
	r.operate(t, append([]string{"backfill", "--name", "killed"}, yearOf...)...)
	for kills := range 2 {
		r.received(t, (1+kills)*each*moments/6)
		require.NoError(t, w.Kill())
		w = r.worker(t)
	}
	r.received(t, each*moments/2)
	require.True(t, r.running(t.Context(), cdc.BackfillID("killed")))
	require.NoError(t, r.Temporal.Kill())
	require.NoError(t, r.Temporal.Restart(t.Context()))
	r.closed(t, cdc.BackfillID("killed"))
	report := r.drained(t)
	require.Zero(t, report.Total.Missing)
	require.Empty(t, report.Wrong)
	events, _ := r.subscriber.Len()
	keys := r.subscriber.Keys()
	require.Len(t, keys, each*moments)
	for _, n := range keys {
		require.LessOrEqual(t, n, 1+3, "each kill repeats a version once at most")
	}
	t.Logf("%d of %d repeated", events-each*moments, each*moments)

	result := readReplayed(t, r.operate(t, append([]string{"backfill", "--name", "killed", "--wait", "--json"}, yearOf...)...))
	require.False(t, result.Started, "a backfill named twice runs once")
	require.Equal(t, each*moments, result.Result.Counts.Published)
	require.Equal(t, each*moments, result.Result.Done)
	again, _ := r.subscriber.Len()
	require.Equal(t, events, again)
}

// besideRate is the searches a second of the test below: few, so that the backfill, which
// uses what live windows leave, runs beside several of them.
const besideRate = 20

// A backfill of 50,000 versions while resources are written: no second has more searches
// than the configured rate and its burst, and the live windows are published in
// their order and found by the pass that finds them without a backfill.
func TestBackfillBesideLiveTraffic(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}},
		fewTypes, fmt.Sprintf("CDC_SEARCH_RATE=%d", besideRate))
	r.silenced(t)
	const past, each = 50_000, 2_500
	for i := range past / each {
		r.writePast(t, c, longAgo.Add(time.Duration(i)*12*time.Hour), []string{"Patient", "Observation"}[i%2], fmt.Sprintf("past%d", i), each)
	}
	require.NoError(t, r.Simulator.SetTrail(simulator.Trail{Sink: r.Sink()}))
	r.worker(t)
	rate := r.measureSearches(t)

	alone := r.live(t, "alone", func(n int) bool { return n < 4 })
	before := r.searches(r.datastore())
	began := time.Now()
	id := cdc.BackfillID("beside")
	r.operate(t, append([]string{"backfill", "--name", "beside"}, yearOf...)...)
	beside := r.live(t, "beside", func(int) bool { return r.running(t.Context(), id) })
	require.Greater(t, len(beside), 2, "the backfill ran beside several windows")
	r.closed(t, id)
	took := time.Since(began)
	complete(t, r.drained(t))

	result := readReplayed(t, r.operate(t, append([]string{"backfill", "--name", "beside", "--wait", "--json"}, yearOf...)...)).Result
	require.Equal(t, past, result.Counts.Published)
	busiest := rate()
	require.LessOrEqual(t, busiest, 2*besideRate+besideRate/4, "searches in any second: the rate, and a second's worth at once, as the store counts them")
	t.Logf("%d searches in %s, %d in the busiest second", r.searches(r.datastore())-before, took.Round(time.Second), busiest)

	require.Equal(t, r.order(t, "alone", alone), r.order(t, "beside", beside), "the pass that finds them")
	t.Logf("published after the window's end: alone %s, beside the backfill %s", r.lags("alone", alone), r.lags("beside", beside))
}

func (r *rig) running(ctx context.Context, id string) bool {
	p, err := r.described(ctx, id)
	return err == nil && p.GetWorkflowExecutionInfo().GetCloseTime() == nil
}

// live writes into window after window until it is stopped, and returns them.
func (r *rig) live(t testing.TB, prefix string, more func(n int) bool) []cdc.Window {
	t.Helper()
	var windows []cdc.Window
	for n := 0; more(n); n++ {
		window := r.earlyInWindow(t)
		r.writeMany(t, window, "Patient", fmt.Sprintf("%s-%d", prefix, n), 40)
		r.writeMany(t, window, "Observation", fmt.Sprintf("%s-%d", prefix, n), 20)
		windows = append(windows, window)
		until(t, "the window has ended", func(context.Context) bool {
			return !time.Now().Before(window.End())
		})
	}
	return windows
}

// order requires that everything of a window was published before anything of the
// next, and returns which Hydrates of the windows found anything live.
func (r *rig) order(t *testing.T, prefix string, windows []cdc.Window) map[int]bool {
	t.Helper()
	passes := make(map[int]bool)
	var before time.Time
	for n, window := range windows {
		first, last, count := r.published(fmt.Sprintf("%s-%d-", prefix, n))
		require.Equal(t, 60, count)
		require.True(t, first.After(before), "windows are published in their order")
		before = last
		for i, hydrated := range r.hydrates(t, window.ID()) {
			for _, resourceType := range []string{"Patient", "Observation"} {
				if len(found(hydrated, resourceType)) > 0 {
					passes[i] = true
				}
			}
		}
	}
	return passes
}

// published is when the first and the last resource of a prefix were published,
// and how many were.
func (r *rig) published(prefix string) (first, last time.Time, n int) {
	for _, event := range r.subscriber.Events() {
		if !strings.HasPrefix(event.Meta.ResourceID, prefix) {
			continue
		}
		at := event.Meta.PublishedAt
		if n == 0 || at.Before(first) {
			first = at
		}
		if n == 0 || at.After(last) {
			last = at
		}
		n++
	}
	return first, last, n
}

// lags are the times from the ends of windows until the last of each was published.
func (r *rig) lags(prefix string, windows []cdc.Window) string {
	all := r.lagsOf(prefix, windows)
	return fmt.Sprintf("%s in the middle, %s at most", all[len(all)/2], all[len(all)-1])
}

// measureSearches samples the store's count of searches, and returns a function for the
// maximum of any second so far.
func (r *rig) measureSearches(t *testing.T) (busiest func() int) {
	t.Helper()
	type look struct {
		at    time.Time
		total int64
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan []look, 1)
	go func() {
		var looks []look
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			looks = append(looks, look{time.Now(), r.searches(r.datastore())})
			<-ticker.C
		}
		done <- looks
	}()
	t.Cleanup(stop)
	return func() int {
		stop()
		most, from := int64(0), 0
		looks := <-done
		for i := range looks {
			for looks[i].at.Sub(looks[from].at) > time.Second {
				from++
			}
			most = max(most, looks[i].total-looks[from].total)
		}
		return int(most)
	}
}

// A backfill of a store that is captured already: what was written before goes by
// slices, and of the recent part only what the windows' ledgers lack. Everything
// comes once, and the dry run says how much.
func TestBackfillRepeatsNothingThatLedgersHave(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}},
		fewTypes, shortPasses, "CDC_SEARCH_RATE=400")
	r.silenced(t)
	r.worker(t)
	r.writePast(t, c, longAgo, "Patient", "older", 700)
	r.writePast(t, c, time.Now().Add(-5*time.Hour), "Patient", "before-the-first-window", 30)
	// Captured: windows of the last hour, one of them large.
	for i, n := range []int{1_300, 40, 40} {
		window := windowAgo(r.datastore(), time.Duration(45-15*i)*time.Minute)
		r.writeAt(t, c, window, "Patient", fmt.Sprintf("captured%d", i), n)
		r.trigger(window)
		r.closed(t, window.ID())
	}
	captured, lost := 1_380, 0
	// Lost: windows that never ran, and versions of one that did.
	for i, ago := range []time.Duration{44 * time.Minute, 12 * time.Minute, 3 * time.Minute} {
		window := windowAgo(r.datastore(), ago)
		r.writeAt(t, c, window, "Observation", fmt.Sprintf("lost%d", i), 60)
		lost += 60
	}
	late := windowAgo(r.datastore(), 8*time.Minute)
	r.writeAt(t, c, late, "Patient", "prompt", 20)
	r.trigger(late)
	r.closed(t, late.ID())
	r.writeAt(t, c, late, "Condition", "late", 25)
	captured, lost = captured+20, lost+25
	r.subscribed(t)
	events, _ := r.subscriber.Len()
	require.Equal(t, captured, events)

	dry := readReplayed(t, r.operate(t, "backfill", "--name", "first", "--dry-run", "--json"))
	require.Equal(t, 730+lost, dry.Result.Counts.Published)
	r.subscribed(t)
	events, _ = r.subscriber.Len()
	require.Equal(t, captured, events, "a dry run publishes nothing")

	ran := readReplayed(t, r.operate(t, "backfill", "--name", "first", "--wait", "--json"))
	require.True(t, ran.Started)
	require.Equal(t, 730+lost, ran.Result.Counts.Published)
	require.Zero(t, ran.Result.Missing)
	require.Equal(t, 730+captured+lost, ran.Result.Done)
	complete(t, r.drained(t))
	by := make(map[string]int)
	for _, event := range r.subscriber.Events() {
		by[event.Meta.CapturedBy]++
	}
	require.Equal(t, map[string]int{cdc.ByCloudTrail: captured, cdc.ByBackfill: 730 + lost}, by)
	require.Contains(t, r.verdict(t, explain.Published, "Patient/older-0").Reason, ", by backfill/first")
	if *record {
		books := newRecorder(t, r)
		books.record(t, "range-backfill", cdc.BackfillID("first"))
		books.record(t, "slice-of-backfill", r.ids(t, "WorkflowType='CaptureSlice' AND WorkflowId STARTS_WITH 'backfill/first/Patient/'")[0])
	}
}
