package workflows_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// seen collects every text that a workflow shows outside its payloads.
type seen struct {
	interceptor.WorkerInterceptorBase
	summaries  []string
	plain      []string
	attributes []temporal.SearchAttributes
}

func (s *seen) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	in := &seenInbound{seen: s}
	in.Next = next
	return in
}

type seenInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	seen *seen
}

func (i *seenInbound) Init(next interceptor.WorkflowOutboundInterceptor) error {
	out := &seenOutbound{seen: i.seen}
	out.Next = next
	return i.Next.Init(out)
}

type seenOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	seen *seen
}

func (o *seenOutbound) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	options := workflow.GetActivityOptions(ctx)
	o.seen.summaries = append(o.seen.summaries, options.Summary)
	o.seen.plain = append(o.seen.plain, name, options.ActivityID, options.TaskQueue, options.Priority.FairnessKey)
	return o.Next.ExecuteActivity(ctx, name, args...)
}

func (o *seenOutbound) NewTimerWithOptions(ctx workflow.Context, d time.Duration, options workflow.TimerOptions) workflow.Future {
	o.seen.summaries = append(o.seen.summaries, options.Summary)
	return o.Next.NewTimerWithOptions(ctx, d, options)
}

func (o *seenOutbound) ExecuteChildWorkflow(ctx workflow.Context, name string, args ...any) workflow.ChildWorkflowFuture {
	options := workflow.GetChildWorkflowOptions(ctx)
	o.seen.summaries = append(o.seen.summaries, options.StaticSummary)
	o.seen.plain = append(o.seen.plain, options.WorkflowID, options.StaticDetails)
	return o.Next.ExecuteChildWorkflow(ctx, name, args...)
}

func (o *seenOutbound) UpsertTypedSearchAttributes(ctx workflow.Context, updates ...temporal.SearchAttributeUpdate) error {
	o.seen.attributes = append(o.seen.attributes, temporal.NewSearchAttributes(updates...))
	return o.Next.UpsertTypedSearchAttributes(ctx, updates...)
}

// watch collects what is seen of the executions of the environment.
func watch(w *world) *seen {
	s := &seen{}
	w.env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{s}})
	w.env.SetOnActivityCompletedListener(func(info *activity.Info, _ converter.EncodedValue, err error) {
		s.plain = append(s.plain, info.ActivityID)
		if err != nil {
			s.plain = append(s.plain, err.Error())
		}
	})
	return s
}

// details is the text that the UI shows of the execution now.
func details(w *world) string {
	value, err := w.env.QueryWorkflow("__temporal_workflow_metadata")
	require.NoError(w.t, err)
	var metadata sdkpb.WorkflowMetadata
	require.NoError(w.t, value.Get(&metadata))
	return metadata.GetCurrentDetails()
}

