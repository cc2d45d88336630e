package activities

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// beating is a heartbeat with a clock that the test sets, and what it sent.
type beating struct {
	*publishHeartbeat
	clock  time.Time
	sent   [][]string
	gaveUp bool
	// answer is what the server says to a heartbeat.
	answer error
}

func newBeating(timeout time.Duration) *beating {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b := &beating{clock: start}
	b.publishHeartbeat = &publishHeartbeat{
		timeout: timeout, started: start, last: start,
		giveUp: func(error) { b.gaveUp = true },
		now:    func() time.Time { return b.clock },
		send: func(accepted []string) error {
			b.sent = append(b.sent, accepted)
			return b.answer
		},
	}
	return b
}

func TestHeartbeatOfAStoppedWorkerGivesItsPublishUp(t *testing.T) {
	for _, c := range []struct {
		name    string
		timeout time.Duration
		stopped time.Duration
		gives   bool
	}{
		{"stopped as long as the timeout", 30 * time.Second, 30 * time.Second, true},
		{"stopped so long that the server may have given it up", 30 * time.Second, 28 * time.Second, true},
		{"a bus that was silent for as long as it may be", 30 * time.Second, 16 * time.Second, false},
		{"no timeout", 0, time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBeating(c.timeout)
			b.begin([]string{"", "", ""})
			b.clock = b.clock.Add(time.Second)
			b.record([]string{"e1", "", ""})
			require.False(t, b.gaveUp)
			b.clock = b.clock.Add(c.stopped)
			b.record([]string{"e1", "e2", ""})
			require.Equal(t, c.gives, b.gaveUp)
			require.Equal(t, [][]string{{"e1", "", ""}, {"e1", "e2", ""}}, b.sent, "what was accepted is recorded in any case")
		})
	}
}

func TestTaskThatWaitedAsksWhetherItIsStillOurs(t *testing.T) {
	for waited, asks := range map[time.Duration]bool{0: false, 5 * time.Second: false, 15 * time.Second: true, time.Minute: true} {
		b := newBeating(30 * time.Second)
		b.clock = b.clock.Add(waited)
		b.begin([]string{"e1", ""})
		if asks {
			require.Equal(t, [][]string{{"e1", ""}}, b.sent, "waited %s", waited)
		} else {
			require.Empty(t, b.sent, "a heartbeat is billed; waited %s", waited)
		}
		require.False(t, b.gaveUp, "only the server decides; waited %s", waited)
	}
}

// A Publish does not go on when nobody can take down what it does: at the first
// heartbeat that the server does not take, at its begin, too. What was accepted is
// offered once more when it ends.
func TestHeartbeatThatIsNotTakenEndsItsPublish(t *testing.T) {
	unreachable := errors.New("no connection")
	b := newBeating(30 * time.Second)
	b.answer = unreachable
	b.clock = b.clock.Add(heartbeatEvery / 2)
	b.record([]string{"e1", "", ""})
	require.False(t, b.gaveUp, "none was due")
	b.clock = b.clock.Add(heartbeatEvery)
	b.record([]string{"e1", "e2", ""})
	require.True(t, b.gaveUp)
	b.flush()
	b.answer = nil
	b.flush()
	b.flush()
	require.Equal(t, [][]string{{"e1", "e2", ""}, {"e1", "e2", ""}, {"e1", "e2", ""}}, b.sent)

	late := newBeating(30 * time.Second)
	late.answer = unreachable
	late.clock = late.clock.Add(time.Minute)
	late.begin([]string{"e1", ""})
	require.True(t, late.gaveUp)
}
