package workflows_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// rangeInput is a range of four hours.
func rangeInput() cdc.CaptureRangeInput {
	return cdc.CaptureRangeInput{
		Name: "again", Datastores: []string{datastore}, Types: []string{"Patient", "Observation", "Claim"},
		Span: cdc.Span{From: start, To: start.Add(4 * time.Hour)}, SourceTime: start, Salt: salt, Attributes: true,
	}
}

func renewRange(w *world) {
	w.renew(start.Add(24 * time.Hour))
	w.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: cdc.ReplayID("again"), TaskQueue: cdc.DefaultTaskQueue})
}

// replayOf is a replay of types.
func replayOf(types ...string) cdc.CaptureRangeInput {
	in := rangeInput()
	in.CapturedBy, in.Types = cdc.ByOperator, types
	return in
}

// backfillOf is a backfill of what is older than its ledgers.
func backfillOf(types ...string) cdc.CaptureRangeInput {
	in := replayOf(types...)
	in.CapturedBy, in.Border = cdc.ByBackfill, in.Span.To
	return in
}

// runRange runs a range to its end.
func (w *world) runRange(in cdc.CaptureRangeInput) cdc.CaptureRangeResult {
	w.t.Helper()
	renewRange(w)
	if in.CapturedBy == cdc.ByBackfill {
		w.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: cdc.BackfillID(in.Name), TaskQueue: cdc.DefaultTaskQueue})
	}
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, in)
	return w.rangeResult()
}

func (w *world) rangeResult() cdc.CaptureRangeResult {
	w.t.Helper()
	require.True(w.t, w.env.IsWorkflowCompleted())
	require.NoError(w.t, w.env.GetWorkflowError())
	var result cdc.CaptureRangeResult
	require.NoError(w.t, w.env.GetWorkflowResult(&result))
	return result
}

func (w *world) rangeProgress() cdc.RangeProgress {
	w.t.Helper()
	value, err := w.env.QueryWorkflow(cdc.QueryProgress)
	require.NoError(w.t, err)
	var p cdc.Progress
	require.NoError(w.t, value.Get(&p))
	return *p.Range
}

// fillHours writes n versions of a type into each of the first hours of the span.
func (w *world) fillHours(resourceType string, hours, n int) {
	for i := range hours {
		w.store.Fill(resourceType, n, start.Add(time.Duration(i)*time.Hour+30*time.Minute), 150)
	}
}

func TestRangeCountsFirstAndRunsSlicesSideBySide(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 4, 3_000)
	w.fillHours("Observation", 1, 150)
	renewRange(w)
	open, most := 0, 0
	var spans []cdc.Span
	w.env.SetOnChildWorkflowStartedListener(func(_ *workflow.Info, _ workflow.Context, args converter.EncodedValues) {
		var in cdc.CaptureSliceInput
		require.NoError(t, args.Get(&in))
		if in.Type == "Patient" {
			spans = append(spans, in.Span)
		}
		p := w.rangeProgress()
		require.True(t, p.Planned, "everything is counted before anything is captured")
		require.Equal(t, 12_150, p.Total)
		require.True(t, in.Origin.Bulk)
		open++
		most = max(most, open)
	})
	w.env.SetOnChildWorkflowCompletedListener(func(*workflow.Info, converter.EncodedValue, error) { open-- })
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, replayOf("Patient", "Observation", "Claim"))
	result := w.rangeResult()

	require.Equal(t, 5, most)
	slices.SortFunc(spans, func(a, b cdc.Span) int { return a.From.Compare(b.From) })
	require.Len(t, spans, 4, "3,000 each: two of them are more than one slice holds")
	for i, span := range spans {
		from := start.Add(time.Duration(i) * time.Hour)
		require.Equal(t, cdc.Span{From: from, To: from.Add(time.Hour)}, span)
	}
	require.Equal(t, 5, result.Slices, "Claim, which is empty, needs none")
	require.Equal(t, 12_150, result.Total)
	require.Equal(t, 12_150, result.Done)
	require.Equal(t, 12_150, result.Counts.Published)
	require.EqualValues(t, 12_150*150, result.Counts.Bytes)
	require.Equal(t, 12_150, result.Counts.Events)
	require.Equal(t, w.store.Keys(datastore, all), w.bus.keys())
	for _, p := range w.bus.accepted {
		require.Equal(t, "again", p.Meta.Replay)
		require.Equal(t, "operator", p.Meta.By)
		require.Equal(t, "replay/again", p.Meta.Correlation)
	}
}