// Every way that a window can go, with ids that would be recognised anywhere.
func TestTextsOutsidePayloadsNameNoResource(t *testing.T) {
	w := newWorld(t)
	var logs bytes.Buffer
	w.real.Reader.Logger = slog.New(slog.NewTextHandler(&logs, nil))
	s := watch(w)
	types := []string{"Patient", "Observation", "Claim", "ExplanationOfBenefit", "MedicationAdministration", "QuestionnaireResponse"}
	for i := range 30 {
		name := fmt.Sprintf("MedicationAdministrationOfKind%c%c", 'A'+i/26, 'A'+i%26)
		types = append(types, name)
		w.store.Fill(name, 1, start.Add(time.Second), 300)
	}
	w.store.Fill("Patient", 1_300, start.Add(time.Second), 300)
	w.store.Write("Observation", "SECRET-slow", start.Add(time.Second), 40*time.Second, 300)
	w.store.Write("Claim", "SECRET-claim", start.Add(time.Second), 0, 300)
	bad := w.store.Write("Observation", "SECRET-bad", start.Add(time.Second), 0, 300)
	w.store.Fail = func(c healthlaketest.Call) error {
		switch {
		case c.Type == "Claim" && c.At.Before(end(30*time.Second)):
			return &cdc.Error{Op: "GET {Type}", Class: cdc.ClassForbidden, Status: 403}
		case c.Further && c.At.Before(end(15*time.Second)):
			return lasting(cdc.ClassUnavailable, 503)
		case c.Op == "read" && c.At.Before(end(65*time.Second)):
			return lasting(cdc.ClassThrottled, 429)
		}
		return nil
	}
	w.bus.reject = func(key string) bool { return key == bad.IdempotencyKey(datastore) && w.now().Before(end(time.Minute)) }
	w.bus.fail = func(at time.Time) error {
		if at.Before(end(12 * time.Second)) {
			return &cdc.Error{Op: "PutEvents", Class: cdc.ClassBusMissing}
		}
		return nil
	}
	var shown []string
	for _, seconds := range []int{0, 14, 25, 50, 70} {
		w.when(end(time.Duration(seconds)*time.Second), func() { shown = append(shown, details(w)) })
	}
	in := w.input(types...)
	in.Attributes = true
	w.run(in)
	shown = append(shown, details(w))
	w.requireExactlyOnce(all)

	require.Greater(t, len(s.summaries), 10)
	for _, summary := range s.summaries {
		require.NotEmpty(t, summary)
		require.LessOrEqual(t, len(summary), 200)
	}
	for _, text := range append(append(append(s.summaries, s.plain...), shown...), logs.String(), fmt.Sprint(s.attributes)) {
		require.NotContains(t, text, "SECRET")
		require.NotContains(t, text, "|all|", "a page's link")
	}
	for _, text := range shown {
		require.LessOrEqual(t, len(text), 20_000)
	}
	require.Contains(t, shown[2], "the type Claim, which cannot be read (Forbidden)")
	require.Contains(t, shown[2], "1 of Observation")
	last := shown[len(shown)-1]
	require.Contains(t, last, "**1333 published**")
	require.Contains(t, last, "| Patient | 1300 |")
	require.NotContains(t, last, "cannot be read")
}

func TestSummariesShowTheStep(t *testing.T) {
	w := newWorld(t)
	s := watch(w)
	w.store.Fill("Patient", 2, start.Add(time.Second), 300)
	w.store.Write("Observation", "o1", start.Add(time.Second), 0, 300)
	w.capture("Patient", "Observation")
	steps := []string{"12:00:20", "pass 1: 2 types", "publish 3", "12:01:10", "pass 2: 2 types"}
	require.Len(t, s.summaries, len(steps))
	for i, step := range steps {
		require.Contains(t, s.summaries[i], step)
	}
}

func TestAttributesAreUpsertedOnceByAWindowThatPublished(t *testing.T) {
	for _, c := range []struct {
		name       string
		publishes  bool
		registered bool
		upserts    int
	}{
		{"published", true, true, 1},
		{"nothing published", false, true, 0},
		{"not registered", true, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := watch(w)
			if c.publishes {
				w.store.Fill("Patient", 3, start.Add(time.Second), 300)
				w.store.Fill("Claim", 1, start.Add(time.Second), 300)
			}
			in := w.input("Patient", "Observation", "Claim")
			in.Attributes = c.registered
			w.run(in)
			require.Len(t, s.attributes, c.upserts)
			if c.upserts == 0 {
				return
			}
			state, _ := s.attributes[0].GetKeyword(cdc.AttrState)
			count, _ := s.attributes[0].GetInt64(cdc.AttrPublished)
			types, _ := s.attributes[0].GetKeywordList(cdc.AttrTypes)
			require.Equal(t, cdc.StateClosed, state)
			require.EqualValues(t, 4, count)
			require.Equal(t, []string{"Claim", "Patient"}, types)
		})
	}
}

func TestErrorsOfALedgerNameNoResource(t *testing.T) {
	w := newWorld(t)
	h := temporaltest.Started(w.input("Patient"))
	change := cdc.Change{Version: cdc.Version{Type: "Patient", ID: "SECRET", VersionID: "1"}}
	h.Activity("Publish", cdc.PublishInput{Changes: []cdc.Change{change}}, "not a result that can be decoded")
	w.runs.Executions[w.window.ID()] = temporaltest.Execution{Status: temporaltest.Terminated, Events: h.Events}
	in := w.rerun(1, "Patient")
	var failures []string
	w.env.SetOnActivityCompletedListener(func(_ *activity.Info, _ converter.EncodedValue, err error) {
		failures = append(failures, err.Error())
	})
	w.when(w.now().Add(time.Second), w.env.CancelWorkflow)
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureWindow, in)
	require.Len(t, failures, 1)
	require.Contains(t, failures[0], string(cdc.ClassLedgerUnreadable))
	require.NotContains(t, failures[0], "SECRET")
}
