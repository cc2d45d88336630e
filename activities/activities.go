// Package activities holds the durable steps of the workflows. Those of audits are in
// activities/audit.
//
// An activity's input and result pass through the payload codec; its ID, its
// type and the type of its error do not, and never say anything of a patient.
package activities

import (
	"context"
	"time"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/ledger"
)

// Bus publishes events. accepted holds, for each event, the id that EventBridge gave it
// in an earlier attempt, or nothing; progress is called with it as it grows. Its errors
// are *cdc.Error.
type Bus interface {
	Publish(ctx context.Context, batch cdc.Batch, accepted []string, progress func(accepted []string)) (cdc.PublishResult, error)
}

// Observer counts what the activities did, for metrics.
type Observer interface {
	// Published is called for every version put on the bus.
	Published(datastore, resourceType, payload string, bytes int, lastUpdated, acceptedAt time.Time)
	// Invalid is called with the number of entries of a page that were no readable
	// version.
	Invalid(datastore, resourceType string, entries int)
	Audited(s cdc.Statement)
}

// Activities has the activities as its methods.
type Activities struct {
	Reader *Reader
	// Bus is the bus of a name or an ARN; "" is the configured one.
	Bus        func(name string) Bus
	Heartbeats HeartbeatRecorder // of Publish
	Ledgers    ledger.Reader
}

// Ledger reads what a closed window's run, or a closed slice, has published. One that is
// still open is an error that is retried until it has closed; one that cannot be read is an
// error that is not.
func (a *Activities) Ledger(ctx context.Context, in cdc.LedgerInput) (cdc.Ledger, error) {
	read, err := a.Ledgers.Closed(ctx, in.WorkflowID)
	return read, ApplicationError(ctx, err)
}

// Count asks how many versions of one type search shows in a span; cdc.NotCounted where
// the store does not say.
func (a *Activities) Count(ctx context.Context, in cdc.CountInput) (int, error) {
	taken, err := a.Reader.tokenInTime(ctx, in.Datastore, Ranges)
	if err == nil && !taken {
		err = &cdc.Error{Op: "counting", Class: cdc.ClassThrottled, Advice: "windows and audits use up CDC_SEARCH_RATE"}
	}
	if err != nil {
		return 0, ApplicationError(ctx, err)
	}
	n, err := a.Reader.Store.Count(ctx, in.Datastore, in.Type, in.Span)
	return n, ApplicationError(ctx, err)
}
