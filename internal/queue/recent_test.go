package queue

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"healthlake-cdc/internal/cdc"
)

func TestRecentWindowsAreBoundedInCountAndAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecentWindows(3)
		windows := windowsBefore(5)
		for _, w := range windows[:3] {
			r.add(w, false)
		}
		require.True(t, r.has(windows[0]) && r.has(windows[1]) && r.has(windows[2]))
		require.False(t, r.has(windows[3]))
		r.add(windows[3], false) // one too many
		require.Len(t, r.until, 1)
		require.True(t, r.has(windows[3]))

		<-time.After(recentFor - 1)
		require.True(t, r.has(windows[3]))
		r.add(windows[4], false)
		r.add(windows[0], false)
		<-time.After(1)
		require.False(t, r.has(windows[3]), "use does not make it younger")
		r.add(windows[1], false) // in the place of the expired one
		require.True(t, r.has(windows[0]) && r.has(windows[1]) && r.has(windows[4]))
	})
}

func TestNoWindowThatRetentionMayHaveEndedIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecentWindows(4)
		old, young := cdc.WindowAt(store, time.Now().Add(-recentAge-cdc.WindowWidth)), cdc.WindowAt(store, time.Now().Add(-recentAge+cdc.WindowWidth))
		ahead := cdc.WindowAt(store, time.Now().Add(time.Hour))
		for _, w := range []cdc.Window{old, young, ahead} {
			r.add(w, false)
		}
		require.False(t, r.has(old))
		r.add(old, true)
		require.True(t, r.has(old), "opened just now: it is there")
		require.True(t, r.has(young))
		require.True(t, r.has(ahead))
	})
}

func TestBackoff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 1000).Draw(t, "failures")
		full := cdc.Backoff(n, time.Second, maxBackoff)
		got := backoff(n)
		require.GreaterOrEqual(t, got, full/2)
		require.LessOrEqual(t, got, full)
	})
}
