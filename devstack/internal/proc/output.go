package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

const (
	// maxTailLines bounds the output in the error of a process that failed to start.
	maxTailLines = 5
	// maxKeptLines bounds what WaitLine can find; programs report early that they are ready.
	maxKeptLines = 256
	// maxLine bounds a line, in bytes.
	maxLine = 1 << 20
)

// output distributes the lines of a process's stdout and stderr.
type output struct {
	prefix string
	file   *os.File
	sink   io.Writer

	mu      sync.Mutex
	kept    []string // the last maxKeptLines lines, without prefix
	dropped int      // lines that are no longer kept
	more    chan struct{}
	closed  bool
}

func newOutput(spec Spec) (*output, error) {
	o := &output{prefix: spec.Prefix, sink: spec.Output, more: make(chan struct{})}
	if spec.LogFile != "" {
		f, err := os.OpenFile(spec.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("opening the log file: %w", err)
		}
		o.file = f
	}
	return o, nil
}

func (o *output) line(line []byte) {
	text := string(bytes.TrimSuffix(line, []byte("\r")))
	full := []byte(o.prefix + text + "\n")

	o.mu.Lock()
	defer o.mu.Unlock()
	// A child must not block because a terminal or a disk does not accept its output.
	if o.file != nil {
		_, _ = o.file.Write(full)
	}
	if o.sink != nil {
		_, _ = o.sink.Write(full)
	}
	if len(o.kept) == maxKeptLines {
		o.kept = append(o.kept[:0], o.kept[1:]...)
		o.dropped++
	}
	o.kept = append(o.kept, text)
	close(o.more)
	o.more = make(chan struct{})
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	close(o.more)
	o.more = make(chan struct{})
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}

// after returns the kept lines from number next on, the number after them, a channel that is
// closed when there are more, and whether there will be none.
func (o *output) after(next int) ([]string, int, <-chan struct{}, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	from := max(0, next-o.dropped)
	lines := append([]string(nil), o.kept[from:]...)
	return lines, o.dropped + len(o.kept), o.more, o.closed
}

// tail is the end of the output as the end of an error message, or nothing.
func (o *output) tail() string {
	lines, _, _, _ := o.after(0)
	if len(lines) == 0 {
		return ""
	}
	return ", output: " + strings.Join(lines[max(0, len(lines)-maxTailLines):], " | ")
}

var errNoMoreOutput = errors.New("it ended without the expected line")

// WaitLine returns the first line, of stdout or stderr, that match accepts, among the last lines
// of the current run and those to come. It fails when the process ends without one or ctx ends.
func (p *Process) WaitLine(ctx context.Context, match func(line string) bool) (string, error) {
	out := p.current().output
	next := 0
	for {
		lines, n, more, closed := out.after(next)
		for _, line := range lines {
			if match(line) {
				return line, nil
			}
		}
		if closed {
			return "", errNoMoreOutput
		}
		next = n
		select {
		case <-more:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// stream cuts what is written to it into lines.
type stream struct {
	out     *output
	pending []byte
}

func (o *output) stream() *stream { return &stream{out: o} }

func (s *stream) Write(p []byte) (int, error) {
	s.pending = append(s.pending, p...)
	for {
		line, rest, found := bytes.Cut(s.pending, []byte("\n"))
		if !found {
			break
		}
		s.out.line(line)
		s.pending = rest
	}
	if len(s.pending) > maxLine {
		s.flush()
	}
	return len(p), nil
}

// flush passes on a last line without an end.
func (s *stream) flush() {
	if len(s.pending) > 0 {
		s.out.line(s.pending)
		s.pending = nil
	}
}
