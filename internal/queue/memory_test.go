package queue

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"healthlake-cdc/internal/cdc"
)

func TestMemoryIsBoundedInCountAndAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(3, 5*time.Minute)
		windows := windowsBefore(5)
		for _, w := range windows[:3] {
			m.add(w, false)
		}
		require.True(t, m.has(windows[0])) // used: the second goes first now
		m.add(windows[3], false)
		require.False(t, m.has(windows[1]))
		require.True(t, m.has(windows[0]) && m.has(windows[2]) && m.has(windows[3]))

		<-time.After(5*time.Minute - 1)
		require.True(t, m.has(windows[3]))
		m.add(windows[4], false)
		<-time.After(1)
		require.False(t, m.has(windows[3]), "use does not make it younger")
		require.True(t, m.has(windows[4]))
		m.add(windows[4], false) // again: still one entry
		require.Equal(t, len(m.entries), m.recent.Len())
	})
}

func TestMemoryTakesNoWindowThatRetentionMayHaveEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(4, 5*time.Minute)
		old, young := cdc.WindowAt(store, time.Now().Add(-rememberYoung-cdc.WindowWidth)), cdc.WindowAt(store, time.Now().Add(-rememberYoung+cdc.WindowWidth))
		ahead := cdc.WindowAt(store, time.Now().Add(time.Hour))
		for _, w := range []cdc.Window{old, young, ahead} {
			m.add(w, false)
		}
		require.False(t, m.has(old))
		m.add(old, true)
		require.True(t, m.has(old), "opened just now: it is there")
		require.True(t, m.has(young))
		require.True(t, m.has(ahead))
	})
}

func TestMemoryHoldsTheMostRecent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 8).Draw(t, "most")
		m := newMemory(most, time.Hour)
		start := time.Now()
		var order []cdc.Window // most recently used last
		for _, i := range rapid.SliceOf(rapid.IntRange(0, 12)).Draw(t, "adds") {
			w := cdc.WindowAt(store, start.Add(time.Duration(i)*cdc.WindowWidth))
			m.add(w, false)
			for j, other := range order {
				if other == w {
					order = append(order[:j], order[j+1:]...)
					break
				}
			}
			order = append(order, w)
		}
		for i, w := range order {
			_, found := m.entries[w]
			require.Equal(t, i >= len(order)-most, found)
		}
		require.Equal(t, min(most, len(order)), m.recent.Len())
	})
}

func TestBackoff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 1000).Draw(t, "failures")
		full := backoffMost
		if n < 7 {
			full = min(backoffMost, time.Second<<max(n-1, 0))
		}
		got := backoff(n)
		require.GreaterOrEqual(t, got, full/2)
		require.LessOrEqual(t, got, full)
	})
}
