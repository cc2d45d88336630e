package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

func rangeInput() cdc.CaptureRangeInput {
	return cdc.CaptureRangeInput{
		Name: "again", Datastores: []string{datastore}, Types: []string{"Patient", "Observation", "Claim"},
		Span: cdc.Span{From: start, To: start.Add(4 * time.Hour)}, SourceTime: start, Attributes: true,
	}
}

func renewRange(w *world) {
	w.renew(start.Add(24 * time.Hour))
	w.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: cdc.ReplayID("again"), TaskQueue: cdc.DefaultTaskQueue})
}

func TestRangeIsCutIntoBoundedSlicesOneAfterTheOther(t *testing.T) {
	w := newWorld(t)
	w.store.fill("Patient", 6_000, start.Add(30*time.Minute), 150)
	w.store.fill("Patient", 6_000, start.Add(90*time.Minute), 150)
	w.store.fill("Patient", 50, start.Add(200*time.Minute), 150)
	w.store.fill("Observation", 150, start.Add(3*time.Hour), 150)
	renewRange(w)
	open, most := 0, 0
	var spans []cdc.Span
	w.env.SetOnChildWorkflowStartedListener(func(_ *workflow.Info, _ workflow.Context, args converter.EncodedValues) {
		var in cdc.CaptureSliceInput
		require.NoError(t, args.Get(&in))
		if in.Type == "Patient" {
			spans = append(spans, in.Span)
		}
		require.True(t, in.Bulk)
		open++
		most = max(most, open)
	})
	w.env.SetOnChildWorkflowCompletedListener(func(*workflow.Info, converter.EncodedValue, error) { open-- })
	queues := make(map[string]bool)
	w.env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		if info.ActivityType.Name != "Publish" {
			queues[info.TaskQueue] = true
		}
	})
	var upserts int
	w.env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(mock.Arguments) { upserts++ }).Return(nil).Maybe()
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, rangeInput())
	require.NoError(t, w.env.GetWorkflowError())
	var result cdc.CaptureRangeResult
	require.NoError(t, w.env.GetWorkflowResult(&result))

	require.Equal(t, 1, most, "one slice after the other")
	require.Equal(t, []cdc.Span{
		{From: start, To: start.Add(time.Hour)},
		{From: start.Add(time.Hour), To: start.Add(2 * time.Hour)},
		{From: start.Add(2 * time.Hour), To: start.Add(4 * time.Hour)},
	}, spans, "halved on windows' edges until no more than 10,000 are in one, oldest first")
	require.Equal(t, 4, result.Slices, "Claim, which is empty, needs none")
	require.Equal(t, 12_200, result.Counts.Published)
	require.Equal(t, map[string]bool{cdc.BulkTaskQueue(cdc.DefaultTaskQueue, datastore): true}, queues)
	require.Equal(t, w.store.keys(all), w.bus.keys(), "each once, under the key that its window's event has")
	for _, p := range w.bus.accepted {
		require.Equal(t, "again", p.Meta.Replay)
		require.Equal(t, "operator", p.Meta.By)
		require.Equal(t, "replay/again", p.Meta.Correlation)
	}
	require.Equal(t, 1, upserts)
}

func TestRangeContinuesAsNew(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.store.fill("Patient", 150, start.Add(time.Duration(i)*time.Hour), 150)
		w.store.fill("Observation", 50, start.Add(time.Duration(i)*time.Hour), 150)
	}
	in := rangeInput()
	runs := 0
	for {
		renewRange(w)
		growAfter(w, "Count", 1)
		w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, in)
		if runs++; w.env.GetWorkflowError() == nil {
			break
		}
		var next cdc.CaptureRangeInput
		w.continued(&next)
		in = next
	}
	require.Equal(t, 3, runs, "one for each type: the last need not")
	require.Equal(t, w.store.keys(all), w.bus.keys())
}

func TestRangeWithBadInput(t *testing.T) {
	for name, spoil := range map[string]func(*cdc.CaptureRangeInput){
		"no datastores":   func(in *cdc.CaptureRangeInput) { in.Datastores = nil },
		"no types":        func(in *cdc.CaptureRangeInput) { in.Types = nil },
		"empty span":      func(in *cdc.CaptureRangeInput) { in.Span.To = in.Span.From },
		"datastore's id":  func(in *cdc.CaptureRangeInput) { in.Datastores = []string{"not an id"} },
		"resource's type": func(in *cdc.CaptureRangeInput) { in.Types = []string{"not a type"} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.store.fill("not a type", 1, start, 150)
			w.store.fill("Patient", 1, start, 150)
			renewRange(w)
			in := rangeInput()
			spoil(&in)
			w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, in)
			require.ErrorContains(t, w.env.GetWorkflowError(), string(cdc.ClassInvalidInput))
		})
	}
}
