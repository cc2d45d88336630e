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
	"healthlake-cdc/internal/config"
)

// Launcher starts our workflows. The workflow ID is the dedup: starting an ID that
// exists, open or closed, changes nothing.
type Launcher struct {
	Connection *Connection
	Settings   *config.Config
	// Types are the resource types to search, by datastore.
	Types map[string][]string
	// Horizon is how far back audits can compare.
	Horizon time.Duration
	// Audited is set when audits are on: see cdc.CaptureWindowInput.
	Audited bool
	Logger  *slog.Logger

	// attributesRejected is set once a start with our search attributes was rejected.
	attributesRejected atomic.Bool
}

// execution is one to start.
type execution struct {
	id, workflow     string
	summary, details string
	// again lets an ID be used again once its execution has closed.
	again bool
	// datastore and windowStart become search attributes, where they are set.
	datastore   string
	windowStart time.Time
	// input makes the input; attributes is set when search attributes are registered.
	input func(attributes bool) any
}

// start starts an execution. started is false when there is one of that ID, which is
// what was wanted.
//
// A namespace that does not know our search attributes rejects the start. That is
// never the message's fault: from then on this process goes on without.
func (l *Launcher) start(ctx context.Context, e execution) (started bool, err error) {
	attributes := l.Connection.Attributes && !l.attributesRejected.Load()
	_, err = l.Connection.Client.ExecuteWorkflow(ctx, l.options(e, attributes), e.workflow, e.input(attributes))
	var invalid *serviceerror.InvalidArgument
	switch {
	case err == nil:
		return true, nil
	case temporal.IsWorkflowExecutionAlreadyStartedError(err):
		return false, nil
	case attributes && errors.As(err, &invalid):
		l.attributesRejected.Store(true)
		l.Logger.Error("Temporal rejected a start with search attributes; going on without them: register them with `worker --check`'s commands and restart",
			"error", err)
		return l.start(ctx, e)
	default:
		return false, fmt.Errorf("starting %s: %w", e.id, err)
	}
}

// options never let an ID run twice, but for what may run again once it has closed.
func (l *Launcher) options(e execution, attributes bool) client.StartWorkflowOptions {
	options := client.StartWorkflowOptions{
		ID: e.id, TaskQueue: l.Settings.TaskQueue, StaticSummary: e.summary, StaticDetails: e.details,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}
	if e.again {
		options.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	}
	if !attributes {
		return options
	}
	updates := []temporal.SearchAttributeUpdate{cdc.AttrState.ValueSet(cdc.StateOpen)}
	if e.datastore != "" {
		updates = append(updates, cdc.AttrDatastore.ValueSet(e.datastore))
	}
	if !e.windowStart.IsZero() {
		updates = append(updates, cdc.AttrWindowStart.ValueSet(e.windowStart))
	}
	options.TypedSearchAttributes = temporal.NewSearchAttributes(updates...)
	return options
}

// types are the configured ones of a datastore.
func (l *Launcher) types(datastore string) ([]string, error) {
	types := l.Types[datastore]
	if len(types) == 0 {
		return nil, fmt.Errorf("datastore %s is not configured: see CDC_DATASTORES", datastore)
	}
	return types, nil
}

// AllTypes are the resource types of all datastores, in alphabetical order.
func (l *Launcher) AllTypes() []string {
	var all []string
	for _, types := range l.Types {
		all = append(all, types...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// newSalt is the salt of a ledger that may begin.
func newSalt() (salt cdc.Salt) {
	_, _ = rand.Read(salt[:]) // it ends the program when the system has no randomness to give
	return salt
}

// period writes a time range into a summary.
func period(span cdc.Span) string {
	return fmt.Sprintf("from %s to %s", span.From.UTC().Format(time.DateTime), span.To.UTC().Format(time.DateTime))
}
