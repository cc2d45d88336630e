package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

// A slice whose links lead in a circle ends, and what its pages held is published. The
// circle is longer than what one Hydrate reads, and spans a continue-as-new.
func TestSliceWhoseLinksGoRoundEnds(t *testing.T) {
	for name, grows := range map[string]bool{"in one run": false, "over several": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.store.Fill("Patient", 2_600, start.Add(time.Second), 300)
			w.store.Leads = func(_, next int) int {
				if next == 2_000 {
					return 500
				}
				return next
			}
			w.renew(end(time.Minute))
			if grows {
				growAfter(w, "HydratePage", 1)
			}
			w.env.ExecuteWorkflow(cdc.WorkflowCaptureSlice, patientSlice(w))
			if grows {
				var next cdc.CaptureSliceInput
				w.continued(&next)
				require.NotZero(t, next.Resume.Trail.Seen.Len(), "the trail goes with it")
				w.renew(w.now())
				w.env.ExecuteWorkflow(cdc.WorkflowCaptureSlice, next)
			}
			require.NoError(t, w.env.GetWorkflowError())
			var result cdc.CaptureSliceResult
			require.NoError(t, w.env.GetWorkflowResult(&result))
			require.Equal(t, 2_000, result.Counts.Published)
			require.Equal(t, 20, result.Counts.Searches, "the link to what was read is not followed")
			require.False(t, result.Unswept)
		})
	}
}

// A slice whose store refuses a token goes the same way again: that is no circle.
func TestSliceThatStartsAgainDoesNotGoRound(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 1_500, start.Add(time.Second), 300)
	rejected := 0
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Further && len(w.store.Calls) > 9 && rejected < 2 {
			rejected++
			return &cdc.Error{Op: "GET {Type}?page", Class: cdc.ClassPageTokenRejected, Status: 400}
		}
		return nil
	}
	w.renew(end(time.Minute))
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureSlice, patientSlice(w))
	require.NoError(t, w.env.GetWorkflowError())
	var result cdc.CaptureSliceResult
	require.NoError(t, w.env.GetWorkflowResult(&result))
	require.Equal(t, 2, rejected)
	require.Equal(t, 1_500, result.Counts.Published)
}

func patientSlice(w *world) cdc.CaptureSliceInput {
	return cdc.CaptureSliceInput{
		Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{SourceTime: start, CapturedBy: cdc.ByCloudTrail}, CorrelationID: w.window.ID()},
		Type:   "Patient", Span: w.window.Span(), Salt: salt,
	}
}

// A window that goes on page after page without a slice ends as well: by what its
// state keeps of the pages before.
func TestWindowThatSkipsEndsPagesThatGoRound(t *testing.T) {
	w := newWorld(t)
	w.store.Totals = false
	w.store.Fill("Patient", 4_000, start.Add(time.Second), 150)
	w.store.Leads = func(_, next int) int { return next % 3_500 }
	in := w.input("Patient")
	in.Skip, in.Passes = true, passes[:1]
	in.Bulk, in.Rerun = true, 0
	w.renew(end(time.Hour))
	result := w.run(in)
	require.Equal(t, 3_500, result.Counts.Skipped)
	require.LessOrEqual(t, len(w.store.Made("search", "Patient")), 37)
}

// A store that counts null is captured all the same, by the hour.
func TestRangeOfAStoreThatDoesNotCount(t *testing.T) {
	for name, dry := range map[string]bool{"replay": false, "dry run": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.store.Uncounted = start
			w.fillHours("Patient", 4, 300)
			w.fillHours("Observation", 1, 50)
			var spans []cdc.Span
			in := replayOf("Patient", "Observation", "Claim")
			in.DryRun = dry
			renewRange(w)
			w.env.SetOnChildWorkflowStartedListener(func(_ *workflow.Info, _ workflow.Context, args converter.EncodedValues) {
				var in cdc.CaptureSliceInput
				require.NoError(t, args.Get(&in))
				spans = append(spans, in.Span)
			})
			w.env.ExecuteWorkflow(cdc.WorkflowCaptureRange, in)
			result := w.rangeResult()
			require.Equal(t, 1_250, result.Counts.Published)
			require.Equal(t, 1_250, result.Total)
			require.Equal(t, result.Total, result.Done)
			for _, span := range spans {
				require.LessOrEqual(t, span.To.Sub(span.From), time.Hour)
			}
			if !dry {
				require.NotEmpty(t, spans)
				require.Len(t, w.bus.keys(), 1_250)
			}
		})
	}
}

// One whose count fails only later, when a part is to be cut, is cut by its length.
func TestRangeOfAStoreThatCeasesToCount(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 4, 3_000)
	counts := 0
	w.store.Before = func(c healthlaketest.Call) {
		if c.Op == "count" {
			if counts++; counts == 3 {
				w.store.Uncounted = start
			}
		}
	}
	result := w.runRange(replayOf("Patient"))
	require.Greater(t, counts, 2)
	require.Equal(t, 12_000, result.Counts.Published)
	require.Equal(t, 12_000, result.Total)
	require.Equal(t, result.Total, result.Done)
}
