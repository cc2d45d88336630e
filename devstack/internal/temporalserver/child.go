package temporalserver

import (
	"context"
	"fmt"
	"strings"

	"healthlake-cdc/devstack/internal/proc"
)

const (
	// program is the server's package, in a module of its own.
	program = "healthlake-cdc/devstack/temporal"
	// readyLine is what it prints once clients can come.
	readyLine = "Temporal is ready"
	// maxStartAttempts bounds the starts of a child that finds a port in use: another process
	// may get a port after it was chosen.
	maxStartAttempts = 3
)

// Child is a server in a process of its own, which can be killed. Restart brings it back on the
// same ports, with the same database file.
type Child struct {
	*proc.Process
	options Options // resolved
}

// StartChild builds the server's program, starts it as a child, and returns once its namespaces
// and the UI can be used. base gives its output and environment. ctx bounds the start only. The
// child ends with this process.
func StartChild(ctx context.Context, options Options, base proc.Spec) (*Child, error) {
	path, err := proc.Program(ctx, program)
	if err != nil {
		return nil, err
	}
	base.Name, base.Path, base.EndsWithParent = "temporal", path, true
	for attempt := 1; ; attempt++ {
		child, err := startChild(ctx, options, base)
		if err == nil || attempt == maxStartAttempts || !strings.Contains(err.Error(), "address already in use") {
			return child, err
		}
	}
}

func startChild(ctx context.Context, options Options, base proc.Spec) (*Child, error) {
	o, err := options.resolve()
	if err != nil {
		return nil, fmt.Errorf("starting Temporal: %w", err)
	}
	if base.Args, err = o.args(); err != nil {
		return nil, fmt.Errorf("starting Temporal: %w", err)
	}
	base.Ready = o.ready
	process, err := proc.Start(ctx, base)
	if err != nil {
		return nil, err
	}
	return &Child{Process: process, options: o}, nil
}

// ready waits until clients can connect, then creates the namespaces. It waits for the child's line
// first: until then, another server may listen at the address, which the child is about to report.
func (o Options) ready(ctx context.Context, p *proc.Process) error {
	if _, err := p.WaitLine(ctx, func(line string) bool { return line == readyLine }); err != nil {
		return err
	}
	for _, namespace := range o.Namespaces {
		if err := EnsureNamespace(ctx, o.Address, namespace, o.Retention); err != nil {
			return err
		}
	}
	if o.UIAddress == "" {
		return nil
	}
	return proc.HTTPReady(uiURL(o.UIAddress)+"/healthz")(ctx, p)
}

// Address is the frontend's "ip:port", for TEMPORAL_ADDRESS.
func (c *Child) Address() string { return c.options.Address }

// UIURL is the Web UI's base URL without a slash at its end, or empty without the UI.
func (c *Child) UIURL() string { return uiURL(c.options.UIAddress) }

func uiURL(address string) string {
	if address == "" {
		return ""
	}
	return "http://" + address
}
