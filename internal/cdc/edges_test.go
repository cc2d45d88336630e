package cdc

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEdgesSurviveJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOf(rapid.Uint32()).Draw(t, "windows")
		edges := make(Edges, len(numbers))
		for i, n := range numbers {
			edges[i] = time.Unix(int64(n)*10, 0).UTC()
		}
		data, err := json.Marshal(edges)
		require.NoError(t, err)
		var back Edges
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, edges, back)
	})
}

func TestEdgesRefuseWhatIsNone(t *testing.T) {
	_, err := json.Marshal(Edges{time.Unix(13, 0)})
	require.ErrorContains(t, err, "no window's edge")
	for _, text := range []string{`7`, `"?"`, `"AAA="`} {
		var back Edges
		require.Error(t, json.Unmarshal([]byte(text), &back), text)
	}
}

func TestHalvesMeetOnAnEdge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := time.Unix(rapid.Int64Range(0, 1<<31).Draw(t, "from"), 0).UTC()
		span := Span{From: from, To: from.Add(time.Duration(rapid.Int64Range(1, 1<<20).Draw(t, "seconds")) * time.Second)}
		early, late, ok := span.Halves()
		if !ok {
			require.LessOrEqual(t, span.To.Sub(span.From), 3*WindowWidth)
			return
		}
		joined := Span{From: early.From, To: late.To}
		require.Equal(t, span, joined)
		require.Equal(t, early.To, late.From)
		require.NoError(t, WindowAt("d", late.From).Validate())
		require.Equal(t, late.From, WindowAt("d", late.From).Start)
	})
}