func TestRangePublishesOnAQueueOfItsOwn(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 1, 150)
	queues := make(map[string]bool)
	renewRange(w)
	w.env.SetOnActivityStartedListener(onPublish(func(queue string) { queues[queue] = true }))
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, replayOf("Patient"))
	w.rangeResult()
	require.Equal(t, map[string]bool{cdc.BulkPublishQueue(cdc.DefaultTaskQueue): true}, queues)
}

func TestRangeIsPausedAndResumed(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 4, 2_500)
	in := replayOf("Patient")
	in.Rate = 100 // so that there is a middle
	renewRange(w)
	begin := w.now()
	published := 0
	w.when(begin.Add(40*time.Second), func() { w.env.SignalWorkflow(cdc.SignalPause, true) })
	w.when(begin.Add(50*time.Second), func() {
		published = len(w.bus.keys())
		require.Positive(t, published)
		require.True(t, w.rangeProgress().Paused)
	})
	w.when(begin.Add(10*time.Hour), func() {
		require.Len(t, w.bus.keys(), published, "nothing is published meanwhile")
		w.env.SignalWorkflow(cdc.SignalPause, false)
	})
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, in)
	result := w.rangeResult()
	require.Equal(t, 10_000, result.Counts.Published)
	require.Equal(t, w.store.Keys(datastore, all), w.bus.keys())
	p := w.rangeProgress()
	require.InDelta(t, 100, p.Rate, 10, "the pause is not counted")
	require.Zero(t, p.ETA)
}

func TestRangeKeepsItsRate(t *testing.T) {
	for _, rate := range []float64{20, 350} {
		w := newWorld(t)
		w.fillHours("Patient", 4, 1_500)
		in := replayOf("Patient")
		in.Rate = rate
		result := w.runRange(in)
		require.Equal(t, 6_000, result.Counts.Published)
		first, last := w.bus.accepted[0].at, w.bus.accepted[0].at
		byMinute := make(map[time.Time]int)
		for _, p := range w.bus.accepted {
			byMinute[p.at.Truncate(time.Minute)]++
			if p.at.After(last) {
				last = p.at
			}
		}
		for _, n := range byMinute {
			require.LessOrEqual(t, float64(n), rate*60+4*100+4*rate, "a page at once, and a second's worth, for each slice")
		}
		took := last.Sub(first).Seconds()
		require.InDelta(t, 6_000/rate, took, 0.3*6_000/rate+10, "the rate is used as well")
	}
}

func TestRangeIsCancelled(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 4, 2_500)
	in := replayOf("Patient")
	in.Rate = 100
	renewRange(w)
	w.when(w.now().Add(40*time.Second), w.env.CancelWorkflow)
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, in)
	require.True(t, w.env.IsWorkflowCompleted())
	var cancelled *temporal.CanceledError
	require.ErrorAs(t, w.env.GetWorkflowError(), &cancelled)
	var result cdc.CaptureRangeResult
	require.NoError(t, cancelled.Details(&result))
	published := len(w.bus.keys())
	require.Positive(t, published)
	require.Less(t, published, 10_000)
	require.Equal(t, published, result.Counts.Published, "it says how far it came")
	require.Equal(t, published, result.Done)
	require.Equal(t, 10_000, result.Total)
}

