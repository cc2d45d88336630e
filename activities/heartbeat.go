package activities

import (
	"context"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
)

// HeartbeatRecorder records the heartbeats of Publish. The SDK's own activity.RecordHeartbeat
// neither says whether the server accepted one nor ends the activity when the server
// cannot be reached.
type HeartbeatRecorder interface {
	RecordActivityHeartbeatWithOptions(ctx context.Context, options client.RecordActivityHeartbeatOptions) error
}

// heartbeatCallTimeout is how long a heartbeat may take. Three that fail one after another
// must fit into the heartbeat timeout (workflows/policies.go).
const heartbeatCallTimeout = 5 * time.Second

// publishHeartbeat records what was accepted, at most once every heartbeatEvery, while
// there is more to come: a Publish of one call records none.
//
// It also ends a Publish when the server does not accept its heartbeat, or has given the
// task to another worker by now, of which a process that stood still learns too late.
type publishHeartbeat struct {
	giveUp context.CancelCauseFunc
	// timeout is the activity's heartbeat timeout; 0 is none.
	timeout time.Duration
	started time.Time // by the server's clock
	now     func() time.Time
	// send is an error when the server did not record it, or says that the activity has
	// ended.
	send func(accepted []string) error

	last time.Time
	// pending is what was accepted since the last record.
	pending []string
}

// newHeartbeat is of the attempt of ctx. It records also when ctx has ended, as it does
// when the worker stops.
func newHeartbeat(ctx context.Context, giveUp context.CancelCauseFunc, to HeartbeatRecorder) *publishHeartbeat {
	info := activity.GetInfo(ctx)
	return &publishHeartbeat{
		giveUp: giveUp, timeout: info.HeartbeatTimeout, started: info.StartedTime, now: time.Now, last: time.Now(),
		send: func(accepted []string) error {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), heartbeatCallTimeout)
			defer cancel()
			return to.RecordActivityHeartbeatWithOptions(ctx, client.RecordActivityHeartbeatOptions{
				TaskToken: info.TaskToken, Details: []any{accepted},
				Namespace: info.Namespace, WorkflowID: info.WorkflowExecution.ID,
				ActivityType: info.ActivityType.Name, WorkflowType: info.WorkflowType.Name, TaskQueue: info.TaskQueue,
			})
		},
	}
}

// begin asks the server, by a heartbeat, whether a task is still ours that was started
// more than half the heartbeat timeout ago; if not, the Publish ends. Clocks differ, so
// its age alone decides nothing.
func (h *publishHeartbeat) begin(accepted []string) {
	if h.timeout > 0 && h.now().Sub(h.started) >= h.timeout/2 {
		h.pending = accepted
		h.flush()
	}
}

// record is called after each call of which something was accepted or rejected.
func (h *publishHeartbeat) record(accepted []string) {
	h.pending = accepted
	if h.expired() {
		h.giveUp(context.DeadlineExceeded)
	}
	if h.now().Sub(h.last) >= heartbeatEvery && slices.Contains(accepted, "") {
		h.flush()
	}
}

// expired reports whether the last record began so far back that the server has given
// the task up. A Publish that is silent because the bus fails returns long before
// (eventbus.Publisher.Publish).
func (h *publishHeartbeat) expired() bool {
	return h.timeout > 0 && h.now().Sub(h.last) >= h.timeout-2*heartbeatEvery
}

// flush records what is pending, and ends the Publish unless the server accepts it.
func (h *publishHeartbeat) flush() {
	if h.pending == nil {
		return
	}
	h.last = h.now()
	if err := h.send(h.pending); err != nil {
		h.giveUp(err)
		return
	}
	h.pending = nil
}
