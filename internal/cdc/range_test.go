package cdc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRangeProgressRateAndETA(t *testing.T) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := RangePlan{Started: began, Planned: true, PausedFor: 50 * time.Second, CaptureRangeResult: CaptureRangeResult{Total: 1000, Done: 250}}
	at := began.Add(100 * time.Second)
	got := p.Progress(at, []string{"a", "b"})
	require.Equal(t, RangeProgress{
		Planned: true, Total: 1000, Done: 250, Slices: []string{"a", "b"},
		Worked: 50 * time.Second, At: at, Rate: 5, ETA: 150 * time.Second,
	}, got)
	require.Equal(t, "250 of 1000 versions (25 %), 5/s, about 2m30s to go", got.Text())

	p.Paused, p.PausedAt = true, began.Add(100*time.Second)
	later := p.Progress(began.Add(time.Hour), nil)
	require.InDelta(t, 5, later.Rate, 1e-9, "a pause is not counted")
	require.Equal(t, "250 of 1000 versions (25 %), 5/s, paused", later.Text())

	atStart := RangePlan{Started: began}.Progress(began, nil)
	require.Equal(t, "counting", atStart.Text())
	require.Zero(t, atStart.Rate)
	require.Equal(t, "0 of 0 versions (100 %)", RangePlan{Started: began, Planned: true}.Progress(began, nil).Text())
}

// What open slices have done counts, up to the moment of the question.
func TestRangeProgressWithOpenSlices(t *testing.T) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	plan := RangePlan{Started: began, Planned: true, CaptureRangeResult: CaptureRangeResult{Total: 1000}}
	p := plan.Progress(began.Add(10*time.Second), []string{"a"})
	p.Add(250, began.Add(50*time.Second))
	require.Equal(t, "250 of 1000 versions (25 %), 5/s, about 2m30s to go", p.Text())
	p.Add(2000, began.Add(40*time.Second))
	require.Equal(t, 1000, p.Done, "the store has more than were counted")
	require.Equal(t, 50*time.Second, p.Worked, "a clock that is behind takes nothing back")

	plan.Paused, plan.PausedAt = true, began.Add(10*time.Second)
	paused := plan.Progress(began.Add(10*time.Second), []string{"a"})
	paused.Add(100, began.Add(time.Hour))
	require.InDelta(t, 10, paused.Rate, 1e-9, "a pause is not counted")
	var counting RangeProgress
	counting.Add(0, began)
	require.Equal(t, "counting", counting.Text())
}

func TestIDsOfAType(t *testing.T) {
	named := []ResourceID{{"Patient", "b"}, {"Claim", "c"}, {"Patient", "a"}, {"Patient", "b"}}
	require.Equal(t, []string{"a", "b"}, IDsOf(named, "Patient"))
	require.Empty(t, IDsOf(named, "Goal"))
}