// A replay to a bus that is not there waits, visibly; one that is cancelled then
// publishes nothing when the bus appears.
func TestCancelledRangePublishesNothingWhenItsBusAppears(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 1, 250)
	w.bus.fail = func(time.Time) error {
		return &cdc.Error{Op: "EventBridge PutEvents", Class: cdc.ClassBusMissing, Advice: "no such bus"}
	}
	renewRange(w)
	states := w.states()
	in := replayOf("Patient")
	in.Bus = "missing"
	slice := cdc.SliceID(cdc.ReplayID(in.Name), "Patient", in.Span.From, 1)
	cancelled := w.now().Add(6 * time.Minute)
	w.when(cancelled, func() {
		require.Equal(t, []string{cdc.StateWaiting}, *states)
		require.Equal(t, []cdc.Wait{{Class: cdc.ClassBusMissing, Bus: true}}, w.sliceProgress(slice).Waiting)
		w.env.CancelWorkflow()
		w.bus.fail = nil
	})
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, in)
	require.True(t, temporal.IsCanceledError(w.env.GetWorkflowError()))
	require.Equal(t, cancelled, w.now())
	require.Empty(t, w.bus.accepted)
	require.False(t, w.rangeProgress().Paused)
}

// A batch holds no more than a second's worth, so that a small rate is one from the
// first second on.
func TestSmallRateIsKeptFromTheFirstSecondOn(t *testing.T) {
	for _, rate := range []float64{0.5, 1, 7} {
		w := newWorld(t)
		w.fillHours("Patient", 1, 40)
		in := replayOf("Patient")
		in.Rate = rate
		w.runRange(in)
		require.Len(t, w.bus.accepted, 40)
		begin := w.bus.accepted[0].at
		for i, p := range w.bus.accepted {
			allowed := int(p.at.Sub(begin).Seconds()*rate) + max(1, int(rate))
			require.LessOrEqual(t, i+1, allowed, "rate %g, %s after the first", rate, p.at.Sub(begin))
		}
	}
}

func TestRangeContinuesAsNew(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 4, 3_000)
	w.fillHours("Observation", 2, 150)
	_, runs := runToEnd(w, cdc.WorkflowCaptureRange, replayOf("Patient", "Observation", "Claim"), func(int, cdc.CaptureRangeInput) {
		renewRange(w)
		growAfter(w, "Count", 4)
	})
	require.Greater(t, runs, 1)
	result := w.rangeResult()
	require.Equal(t, 12_300, result.Total)
	require.Equal(t, 12_300, result.Done)
	require.Equal(t, w.store.Keys(datastore, all), w.bus.keys(), "nothing lost, nothing repeated")
}

func TestReplayOfNamedResources(t *testing.T) {
	w := newWorld(t)
	at := start.Add(time.Hour)
	w.store.Write("Patient", "a", at, 0, 150)
	second := w.store.Write("Patient", "a", at.Add(time.Minute), 0, 150)
	other := w.store.Write("Observation", "a", at, 0, 150)
	w.store.Write("Patient", "not-named", at, 0, 150)
	w.store.Write("Patient", "earlier", start.Add(-time.Minute), 0, 150)
	in := replayOf("Patient", "Observation")
	in.IDs = []cdc.ResourceID{
		{Type: "Patient", ID: "a"}, {Type: "Patient", ID: "earlier"}, {Type: "Patient", ID: "is-not-there"},
		{Type: "Observation", ID: "a"}, {Type: "Patient", ID: "a"},
	}
	result := w.runRange(in)
	want := []string{second.IdempotencyKey(datastore), other.IdempotencyKey(datastore)}
	slices.Sort(want)
	require.Equal(t, want, w.bus.keys(), "current versions in the span, once")
	require.Empty(t, w.store.Made("search", ""))
	require.Empty(t, w.store.Made("count", ""))
	require.Equal(t, 2, result.Counts.Published)
	require.Equal(t, 2, result.Counts.NotFound, "one lies before the range, one is not there")

	in.DryRun = true
	measured := w.runRange(in)
	require.Len(t, w.bus.keys(), 2)
	require.Equal(t, 2, measured.Counts.NotFound)
	requireSameFigures(t, result.Counts, measured.Counts)
}

