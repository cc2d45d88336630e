package status

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// answers are what executions say of themselves, by workflow ID.
type answers map[string]cdc.Progress

func (a answers) QueryWorkflow(_ context.Context, id, _, _ string, _ ...any) (converter.EncodedValue, error) {
	p, ok := a[id]
	if !ok {
		return nil, errors.New("it does not answer")
	}
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(p)
	return client.NewValue(payloads), err
}

// A range counts a slice when it has closed. What is asked meanwhile has what the open
// slices published so far, and what they wait for.
func TestProgressOfARangeHasItsOpenSlices(t *testing.T) {
	at := noon.Add(10 * time.Second)
	bus := cdc.Progress{Counts: cdc.Counts{Published: 30, Searches: 2}, Waiting: []cdc.Wait{{Type: "Patient", Versions: 2}}}
	a := answers{
		"replay/x": {Counts: cdc.Counts{Published: 100}, Range: &cdc.RangeProgress{
			Planned: true, Total: 400, Done: 100, Slices: []string{"s1", "s2", "closed meanwhile"}, Worked: 10 * time.Second, At: at,
		}},
		"s1": bus, "s2": bus,
	}
	p, waits, err := ProgressWithSlices(t.Context(), a, "replay/x", at.Add(10*time.Second))
	require.NoError(t, err)
	require.Equal(t, 160, p.Range.Done)
	require.Equal(t, 160, p.Counts.Published)
	require.InDelta(t, 8, p.Range.Rate, 1e-9)
	require.Equal(t, 30*time.Second, p.Range.ETA)
	require.Equal(t, []cdc.Wait{{Type: "Patient", Versions: 2}}, waits, "once")

	_, _, err = ProgressWithSlices(t.Context(), a, "replay/y", at)
	require.Error(t, err)
}
