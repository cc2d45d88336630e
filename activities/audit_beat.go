package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"healthlake-cdc/internal/cdc"
)

// auditHeartbeat says from time to time that an audit goes on, with what it has
// found so far: each heartbeat that the server records is billed.
type auditHeartbeat struct {
	ctx context.Context

	mu   sync.Mutex
	last time.Time
	done cdc.AuditSpanResult
}

func newAuditHeartbeat(ctx context.Context) *auditHeartbeat {
	return &auditHeartbeat{ctx: ctx, last: time.Now()}
}

// keep sets what the next heartbeats hold.
func (b *auditHeartbeat) keep(done cdc.AuditSpanResult) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = withoutRefused(done)
	b.send()
}

// record is called whenever something was asked and answered.
func (b *auditHeartbeat) record() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.send()
}

func (b *auditHeartbeat) send() {
	if now := time.Now(); activity.IsActivity(b.ctx) && now.Sub(b.last) >= auditBeat {
		b.last = now
		activity.RecordHeartbeat(b.ctx, b.done)
	}
}

// withoutRefused leaves out the types that the store did not list, which a retry
// lists again. What it keeps shares nothing that grows.
func withoutRefused(done cdc.AuditSpanResult) cdc.AuditSpanResult {
	kept := done
	kept.Types = nil
	for _, t := range done.Types {
		if t.Unavailable == "" {
			kept.Types = append(kept.Types, t)
		}
	}
	kept.Windows = append([]cdc.WindowGap(nil), done.Windows...)
	return kept
}

// attempt is the number of the activity's attempt, from 1.
func attempt(ctx context.Context) int32 {
	if !activity.IsActivity(ctx) {
		return 1
	}
	return activity.GetInfo(ctx).Attempt
}

// temporalError is an error of Temporal's that came up while a type was audited. It
// says nothing of the type.
type temporalError struct{ error }

func (e *temporalError) Unwrap() error { return e.error }

func isTemporalError(err error) bool {
	var known *temporalError
	return errors.As(err, &known)
}
