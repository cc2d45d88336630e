package activities

import (
	"context"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
)

// heartbeat records what was accepted, at most once every HeartbeatEvery, while
// there is more to come: a Publish of one call records none.
//
// It also ends a Publish that the server has given to another worker by now. A
// process that stood still (a stopped container, a frozen machine) and goes on
// learns of that too late: the answer to its heartbeat comes beside the calls that
// it makes meanwhile, and a task that waited in its connection all that time looks
// like a new one. (When a heartbeat cannot be sent, the SDK itself ends the
// activity's context.)
type heartbeat struct {
	ctx    context.Context
	giveUp context.CancelFunc
	// timeout is the activity's heartbeat timeout; 0 is none.
	timeout time.Duration
	started time.Time // by the server's clock
	now     func() time.Time
	send    func(ctx context.Context, accepted []string)

	last time.Time
	// pending is what was accepted since the last record.
	pending []string
}

func newHeartbeat(ctx context.Context, giveUp context.CancelFunc) *heartbeat {
	info := activity.GetInfo(ctx)
	return &heartbeat{
		ctx: ctx, giveUp: giveUp, timeout: info.HeartbeatTimeout, started: info.StartedTime,
		now: time.Now, last: time.Now(),
		send: func(ctx context.Context, accepted []string) { activity.RecordHeartbeat(ctx, accepted) },
	}
}

// begin asks the server, by a heartbeat, whether the task is still ours when it
// was started long ago. Clocks differ, so its age alone decides nothing; a task
// that comes at once costs no heartbeat.
func (h *heartbeat) begin(accepted []string) {
	if h.timeout > 0 && h.now().Sub(h.started) >= h.timeout/2 {
		h.last = h.now()
		h.send(h.ctx, accepted) // ends ctx when the server says no
	}
}

// record is called after each call that had something accepted.
func (h *heartbeat) record(accepted []string) {
	h.pending = accepted
	if h.expired() {
		h.giveUp() // what was accepted is recorded all the same, if the server takes it
	}
	if h.now().Sub(h.last) >= HeartbeatEvery && slices.Contains(accepted, "") {
		h.flush()
	}
}

// expired tells whether the last record began so far back that the server has
// given the task up. A Publish that is silent because the bus fails returns long
// before (see eventbus.Publisher.Publish). The timeout counts from when the server
// had the record, which may be late by as much as we wait between two.
func (h *heartbeat) expired() bool {
	return h.timeout > 0 && h.now().Sub(h.last) >= h.timeout-2*HeartbeatEvery
}

// flush records what is pending.
func (h *heartbeat) flush() {
	if h.pending == nil {
		return
	}
	accepted := h.pending
	h.last, h.pending = h.now(), nil
	h.send(h.ctx, accepted)
}
