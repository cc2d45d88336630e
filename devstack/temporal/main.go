// Temporal is the Temporal server of the development stack, with its Web UI, in a
// program of its own: devstack builds it, runs it as a child, and makes the
// namespaces. It has no accounts and no TLS, so every address is to be on loopback.
//
// It is a module of its own, outside of go.work: the server does not compile against
// every version of Temporal's API that the SDK of the other modules needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// readyLine is printed on stdout once the server runs and the UI is starting.
const readyLine = "Temporal is ready"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "temporal:", err)
		os.Exit(1)
	}
}

// run serves until ctx or stdin ends. The end of stdin is the end of the process that
// holds the other end, however that went.
func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	settings, err := parseSettings(args, os.Stderr)
	if err != nil {
		return err
	}
	s, err := start(settings)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, readyLine); err != nil {
		return errors.Join(fmt.Errorf("printing that Temporal is ready: %w", err), s.stop())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, stdin) // an error ends it as well
	}()
	<-ctx.Done()
	return s.stop()
}
