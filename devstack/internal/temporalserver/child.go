package temporalserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"healthlake-cdc/devstack/internal/proc"
)

// Subcommand is the first argument by which a binary knows that it is to be a Temporal server.
const Subcommand = "temporal"

// Ready is the JSON line that RunChild prints on stdout once the server can be used.
type Ready struct {
	Ready      bool     `json:"ready"` // always true: what a reader looks for
	Address    string   `json:"address"`
	UIURL      string   `json:"uiUrl,omitempty"`
	Namespaces []string `json:"namespaces"`
	Pid        int      `json:"pid"`
}

// RunChild is the temporal subcommand: it runs a server with the options in args (see ParseArgs),
// prints one Ready line on stdout, and serves until ctx ends or SIGTERM or SIGINT comes.
func RunChild(ctx context.Context, args []string) error {
	return runChild(ctx, args, os.Stdout)
}

func runChild(ctx context.Context, args []string, stdout io.Writer) error {
	ctx, cancel := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer cancel()
	options, err := ParseArgs(args, os.Stderr)
	if err != nil {
		return err
	}
	s, err := Start(ctx, options)
	if err != nil {
		return err
	}
	ready := Ready{Ready: true, Address: s.Address(), UIURL: s.UIURL(), Namespaces: s.options.Namespaces, Pid: os.Getpid()}
	if err := json.NewEncoder(stdout).Encode(ready); err != nil {
		_ = s.Stop()
		return fmt.Errorf("telling that Temporal is ready: %w", err)
	}
	<-ctx.Done()
	return s.Stop()
}

// RunIfChild runs the server and ends the process when the binary was started with Subcommand,
// and returns otherwise. A TestMain calls it first, so that StartChild works in that test binary.
func RunIfChild() {
	if len(os.Args) < 2 || os.Args[1] != Subcommand {
		return
	}
	//nolint:forbidigo // this stands in for main, where contexts begin
	if err := RunChild(context.Background(), os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Child is a server in a process of its own, which can be killed. Restart brings it back on the
// same ports, with the same database file.
type Child struct {
	*proc.Process
	options Options // resolved
}

// StartChild starts a server as a child and returns once it can be used. Of base, Path is the
// binary to run (empty means this one: devstack, or a test binary that calls RunIfChild), and
// what is about the output and the environment is kept. ctx bounds the start only.
func StartChild(ctx context.Context, options Options, base proc.Spec) (*Child, error) {
	for attempt := 1; ; attempt++ {
		child, err := startChild(ctx, options, base)
		if err == nil || attempt == startAttempts || !strings.Contains(err.Error(), "address already in use") {
			return child, err
		}
	}
}

// startAttempts is how often a child is started that finds a port taken: ports
// that were free when they were chosen may be another process's a moment later.
const startAttempts = 3

func startChild(ctx context.Context, options Options, base proc.Spec) (*Child, error) {
	o, err := options.resolve()
	if err != nil {
		return nil, fmt.Errorf("starting Temporal: %w", err)
	}
	if base.Path == "" {
		if base.Path, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("finding this program's file: %w", err)
		}
	}
	base.Name = Subcommand
	base.Args = append([]string{Subcommand}, o.Args()...)
	base.Ready = func(ctx context.Context, p *proc.Process) error {
		_, err := p.WaitLine(ctx, isReady)
		return err
	}
	process, err := proc.Start(ctx, base)
	if err != nil {
		return nil, err
	}
	return &Child{Process: process, options: o}, nil
}

func isReady(line string) bool {
	var ready Ready
	return json.Unmarshal([]byte(line), &ready) == nil && ready.Ready
}

// Address is the frontend's "ip:port", for TEMPORAL_ADDRESS.
func (c *Child) Address() string { return c.options.Address }

// UIURL is the Web UI's base URL without a slash at its end, or empty without the UI.
func (c *Child) UIURL() string { return uiURL(c.options.UIAddress) }
