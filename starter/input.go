package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// stdinName stands for standard input: see whyStdin.
const stdinName = "-"

// whyStdin is part of the help of commands that take resources.
const whyStdin = `A resource's id is patient data, and others can read arguments: in the list of
processes and in the shell's history.`

// resourceNames returns args, with what standard input has in the place of "-": one or
// more names on a line, separated by spaces or commas.
func (s *session) resourceNames(ctx context.Context, in io.Reader, args []string, limit int) ([]string, error) {
	var names []string
	read := false
	for _, arg := range args {
		if arg != stdinName {
			names = append(names, arg)
			continue
		}
		if read {
			return nil, errors.New("- stands for standard input, which can be read only once")
		}
		read = true
		if isTerminal(in) {
			fmt.Fprintln(s.progress, "Resources, as Patient/123, one per line; end with Ctrl-D:")
		}
		more, err := interruptible(ctx, func() ([]string, error) { return readNames(in, limit) })
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	if len(names) > limit {
		return nil, fmt.Errorf("more than %d resources are named", limit)
	}
	return names, nil
}

func readNames(in io.Reader, limit int) ([]string, error) {
	var names []string
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		separator := func(r rune) bool { return strings.ContainsRune(", \t\r\ufeff", r) }
		names = append(names, strings.FieldsFunc(lines.Text(), separator)...)
		if len(names) > limit {
			return nil, fmt.Errorf("standard input names more than %d resources", limit)
		}
	}
	if lines.Err() != nil { // an error of the scanner may quote what it read
		return nil, errors.New("standard input cannot be read as lines of names")
	}
	if len(names) == 0 {
		return nil, errors.New("standard input names no resource")
	}
	return names, nil
}

// errInterrupted is the error of a command that was stopped before it did anything.
var errInterrupted = errors.New("interrupted: nothing was done")

// interruptible lets Ctrl-C end a read of standard input, which no context ends.
func interruptible[T any](ctx context.Context, read func() (T, error)) (value T, err error) {
	done := make(chan struct{})
	var got T
	var failed error
	go func() {
		got, failed = read()
		close(done)
	}()
	select {
	case <-done:
		return got, failed
	case <-ctx.Done():
		return value, errInterrupted
	}
}

// isTerminal reports whether a stream is a terminal. A program that is run without an
// input has the null device, which is a character device too.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
