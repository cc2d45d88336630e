package cdc

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Seconds of the years 0001 and 9999: what RFC 3339 can say.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

// times draws any moment of the years 1 to 9999, in any zone, near an edge of a
// window as often as not.
func times() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		seconds := rapid.Int64Range(firstSecond+3600, lastSecond-3600).Draw(t, "seconds")
		nanos := rapid.Int64Range(0, 999_999_999).Draw(t, "nanos")
		if rapid.Bool().Draw(t, "near an edge") {
			seconds -= seconds % 10
			nanos = rapid.Int64Range(-2, 2).Draw(t, "off by")
		}
		zone := time.FixedZone("", rapid.IntRange(-50_000, 50_000).Draw(t, "zone"))
		return time.Unix(seconds, nanos).In(zone)
	})
}

func datastores() *rapid.Generator[string] { return rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`) }

func TestEveryTimeLiesInExactlyOneWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := times().Draw(t, "at")
		w := WindowAt(datastores().Draw(t, "datastore"), at)
		require.NoError(t, w.Validate())
		require.Zero(t, w.Start.Unix()%10)
		require.Zero(t, w.Start.Nanosecond())
		require.Equal(t, time.UTC, w.Start.Location())
		require.True(t, w.Contains(at))
		require.True(t, w.Span().Contains(at))
		before := Window{Datastore: w.Datastore, Start: w.Start.Add(-WindowWidth)}
		after := Window{Datastore: w.Datastore, Start: w.End()}
		require.False(t, before.Contains(at))
		require.False(t, after.Contains(at))
		require.Equal(t, after, WindowAt(w.Datastore, w.End()), "windows leave no gap")
		require.Equal(t, w, WindowAt(w.Datastore, w.Start))
		require.Equal(t, before, WindowAt(w.Datastore, w.Start.Add(-1)))
	})
}

func TestWindowBefore1970(t *testing.T) {
	w := WindowAt("ds", time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC))
	require.Equal(t, time.Date(1969, 12, 31, 23, 59, 50, 0, time.UTC), w.Start)
	require.Equal(t, time.Unix(0, 0).UTC(), w.End())
}

func TestWindowJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := WindowAt(datastores().Draw(t, "datastore"), times().Draw(t, "at"))
		text, err := json.Marshal(w)
		require.NoError(t, err)
		var back Window
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, w, back)
	})
}

func TestWindowValidate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := WindowAt("ds", times().Draw(t, "at"))
		w.Start = w.Start.Add(time.Duration(rapid.Int64Range(1, int64(WindowWidth)-1).Draw(t, "off")))
		require.Error(t, w.Validate(), "a start off the edge")
	})
	for _, datastore := range []string{"", "a/b", "a b", "ä", "a\n", string(make([]byte, 65))} {
		require.Error(t, WindowAt(datastore, time.Unix(0, 0)).Validate(), "%q", datastore)
	}
}

func TestWindowsTouchingCoverAndAreMinimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := times().Draw(t, "from")
		length := time.Duration(rapid.Int64Range(1, int64(5*time.Minute)).Draw(t, "length"))
		to := from.Add(length)
		windows := WindowsTouching("ds", from, to)
		require.NotEmpty(t, windows)
		for i, w := range windows {
			require.NoError(t, w.Validate())
			require.True(t, w.Start.Before(to) && w.End().After(from), "window %d shares no moment with the span", i)
			if i > 0 {
				require.Equal(t, windows[i-1].End(), w.Start, "oldest first, without gap")
			}
		}
		require.True(t, windows[0].Contains(from))
		require.True(t, windows[len(windows)-1].Contains(to.Add(-1)))

		widened := Span{From: from, To: to}.Widened()
		require.Equal(t, Span{From: windows[0].Start, To: windows[len(windows)-1].End()}, widened)
		require.Equal(t, widened, widened.Widened())
	})
}

func TestWindowsTouchingNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := times().Draw(t, "from")
		back := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "back"))
		require.Empty(t, WindowsTouching("ds", from, from.Add(-back)))
	})
}

func TestSpanIsHalfOpen(t *testing.T) {
	at := time.Unix(100, 0)
	span := Span{From: at, To: at.Add(time.Second)}
	require.True(t, span.Contains(at))
	require.False(t, span.Contains(at.Add(time.Second)))
	require.False(t, span.Contains(at.Add(-1)))
}