// requireSameFigures compares what a run has published with what its dry run said.
func requireSameFigures(t *testing.T, run, dry cdc.Counts) {
	t.Helper()
	require.Positive(t, dry.Published)
	require.Equal(t, run.Published, dry.Published)
	require.Equal(t, run.References, dry.References)
	require.Equal(t, run.Bytes, dry.Bytes)
	require.Equal(t, run.Events, dry.Events)
}

func TestDryRunSaysWhatTheRunDoes(t *testing.T) {
	for _, in := range []cdc.CaptureRangeInput{replayOf("Patient", "Observation", "Claim"), backfillOf("Patient", "Observation", "Claim")} {
		w := newWorld(t)
		w.fillHours("Patient", 4, 2_600)
		w.store.Fill("Observation", 20, start.Add(time.Hour), 90_000)
		w.store.Fill("Observation", 3, start.Add(time.Hour), 700_000)
		w.store.Fill("Observation", 2, start.Add(time.Hour), 1_200_000)
		in.DryRun = true
		dry := w.runRange(in)
		require.Empty(t, w.bus.keys())
		require.Equal(t, 2, dry.Counts.References)
		require.Equal(t, 10_400+20*2+3*11+2, dry.Counts.Events)
		require.Positive(t, dry.Actions)
		in.DryRun = false
		requireSameFigures(t, w.runRange(in).Counts, dry.Counts)
		require.Equal(t, w.store.Keys(datastore, all), w.bus.keys())
	}
}

func TestRangeWithBadInput(t *testing.T) {
	for name, spoil := range map[string]func(*cdc.CaptureRangeInput){
		"no datastores":   func(in *cdc.CaptureRangeInput) { in.Datastores = nil },
		"datastore's id":  func(in *cdc.CaptureRangeInput) { in.Datastores = []string{"not an id"} },
		"resource's type": func(in *cdc.CaptureRangeInput) { in.Types = []string{"not a type"} },
		"rate":            func(in *cdc.CaptureRangeInput) { in.Rate = -1 },
		"border": func(in *cdc.CaptureRangeInput) {
			in.Border, in.Versions = in.Span.From.Add(time.Second), cdc.VersionsLatest
		},
		"versions": func(in *cdc.CaptureRangeInput) { in.Border = in.Span.From },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			renewRange(w)
			in := replayOf("Patient")
			spoil(&in)
			w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, in)
			require.ErrorContains(t, w.env.GetWorkflowError(), string(cdc.ClassInvalidInput))
		})
	}
}

// onPublish calls back with the task queue of every Publish.
func onPublish(note func(queue string)) func(*activity.Info, context.Context, converter.EncodedValues) {
	return func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		if info.ActivityType.Name == "Publish" {
			note(info.TaskQueue)
		}
	}
}

func TestRangeHasOnlySoManySlicesOpen(t *testing.T) {
	w := newWorld(t)
	var types []string
	for n := range 30 {
		types = append(types, "Type"+strings.Repeat("A", 1+n))
		w.fillHours(types[n], 1, 3)
	}
	renewRange(w)
	open, most := 0, 0
	w.env.SetOnChildWorkflowStartedListener(func(*workflow.Info, workflow.Context, converter.EncodedValues) {
		open++
		most = max(most, open)
	})
	w.env.SetOnChildWorkflowCompletedListener(func(*workflow.Info, converter.EncodedValue, error) { open-- })
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, replayOf(types...))
	require.Equal(t, 90, w.rangeResult().Counts.Published)
	require.Equal(t, 24, most)
}
