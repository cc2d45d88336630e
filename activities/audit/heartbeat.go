package audit

import (
	"context"
	"slices"
	"sync"
	"time"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/cdc"
)

// heartbeatEvery is at least how long lies between two heartbeats of an audit or a
// Heal: each that is recorded is billed.
const heartbeatEvery = 10 * time.Second

// heartbeat says from time to time that an audit goes on, with what it has found so
// far.
type heartbeat struct {
	mu   sync.Mutex
	last time.Time
	done cdc.AuditSpanResult
}

// keep sets what the next heartbeats hold: without the types that the store did not
// list, which a retry lists again, and nothing that is changed later.
func (h *heartbeat) keep(ctx context.Context, done cdc.AuditSpanResult) {
	done.Types = slices.DeleteFunc(slices.Clone(done.Types), func(t cdc.TypeAudit) bool { return t.Unavailable != "" })
	done.Windows = slices.Clone(done.Windows)
	h.mu.Lock()
	h.done = done
	h.mu.Unlock()
	h.record(ctx)
}

// record is called after every answer of the store or of Temporal.
func (h *heartbeat) record(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.Sub(h.last) >= heartbeatEvery {
		h.last = now
		activities.Heartbeat(ctx, h.done)
	}
}
