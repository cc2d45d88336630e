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

// stdinName stands for standard input where a command takes the names of resources:
// a resource's id is patient data, and command lines can be read in the list of
// processes and in the shell's history.
const stdinName = "-"

// whyStdin is said in the help of what takes resources.
const whyStdin = `A resource's id is patient data, and arguments can be read by others: in the list of
processes, and in the shell's history.`

// resourceNames are the names that args give, with what standard input has in the
// place of "-": one or more on a line, separated by spaces or commas.
func (s *session) resourceNames(ctx context.Context, in io.Reader, args []string, most int) ([]string, error) {
	var names []string
	read := false
	for _, arg := range args {
		if arg != stdinName {
			names = append(names, arg)
			continue
		}
		if read {
			return nil, errors.New("- stands for standard input, which can be read once only")
		}
		read = true
		if file, ok := in.(*os.File); ok && isTerminal(file) {
			fmt.Fprintln(s.progress, "Resources, as Patient/123, one on a line; end with Ctrl-D:")
		}
		more, err := interruptible(ctx, func() ([]string, error) { return readNames(in, most) })
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	if len(names) > most {
		return nil, fmt.Errorf("more than %d resources are named", most)
	}
	return names, nil
}

func readNames(in io.Reader, most int) ([]string, error) {
	var names []string
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		separator := func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\r' || r == '\ufeff' }
		names = append(names, strings.FieldsFunc(lines.Text(), separator)...)
		if len(names) > most {
			return nil, fmt.Errorf("standard input names more than %d resources", most)
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

// interruptible lets Ctrl-C end a read of standard input, which no context ends.
func interruptible[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	got := make(chan answer, 1)
	go func() {
		value, err := read()
		got <- answer{value, err}
	}()
	select {
	case a := <-got:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, errInterrupted
	}
}

// errInterrupted is the error of a command that was told to stop while it waited
// for its user.
var errInterrupted = errors.New("interrupted: nothing was done")
