package explain

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// The histories of real runs that the workflows are replayed with.
const histories = "../../../workflows/testdata/histories"

func tracing(t *testing.T, version cdc.Version, events []*historypb.HistoryEvent, data converter.DataConverter) *trace {
	t.Helper()
	found := newTrace(version, data)
	for _, event := range events {
		require.NoError(t, found.apply(event))
	}
	return found
}

// Of every version that a recorded run published, its history tells the event's
// id, the time, the attempt and the step.
func TestTraceOfRecordedHistories(t *testing.T) {
	for _, name := range []string{
		"window-plain", "window-late-passes-collapsed", "window-extra-pass", "window-type-unavailable",
		"window-with-slices", "window-rerun", "slice-pages", "slice-paused",
	} {
		t.Run(name, func(t *testing.T) {
			events, data := temporaltest.Recorded(t, histories, name).GetEvents(), temporaltest.RecordedData(t, histories)
			isSlice := strings.HasPrefix(name, "slice")
			published := 0
			for _, event := range events {
				done := event.GetActivityTaskCompletedEventAttributes()
				scheduled := events[max(done.GetScheduledEventId(), 1)-1].GetActivityTaskScheduledEventAttributes()
				if scheduled.GetActivityType().GetName() != "Publish" {
					continue
				}
				var in cdc.PublishInput
				var result cdc.PublishResult
				require.NoError(t, data.FromPayloads(scheduled.GetInput(), &in))
				require.NoError(t, data.FromPayloads(done.GetResult(), &result))
				for i, change := range in.Changes {
					if published++; published > 20 && i > 0 {
						continue // the first of each Publish will do
					}
					found := tracing(t, change.Version, events, data)
					require.Equal(t, result.EventIDs[i], found.accepted.EventID)
					require.Equal(t, event.GetEventTime().AsTime(), found.accepted.At)
					require.Equal(t, 1, found.accepted.Attempt)
					require.Equal(t, in.Origin.CapturedBy, found.accepted.CapturedBy)
					require.Equal(t, in.Origin.Replay, found.accepted.Replay)
					require.NotEmpty(t, found.accepted.Step)
					require.Equal(t, !isSlice, strings.HasPrefix(found.accepted.Step, "pass "), found.accepted.Step)
					require.Nil(t, found.open)
				}
			}
			if name != "window-rerun" {
				require.Positive(t, published)
			}
			other := cdc.Version{Type: "Patient", ID: "none", VersionID: "1"}
			nothing := tracing(t, other, events, data)
			require.Nil(t, nothing.accepted)
			require.Equal(t, name == "window-with-slices", len(nothing.slices) > 0)
		})
	}
}

// A Publish that has not ended when the history ends is under way.
func TestTraceOfAnUnfinishedPublish(t *testing.T) {
	events, data := temporaltest.Recorded(t, histories, "window-plain").GetEvents(), temporaltest.RecordedData(t, histories)
	for i, event := range events {
		scheduled := event.GetActivityTaskScheduledEventAttributes()
		if scheduled.GetActivityType().GetName() != "Publish" {
			continue
		}
		var in cdc.PublishInput
		require.NoError(t, data.FromPayloads(scheduled.GetInput(), &in))
		found := tracing(t, in.Changes[0].Version, events[:i+1], data)
		require.Nil(t, found.accepted)
		require.NotNil(t, found.open)
		require.Equal(t, scheduled.GetActivityId(), found.open.activityID)
		return
	}
	t.Fatal("no Publish in the history")
}
