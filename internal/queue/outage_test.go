package queue

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

var errDown = errors.New("starting: connection refused")

func TestTemporalDownRaisesNoReceiveCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const outage = 2 * time.Hour
		f := newFixture(t, func(l *limits) { l.inHand = 2000 }) // slots are not what ends the polls
		f.queue.maxReceives = 1                                 // a second receive would go to the dead-letter queue
		windows := windowsBefore(300)
		for i := range 900 {
			f.queue.send(update(windows[i%len(windows)]))
		}
		calls := 0
		f.opener.set(func(context.Context, cdc.Window) error {
			if calls++; calls > 20 { // it goes away amid the work
				return errDown
			}
			return nil
		})
		f.start()
		synctest.Wait()
		require.ErrorContains(t, f.consumer.Ready(), "temporal is unavailable")
		var polls, opens int
		f.queue.do(func() { polls = f.queue.calls["ReceiveMessage"] })
		f.opener.get(func() { opens, f.opener.running, f.opener.most = f.opener.calls, 0, 0 })

		<-time.After(outage)
		synctest.Wait()
		f.queue.do(func() {
			require.Equal(t, polls, f.queue.calls["ReceiveMessage"], "polled during the outage")
			require.Equal(t, 1, f.queue.mostReceives())
			require.Empty(t, f.queue.dead)
			for _, m := range f.queue.messages {
				require.True(t, m.receives == 0 || m.visible.After(time.Now()), "a message in hand has become visible")
			}
		})
		f.opener.get(func() {
			require.LessOrEqual(t, f.opener.most, 1, "more than one probe at a time")
			probes := f.opener.calls - opens
			require.LessOrEqual(t, probes, int(outage/(maxBackoff/2))+10)
			require.GreaterOrEqual(t, probes, int(outage/maxBackoff))
		})

		f.opener.set(nil)
		f.queue.until(f.queue.empty)
		<-time.After(WaitTime) // the first poll after the outage may find nothing, and takes as long
		synctest.Wait()
		require.NoError(t, f.consumer.Ready())
		f.stop()
		require.Empty(t, f.queue.dead)
		require.Equal(t, 900, f.counts.of(EventReceived), "each received once")
		require.Len(t, f.opener.opened, len(windows))
		require.Equal(t, len(windows), f.counts.windowsOpened["cloudtrail"])
		asked := 0
		for _, n := range f.opener.opened {
			asked += n
		}
		require.LessOrEqual(t, asked-len(windows), 2*20, "only those opened before the outage are asked for again")
		require.Equal(t, []bool{true, false}, f.counts.pauses)
		require.Equal(t, 1, strings.Count(f.log.String(), "Temporal is unavailable"))
		require.Equal(t, 1, strings.Count(f.log.String(), "Temporal is available again"))
	})
}

func TestOpenThatHangsIsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.opener.set(func(ctx context.Context, _ cdc.Window) error {
			<-ctx.Done()
			return ctx.Err()
		})
		f.queue.send(update(windowsBefore(1)[0]))
		f.start()
		<-time.After(openTimeout + time.Second/4)
		synctest.Wait()
		require.ErrorContains(t, f.consumer.Ready(), "temporal is unavailable")
		f.opener.set(nil)
		f.queue.until(f.queue.empty)
		f.stop()
		require.Equal(t, 1, f.counts.of(EventReceived))
		require.Len(t, f.opener.opened, 1)
	})
}

func TestPartialDeleteFailureIsRetriedForTheFailedOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		failures := map[string]int{"m3": 2, "m7": 1}
		f.queue.failEntry = func(op, id string) (string, bool) {
			if op == "DeleteMessageBatch" && failures[id] > 0 {
				failures[id]--
				return "InternalError", false
			}
			return "", false
		}
		for range 10 {
			f.queue.send(update(windowsBefore(1)[0]))
		}
		f.start()
		f.queue.until(f.queue.empty)
		f.stop()
		require.Len(t, f.queue.deletes, 3)
		require.Len(t, f.queue.deletes[0], 10)
		require.ElementsMatch(t, []string{"m3", "m7"}, f.queue.deletes[1])
		require.Equal(t, []string{"m3"}, f.queue.deletes[2])
		require.Equal(t, 10, f.counts.of(EventAcknowledged))
		require.Equal(t, 10, f.counts.of(EventReceived))
	})
}

func TestDeleteThatKeepsFailingIsGivenUpAndCoalescedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		attempts := 0
		f.queue.failEntry = func(op, _ string) (string, bool) {
			if op != "DeleteMessageBatch" {
				return "", false
			}
			if attempts++; attempts > deleteAttempts {
				return "", false
			}
			return "InternalError", false
		}
		f.queue.send(update(windowsBefore(1)[0]))
		f.start()
		f.queue.until(f.queue.empty)
		f.stop()
		require.Equal(t, 1, f.counts.of(EventDeleteFailed))
		require.Equal(t, 2, f.counts.of(EventReceived))
		require.Equal(t, 1, f.opener.calls, "the second time it is coalesced")
	})
}

func TestDeleteOfAnInvalidReceiptIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		calls := 0
		f.queue.failEntry = func(op, _ string) (string, bool) {
			if op == "DeleteMessageBatch" {
				if calls++; calls == 1 {
					return "ReceiptHandleIsInvalid", true
				}
			}
			return "", false
		}
		f.queue.send(update(windowsBefore(1)[0]))
		f.start()
		f.queue.until(f.queue.empty)
		f.stop()
		require.Len(t, f.queue.deletes, 2)
		require.Equal(t, 2, f.counts.of(EventReceived), "by redelivery only")
	})
}

func TestSQSOutageIsLoggedOnceAndOutlived(t *testing.T) {
	for name, answer := range map[string]struct {
		status int
		code   string
	}{
		"no connection": {statusNoConnection, ""},
		"status 503":    {http.StatusServiceUnavailable, "ServiceUnavailable"},
		"no such queue": {http.StatusBadRequest, "QueueDoesNotExist"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				up := time.Now().Add(30 * time.Minute)
				f.queue.fail = func(op string) (int, string) {
					if op == "ReceiveMessage" && time.Now().Before(up) {
						return answer.status, answer.code
					}
					return 0, ""
				}
				f.queue.send(update(windowsBefore(1)[0]))
				f.start()
				<-time.After(10 * time.Minute)
				require.ErrorContains(t, f.consumer.Ready(), "not been polled yet")
				f.queue.until(f.queue.empty)
				require.NoError(t, f.consumer.Ready())
				f.queue.do(func() { up = time.Now().Add(time.Hour) })
				<-time.After(10 * time.Minute)
				require.ErrorContains(t, f.consumer.Ready(), "last successful poll")
				f.stop()
				require.Equal(t, 2, strings.Count(f.log.String(), "SQS is unavailable"), f.log)
				require.Equal(t, 1, strings.Count(f.log.String(), "SQS is available again"))
				require.Positive(t, f.counts.of(EventPollFailed))
			})
		})
	}
}

// Who starts a worker on an empty queue need not wait for a long poll.
func TestReadyAfterAShortPollOfAnEmptyQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t).start()
		synctest.Wait()
		require.ErrorContains(t, f.consumer.Ready(), "not been polled yet")
		<-time.After(2 * firstWait)
		require.NoError(t, f.consumer.Ready())
		f.stop()
	})
}

func TestStopLetsTheLastPollFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t).start()
		<-time.After(2 * firstWait)
		polls := 2 * defaultLimits.pollers // a short one each, and a long one that is under way
		f.queue.do(func() { require.Equal(t, polls, f.queue.calls["ReceiveMessage"]) })
		f.cancel()
		<-time.After(grace - time.Second)
		windows := windowsBefore(2)
		f.queue.send(update(windows[0])) // within the grace: worked off
		f.queue.until(f.queue.empty)
		<-time.After(2 * time.Second)
		f.queue.send(update(windows[1])) // after it: released
		f.stopped()
		require.Equal(t, map[cdc.Window]int{windows[0]: 1}, f.opener.opened)
		require.Equal(t, polls, f.queue.calls["ReceiveMessage"], "a poll began after the stop")
		require.Len(t, f.queue.messages, 1)
		require.False(t, f.queue.messages[0].visible.After(time.Now()), "released: visible at once")
		require.Equal(t, 1, f.counts.of(EventReleased))
	})
}

func TestStopReleasesWhatIsNotDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(l *limits) { l.wait = time.Second })
		windows := windowsBefore(30)
		f.opener.set(func(ctx context.Context, w cdc.Window) error {
			if slices.Contains(windows[:15], w) {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})
		for _, window := range windows {
			f.queue.send(update(window))
		}
		f.start()
		synctest.Wait()
		stopped := time.Now()
		f.stop()
		require.Equal(t, grace, time.Since(stopped).Truncate(time.Second))
		require.Equal(t, 15, f.queue.deleted, "what was opened is deleted")
		require.Equal(t, 15, f.counts.of(EventReleased))
		for _, m := range f.queue.messages {
			require.False(t, m.visible.After(time.Now()), "released: visible at once")
		}
	})
}

func TestStopDuringAnOutageReleasesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.opener.set(func(context.Context, cdc.Window) error { return errDown })
		for _, window := range windowsBefore(40) {
			f.queue.send(update(window))
		}
		f.start()
		<-time.After(10 * time.Minute)
		f.cancel()
		synctest.Wait()
		require.Positive(t, f.counts.of(EventReceived))
		require.Equal(t, f.counts.of(EventReceived), f.counts.of(EventReleased))
		f.stopped()
		require.Len(t, f.queue.messages, 40)
		require.Zero(t, f.queue.deleted)
	})
}
