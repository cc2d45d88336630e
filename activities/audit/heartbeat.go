package audit

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/cdc"
)

// heartbeatEvery is between two heartbeats of an audit or a Heal: each is billed.
const heartbeatEvery = 10 * time.Second

// heartbeat records from time to time what an audit has found so far.
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

// readsAtOnce is how many ledgers, histories or results are read side by side.
const readsAtOnce = 8

// sideBySide reads n things, readsAtOnce at a time, with heartbeats.
func (h *heartbeat) sideBySide(ctx context.Context, n int, read func(ctx context.Context, i int) error) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for i := range n {
		group.Go(func() error {
			err := read(groupCtx, i)
			h.record(ctx)
			return err
		})
	}
	return group.Wait()
}

// record is called after every response of the store or of Temporal.
func (h *heartbeat) record(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.Sub(h.last) >= heartbeatEvery {
		h.last = now
		activities.Heartbeat(ctx, h.done)
	}
}
