package cdc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRangeProgressTellsRateAndWhatIsLeft(t *testing.T) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := RangePlan{Started: began, Planned: true, Total: 1000, Done: 250, Held: 50 * time.Second}
	got := p.Progress(began.Add(100*time.Second), 3)
	require.Equal(t, RangeProgress{Planned: true, Total: 1000, Done: 250, Open: 3, Rate: 5, Left: 150 * time.Second}, got)
	require.Equal(t, "250 of 1000 versions (25 %), 5/s, 2m30s left", got.Text())

	p.Paused, p.HeldFrom = true, began.Add(100*time.Second)
	later := p.Progress(began.Add(time.Hour), 3)
	require.InDelta(t, 5, later.Rate, 1e-9, "a pause is not counted")
	require.Equal(t, "250 of 1000 versions (25 %), 5/s, paused", later.Text())

	begun := RangePlan{Started: began}.Progress(began, 0)
	require.Equal(t, "counting", begun.Text())
	require.Zero(t, begun.Rate)
	require.Equal(t, "0 of 0 versions (100 %)", RangePlan{Started: began, Planned: true}.Progress(began, 0).Text())
}

func TestIDsOfAType(t *testing.T) {
	named := []ResourceID{{"Patient", "b"}, {"Claim", "c"}, {"Patient", "a"}, {"Patient", "b"}}
	require.Equal(t, []string{"a", "b"}, IDsOf(named, "Patient"))
	require.Empty(t, IDsOf(named, "Goal"))
}
