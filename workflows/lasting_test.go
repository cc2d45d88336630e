package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

const (
	// lastingWait is for how long what the tests below are about cannot go on.
	lastingWait = 72 * time.Hour
	// maxHistoryBytes and maxHistoryEvents are what a history may grow to. Temporal
	// terminates an execution at 50 MiB and 51,200 events.
	maxHistoryBytes  = 10 << 20
	maxHistoryEvents = 10_000
)

// meter estimates the history of the execution under test, which the SDK's test
// environment does not keep: it shows the workflow what it would have by now.
type meter struct {
	w             *world
	events, bytes int
	// the maxima of any run, and how many runs there were.
	maxEventsSeen, maxBytesSeen, runs int
	// timers is how many timers were started.
	timers int
}

// grow notes an event with its workflow task (scheduled, started, completed).
func (m *meter) grow(events, bytes int) {
	m.events += events
	m.bytes += bytes + 200*events // what an event has beside payloads
	m.maxEventsSeen, m.maxBytesSeen = max(m.maxEventsSeen, m.events), max(m.maxBytesSeen, m.bytes)
	m.w.env.SetCurrentHistoryLength(m.events)
	m.w.env.SetCurrentHistorySize(m.bytes)
}

// size is a payload's.
func size(value converter.EncodedValue) int {
	var raw converter.RawValue
	if value == nil || !value.HasValue() || value.Get(&raw) != nil {
		return 0
	}
	return len(raw.Payload().GetData())
}

func sizes(values converter.EncodedValues) int {
	var raw converter.RawValue
	if values == nil || !values.HasValues() || values.Get(&raw) != nil {
		return 0
	}
	return len(raw.Payload().GetData())
}

// watch has the meter follow the environment's next execution, started with so many
// bytes.
func (m *meter) watch(input any) {
	encoded, err := json.Marshal(input)
	require.NoError(m.w.t, err)
	m.runs++
	m.events, m.bytes = 0, 0
	m.grow(4, len(encoded))
	env := m.w.env
	env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, args converter.EncodedValues) {
		if info.Attempt == 1 { // further attempts leave nothing in a history
			m.grow(1, sizes(args))
		}
	})
	env.SetOnActivityCompletedListener(func(_ *activity.Info, result converter.EncodedValue, _ error) { m.grow(5, size(result)) })
	env.SetOnTimerScheduledListener(func(string, time.Duration) { m.timers++; m.grow(1, 0) })
	env.SetOnTimerFiredListener(func(string) { m.grow(4, 0) })
	env.SetOnTimerCanceledListener(func(string) { m.grow(1, 0) })
	env.SetOnChildWorkflowStartedListener(func(_ *workflow.Info, _ workflow.Context, args converter.EncodedValues) { m.grow(5, sizes(args)) })
	env.SetOnChildWorkflowCompletedListener(func(_ *workflow.Info, result converter.EncodedValue, _ error) { m.grow(4, size(result)) })
}

// outlast runs an execution, over every continue-as-new, until it has closed.
func (m *meter) outlast(id, workflowType string, input any) {
	w := m.w
	w.t.Helper()
	for {
		m.watch(input)
		w.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: id, TaskQueue: cdc.DefaultTaskQueue})
		w.env.ExecuteWorkflow(workflowType, input)
		require.True(w.t, w.env.IsWorkflowCompleted())
		err := w.env.GetWorkflowError()
		var again *workflow.ContinueAsNewError
		if !errors.As(err, &again) {
			require.NoError(w.t, err)
			break
		}
		var next json.RawMessage
		require.NoError(w.t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
		input = next
		w.renew(w.now())
	}
	w.t.Logf("%s: %d runs, at most %d events and %d KiB, %d timers", workflowType, m.runs, m.maxEventsSeen, m.maxBytesSeen>>10, m.timers)
	require.Less(w.t, m.maxEventsSeen, maxHistoryEvents)
	require.Less(w.t, m.maxBytesSeen, maxHistoryBytes)
}

