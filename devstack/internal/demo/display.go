package demo

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// pipedEvery is how often the figures are printed where no terminal can redraw them.
const pipedEvery = 10 * time.Second

// display prints what happens. On a terminal the figures are one line that is redrawn;
// elsewhere they are a line every ten seconds.
type display struct {
	out      io.Writer
	terminal int // file descriptor, -1 without a terminal
	colour   bool
	drawn    bool // the figures are on the current line
	printed  time.Time
}

func newDisplay(out io.Writer) *display {
	d := &display{out: out, terminal: -1}
	file, ok := out.(*os.File)
	if ok && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
		d.terminal, d.colour = int(file.Fd()), os.Getenv("NO_COLOR") == ""
	}
	return d
}

// say prints a line that stays.
func (d *display) say(format string, args ...any) {
	d.clear()
	fmt.Fprintf(d.out, format+"\n", args...)
}

// figures shows the latest figures.
func (d *display) figures(line string, now time.Time) {
	if d.terminal < 0 {
		if now.Sub(d.printed) >= pipedEvery {
			fmt.Fprintln(d.out, line)
			d.printed = now
		}
		return
	}
	d.clear()
	if width, _, err := term.GetSize(d.terminal); err == nil && width > 1 && len(line) >= width {
		line = line[:width-1] // a line that wraps cannot be redrawn
	}
	fmt.Fprint(d.out, d.paint(faint, line))
	d.drawn = true
}

// clear makes room where the figures are drawn.
func (d *display) clear() {
	if d.drawn {
		fmt.Fprint(d.out, "\r\x1b[K")
		d.drawn = false
	}
}

// A colour is a parameter of the terminal's sequence Select Graphic Rendition.
type colour int

const (
	faint colour = 2
	red   colour = 31
	green colour = 32
)

func (d *display) paint(c colour, text string) string {
	if !d.colour {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", c, text)
}
