// Package launch starts our workflows: windows, their reruns, deletes and
// ranges. The workflow ID is the dedup: whoever starts an ID that exists, open
// or closed, joins it.
package temporal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"healthlake-cdc/internal/cdc"
)

// Launcher starts workflows under the process's settings.
type Launcher struct {
	client client.Client
	config LauncherConfig
	// attributes tells whether our search attributes are registered.
	attributes atomic.Bool
}

// LauncherConfig is what shapes a window, and where it runs.
type LauncherConfig struct {
	TaskQueue string
	// Types are the resource types to sweep, by datastore.
	Types  map[string][]string
	Passes []time.Duration
	// Versions is CDC_VERSIONS, and Imports CDC_IMPORTS: for the audits of imports.
	Versions, Imports string
	// Horizon is how far back ledgers are relied on, for audits that are asked for.
	Horizon time.Duration
	// Audited is set when audits are on: see cdc.CaptureWindowInput.
	Audited bool
	// Attributes tells whether our search attributes are registered.
	Attributes bool
	Logger     *slog.Logger
}

// NewLauncher returns a Launcher.
func NewLauncher(c client.Client, config LauncherConfig) *Launcher {
	l := &Launcher{client: c, config: config}
	l.attributes.Store(config.Attributes)
	return l
}

// OpenWindow starts the window's first run. opened is false when it existed
// already, open or closed.
func (l *Launcher) OpenWindow(ctx context.Context, window cdc.Window, cause cdc.Cause) (opened bool, err error) {
	return l.startWindow(ctx, window, 0, cause)
}

func (l *Launcher) startWindow(ctx context.Context, window cdc.Window, rerun int, cause cdc.Cause) (bool, error) {
	return l.Run(ctx, window, rerun, cdc.WindowRun{Cause: cause})
}

// types are the configured ones of a datastore.
func (l *Launcher) types(datastore string) ([]string, error) {
	types := l.config.Types[datastore]
	if len(types) == 0 {
		return nil, fmt.Errorf("datastore %s is not configured: see CDC_DATASTORES", datastore)
	}
	return types, nil
}

// start starts one execution. Reuse is refused, unless build says otherwise, and so
// is conflict, and a refusal is no error: the execution exists, which is what was
// wanted.
//
// A namespace that does not know our search attributes refuses the start. That
// is never the message's fault: from then on this process goes on without.
func (l *Launcher) start(ctx context.Context, build func(attributes bool) (client.StartWorkflowOptions, string, any)) (bool, error) {
	attributes := l.attributes.Load()
	options, workflow, input := build(attributes)
	options.TaskQueue = l.config.TaskQueue
	if options.WorkflowIDReusePolicy == enumspb.WORKFLOW_ID_REUSE_POLICY_UNSPECIFIED {
		options.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
	}
	options.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL
	options.WorkflowExecutionErrorWhenAlreadyStarted = true

	_, err := l.client.ExecuteWorkflow(ctx, options, workflow, input)
	var invalid *serviceerror.InvalidArgument
	switch {
	case err == nil:
		return true, nil
	case temporal.IsWorkflowExecutionAlreadyStartedError(err):
		return false, nil
	case attributes && errors.As(err, &invalid):
		l.attributes.Store(false)
		l.config.Logger.Error("Temporal refused a start with search attributes; going on without them: register them with `worker --check`'s commands and restart",
			"error", err)
		return l.start(ctx, build)
	default:
		return false, fmt.Errorf("starting %s: %w", options.ID, err)
	}
}

// newSalt is the salt of a ledger that may begin.
func newSalt() (salt cdc.Salt) {
	_, _ = rand.Read(salt[:]) // it ends the program when the system has no randomness to give
	return salt
}

// AllTypes are the resource types of all datastores, in alphabetical order.
func (l *Launcher) AllTypes() []string {
	var all []string
	for _, types := range l.config.Types {
		all = append(all, types...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
