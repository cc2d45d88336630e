package explain

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"healthlake-cdc/internal/cdc"
)

// recording builds a history that the trace applies.
type recording struct {
	t     *testing.T
	trace *trace
	id    int64
}

func newRecording(t *testing.T, version cdc.Version) *recording {
	return &recording{t: t, trace: newTrace(version, converter.GetDefaultDataConverter())}
}

func (h *recording) payloads(value any) *commonpb.Payloads {
	h.t.Helper()
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(value)
	require.NoError(h.t, err)
	return payloads
}

func (h *recording) add(event *historypb.HistoryEvent) int64 {
	h.t.Helper()
	h.id++
	event.EventId, event.EventTime = h.id, timestamppb.New(begin.Add(time.Duration(h.id)*time.Second))
	require.NoError(h.t, h.trace.apply(event))
	return h.id
}

func (h *recording) publish(version cdc.Version) (scheduled int64) {
	return h.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
		ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
			ActivityType: &commonpb.ActivityType{Name: "Publish"},
			Input:        h.payloads(cdc.PublishInput{Changes: []cdc.Change{{Version: version}}}),
		},
	}})
}

func (h *recording) done(scheduled int64, accepted bool) {
	result := cdc.PublishResult{EventIDs: []string{"e"}}
	if !accepted {
		result = cdc.PublishResult{EventIDs: []string{""}, Rejected: []cdc.Rejection{{Code: "MalformedDetail"}}}
	}
	h.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{
		ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{
			ScheduledEventId: scheduled, Result: h.payloads(result),
		},
	}})
}

func (h *recording) skip(types ...string) {
	h.add(&historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes{
		WorkflowExecutionSignaledEventAttributes: &historypb.WorkflowExecutionSignaledEventAttributes{
			SignalName: cdc.SignalSkip, Input: h.payloads(cdc.Skip{Versions: types}),
		},
	}})
}

func TestTraceOfASkip(t *testing.T) {
	version := cdc.Version{Type: "Patient", ID: "p", VersionID: "1"}
	for name, c := range map[string]struct {
		recording func(h *recording)
		want      bool
	}{
		"rejected, then skipped":        {func(h *recording) { h.done(h.publish(version), false); h.skip("Claim", "Patient") }, true},
		"another type was skipped":      {func(h *recording) { h.done(h.publish(version), false); h.skip("Claim") }, false},
		"skipped while tried again":     {func(h *recording) { id := h.publish(version); h.skip("Patient"); h.done(id, false) }, true},
		"accepted while it was skipped": {func(h *recording) { id := h.publish(version); h.skip("Patient"); h.done(id, true) }, false},
		"rejected after another's skip": {func(h *recording) { h.skip("Patient"); h.done(h.publish(version), false) }, false},
		"rejected only":                 {func(h *recording) { h.done(h.publish(version), false) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newRecording(t, version)
			c.recording(h)
			require.Equal(t, c.want, h.trace.skipped)
		})
	}

	// What the run before was rejected may be skipped before it is tried again.
	earlier, later := newRecording(t, version), newRecording(t, version)
	earlier.done(earlier.publish(version), false)
	later.skip("Patient")
	later.trace.merge(earlier.trace)
	require.True(t, later.trace.skipped)
	require.False(t, later.trace.skippedAt.IsZero())
}
