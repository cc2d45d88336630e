package demo

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPipedFiguresComeEveryTenSeconds(t *testing.T) {
	var out strings.Builder
	d := newDisplay(&out)
	start := time.Now()
	for second := range 25 {
		d.figures("figures", start.Add(time.Duration(second)*time.Second))
	}
	d.say("the end")
	require.Equal(t, "figures\nfigures\nfigures\nthe end\n", out.String())
}

func TestATerminalRedrawsItsLine(t *testing.T) {
	var out strings.Builder
	d := &display{out: &out, terminal: 1 << 20}
	d.figures("one", time.Now())
	d.figures("two", time.Now())
	d.say("news")
	require.Equal(t, "one\r\x1b[Ktwo\r\x1b[Knews\n", out.String())
}

func TestNewsIsWhatChanged(t *testing.T) {
	before := figures{}
	require.Empty(t, before.news(before))
	opened := figures{written: 10, triggers: 3, windows: 2, open: 2}
	require.Len(t, opened.news(before), 2)
	published := opened
	published.published, published.open = 10, 1
	require.Len(t, published.news(opened), 2)
	more := published
	more.written, more.triggers, more.published = 20, 9, 20
	require.Empty(t, more.news(published))
	more.duplicates = 1
	require.Equal(t, []string{"1 events came twice"}, more.news(published))
}
