package explain

import (
	"fmt"

	"healthlake-cdc/internal/queue"
)

// Triggers is where the trigger of a window may be that none has opened: in our own
// queues, before CloudTrail is to blame.
type Triggers struct {
	// Queue and DLQ are the trigger queue and its dead-letter queue, nil when not
	// known; Unknown says then why.
	Queue, DLQ *queue.Depth
	Unknown    string
	// NoWorker is set when no worker polls TaskQueue, Temporal's.
	NoWorker  bool
	TaskQueue string
}

// queued is how many messages the trigger queue has, those that are being worked on
// included.
func (t Triggers) queued() int { return messages(t.Queue) }

func (t Triggers) dead() int { return messages(t.DLQ) }

// messagesAre says how many there are, before what is said of them.
func messagesAre(n int) string {
	if n == 1 {
		return "1 message is"
	}
	return fmt.Sprintf("%d messages are", n)
}

func messages(d *queue.Depth) int {
	if d == nil {
		return 0
	}
	return d.Visible + d.InFlight + d.Delayed
}