// A window waits for three days: for a type that cannot be read, for an event of
// 900 KB that EventBridge rejects, and for a slice whose page cannot be read.
func TestWindowOutlastsThreeDays(t *testing.T) {
	w := newWorld(t)
	over := start.Add(lastingWait)
	w.store.Fill("Patient", slicedPatients, start.Add(time.Second), 300)
	bad := w.store.Write("Observation", "bad", start.Add(time.Second), 0, 900_000)
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.At.Before(over) && (c.Type == "Claim" || c.Further) {
			return &cdc.Error{Op: "GET {Type}", Class: cdc.ClassForbidden, Status: 403}
		}
		return nil
	}
	w.bus.reject = func(key string) bool { return key == bad.IdempotencyKey(datastore) && w.now().Before(over) }
	m := &meter{w: w}
	m.outlast(w.window.ID(), cdc.WorkflowCaptureWindow, w.marked("Patient", "Observation", "Claim"))
	require.True(t, w.now().After(over))
	require.Greater(t, m.runs, 5, "900 KB are in the history with each try")
	w.requireExactlyOnce(all)
}

func TestSliceOutlastsThreeDays(t *testing.T) {
	w := newWorld(t)
	renewSlice(w)
	over := w.now().Add(lastingWait)
	w.store.Fill("Patient", 350, start.Add(time.Second), 300)
	bad := w.store.Write("Patient", "AAA", start.Add(time.Second), 0, 900_000)
	pageOver := w.now().Add(lastingWait / 2)
	failFurther(w, func() bool { return w.now().Before(pageOver) })
	w.bus.reject = func(key string) bool { return key == bad.IdempotencyKey(datastore) && w.now().Before(over) }
	m := &meter{w: w}
	m.outlast(cdc.SliceID(w.window.ID(), "Patient", start, 1), cdc.WorkflowCaptureSlice, sliceInput(w, false))
	require.True(t, w.now().After(over))
	w.requireExactlyOnce(all)
}

// The body goes into the history with each try: 253 MiB in three days, were they all
// of one run.
func TestDeleteOutlastsThreeDays(t *testing.T) {
	w := newWorld(t)
	over := start.Add(lastingWait)
	in := rejectedDelete(w, over)
	in.Delete.ResourceID, in.Read = "SECRET", true
	in.Delete.Tombstone = &cdc.Tombstone{VersionID: "2", Body: []byte(`{"text":"` + strings.Repeat("x", 900_000) + `"}`)}
	m := &meter{w: w}
	m.outlast("delete/"+datastore+"/e1", cdc.WorkflowPublishDelete, in)
	require.Len(t, w.bus.accepted, 1)
	require.False(t, w.bus.accepted[0].at.Before(over))
	require.Greater(t, m.runs, 20)
}

// A range of many types that cannot be counted, beside one whose slice waits.
func TestRangeOutlastsThreeDays(t *testing.T) {
	w := newWorld(t)
	w.fillHours("Patient", 1, 150)
	types := []string{"Patient"}
	for i := range 30 {
		types = append(types, fmt.Sprintf("Type%c%c", 'a'+i/26, 'a'+i%26))
	}
	renewRange(w)
	begin := w.now()
	over := begin.Add(lastingWait)
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.At.Before(over) && (c.Type != "Patient" || c.Further) {
			return &cdc.Error{Op: "GET {Type}", Class: cdc.ClassForbidden, Status: 403}
		}
		return nil
	}
	m := &meter{w: w}
	m.outlast(cdc.ReplayID("again"), cdc.WorkflowCaptureRange, replayOf(types...))
	require.True(t, w.now().After(over))
	require.Greater(t, m.runs, 3, "the slice that waits did not keep it from continuing as new")
	require.Equal(t, w.store.Keys(datastore, all), w.bus.keys())
}
