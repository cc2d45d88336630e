// Package activities holds the durable steps of the workflows: Hydrate and
// HydratePage ask the datastore, Publish puts changes on the bus, Ledger reads
// what an earlier run has published, Count sizes a span.
//
// An activity's input and result pass through the payload codec; its ID, its
// type and the type of its error do not, and never say anything of a patient.
package activities

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"
	sdktemporal "go.temporal.io/sdk/temporal"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/ledger"
	"healthlake-cdc/internal/temporal"
)

// Store is what the activities ask of a datastore. Its errors are *cdc.Error.
type Store interface {
	Search(ctx context.Context, request cdc.SearchRequest) (cdc.Page, error)
	Next(ctx context.Context, datastore, resourceType, next string) (cdc.Page, error)
	Count(ctx context.Context, datastore, resourceType string, span cdc.Span) (int, error)
	Read(ctx context.Context, datastore, resourceType, id string) (cdc.Resource, error)
	VRead(ctx context.Context, datastore, resourceType, id, version string) (cdc.Resource, error)
	History(ctx context.Context, datastore, resourceType, id, next string) (cdc.Page, error)
}

// Bus takes events. accepted holds, for each event, the id that EventBridge
// gave it in an earlier attempt, or nothing; progress is called with it after
// each call that had something accepted. Its errors are *cdc.Error.
type Bus interface {
	Publish(ctx context.Context, events []cdc.Event, accepted []string, progress func(accepted []string)) (cdc.PublishResult, error)
}

// Observer is told what the activities did, for metrics.
type Observer interface {
	// Published is told of every version put on the bus: its body's size, its
	// meta.lastUpdated, and when EventBridge had accepted it.
	Published(datastore, resourceType, payload string, bytes int, lastUpdated, acceptedAt time.Time)
	// Invalid is told of entries of a search that were no valid resource.
	Invalid(datastore, resourceType string, entries int)
	// Audited is told of every statement put on the bus.
	Audited(datastore string, s cdc.Statement)
}

// Windows starts the n-th run of a window, 0 for its first. started is false when
// there is such a run already, open or closed.
type Windows interface {
	Run(ctx context.Context, window cdc.Window, n int, run cdc.WindowRun) (started bool, err error)
}

// Activities holds what the durable steps need. Its methods are the activities.
type Activities struct {
	Store Store
	Bus   Bus
	// OtherBus is the bus of a name or an ARN, for replays to another bus.
	OtherBus func(name string) Bus
	// Executions reads what earlier executions did.
	Executions temporal.Executions
	// Heartbeats takes those of Publish.
	Heartbeats Heartbeats
	Limits     *Limits
	Observer   Observer
	Logger     *slog.Logger
	// Format names the events.
	Format cdc.EventFormat
	// MaxEventBytes is CDC_MAX_EVENT_BYTES: a change whose event would be larger
	// goes as a reference.
	MaxEventBytes int
	// References is CDC_EVENT_PAYLOAD=reference: no body is read at all.
	References bool
	// Windows starts the windows that an audit runs.
	Windows Windows

	deletes deleteResults
}

// applicationError turns an error of the store or the bus into Temporal's: its
// class is the type, only invalid input is never retried, and a Retry-After
// sets the next delay where it is the longer one; details are for the workflow. It must be the outermost error an activity returns, or
// Temporal does not see whether to retry.
func applicationError(ctx context.Context, err error, details ...any) error {
	if err == nil {
		return nil
	}
	var known *cdc.Error
	if !errors.As(err, &known) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			known = &cdc.Error{Op: "activity", Class: cdc.ClassInterrupted}
		} else {
			return err
		}
	}
	return sdktemporal.NewApplicationErrorWithOptions(known.Error(), string(known.Class), sdktemporal.ApplicationErrorOptions{
		NonRetryable:   known.Class == cdc.ClassInvalidInput,
		NextRetryDelay: nextDelay(ctx, known.RetryAfter),
		Details:        details,
	})
}

// nextDelay is the delay that an error asks for, where it is longer than the one
// that the retry policy gives (workflows/policies.go: 1 s, doubled up to 15
// minutes): a store that is down for a day and always asks for 3 s is not tried
// every 3 s by each window. Zero leaves the delay to the policy.
func nextDelay(ctx context.Context, asked time.Duration) time.Duration {
	if !activity.IsActivity(ctx) {
		return asked
	}
	doublings := min(activity.GetInfo(ctx).Attempt-1, 10)
	if asked <= min(time.Second<<doublings, 15*time.Minute) {
		return 0
	}
	return asked
}

// Ledger reads what a closed window's run, or a closed slice, has published. One that is
// still open is an error, retried until it has closed; so is one that cannot be read.
func (a *Activities) Ledger(ctx context.Context, in cdc.LedgerInput) (cdc.Ledger, error) {
	read, err := a.ledgers().Closed(ctx, in.WorkflowID)
	return read, applicationError(ctx, err)
}

func (a *Activities) ledgers() ledger.Reader { return ledger.Reader{Executions: a.Executions} }

func invalidInput(ctx context.Context, what string) error {
	return applicationError(ctx, &cdc.Error{Op: "activity input", Class: cdc.ClassInvalidInput, Advice: what})
}
