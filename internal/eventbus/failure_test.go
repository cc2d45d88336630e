package eventbus

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

func TestPublishWholeCallFailures(t *testing.T) {
	empty, cut := "", `{"FailedEntryCount":0,"Entries":[{"Eve`
	fewer := `{"FailedEntryCount":0,"Entries":[{"EventId":"x"}]}`
	for name, test := range map[string]struct {
		reply reply
		class cdc.Class
		calls int
	}{
		"throttled":       {reply{status: 400, code: "ThrottlingException"}, cdc.ClassThrottled, maxTries},
		"429":             {reply{status: 429, code: "Anything"}, cdc.ClassThrottled, maxTries},
		"internal":        {reply{status: 500, code: "InternalException"}, cdc.ClassUnavailable, maxTries},
		"unavailable":     {reply{status: 503, code: "ServiceUnavailable"}, cdc.ClassUnavailable, maxTries},
		"lost":            {reply{lost: true}, cdc.ClassUnavailable, maxTries},
		"empty":           {reply{raw: &empty}, cdc.ClassMalformed, maxTries},
		"cut off":         {reply{raw: &cut}, cdc.ClassMalformed, maxTries},
		"too few answers": {reply{raw: &fewer}, cdc.ClassMalformed, maxTries},
		"forbidden":       {reply{status: 400, code: "AccessDeniedException"}, cdc.ClassForbidden, 1},
		"403":             {reply{status: 403, code: "Whatever"}, cdc.ClassForbidden, 1},
		"expired":         {reply{status: 400, code: "ExpiredTokenException"}, cdc.ClassForbidden, 1},
		"bad key":         {reply{status: 400, code: "UnrecognizedClientException"}, cdc.ClassForbidden, 1},
		"no bus":          {reply{status: 400, code: "ResourceNotFoundException"}, cdc.ClassBusMissing, 1},
		"other 4xx":       {reply{status: 400, code: "OperationDisabledException"}, cdc.ClassInvalidRequest, 1},
		"code that talks": {reply{status: 400, code: "patient-7 is bad"}, cdc.ClassInvalidRequest, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bus := newBusServer(t)
			bus.put = func(n int, _ []entry) reply {
				if n == 0 {
					return reply{}
				}
				return test.reply
			}
			var last []string
			result, err := bus.publisher(t).Publish(t.Context(), cdc.Events(someEvents(30)), nil, func(a []string) { last = a })
			e := errorOfClass(t, err, test.class)
			require.NotEmpty(t, e.Advice)
			require.Len(t, bus.sizes(), 1+test.calls, "and no SDK retries")
			require.Equal(t, last, result.EventIDs)
			require.NotContains(t, result.EventIDs[:10], "")
			require.Empty(t, strings.Join(result.EventIDs[10:], ""))
			require.Empty(t, result.Rejected)
		})
	}
}

func TestPublishRepeatsOnlyTheCallWhoseResponseWasLost(t *testing.T) {
	bus := newBusServer(t)
	bus.put = func(n int, _ []entry) reply { return reply{lost: n == 1} }
	events := someEvents(35)
	_, err := bus.publisher(t).Publish(t.Context(), cdc.Events(events), nil, ignored)
	require.NoError(t, err)
	require.Equal(t, []int{10, 10, 10, 10, 5}, bus.sizes())
	counts := map[string]int{}
	for _, d := range bus.details() {
		counts[d]++
	}
	for i, e := range events {
		want := 1
		if i >= 10 && i < 20 {
			want = 2
		}
		require.Equal(t, want, counts[string(e.Detail)], "entry %d", i)
	}
}

func TestPublishGivesUpACallWithoutAResponse(t *testing.T) {
	bus := newBusServer(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	bus.put = func(int, []entry) reply { <-release; return reply{} }
	p := bus.publisher(t)
	p.callTimeout = 20 * time.Millisecond
	_, err := p.Publish(t.Context(), cdc.Events(someEvents(1)), nil, ignored)
	requireClass(t, err, cdc.ClassUnavailable)
}

func TestPublishRecoversFromThrottling(t *testing.T) {
	bus := newBusServer(t)
	bus.put = func(n int, _ []entry) reply {
		if n < 3 {
			return reply{status: 400, code: "ThrottlingException"}
		}
		return reply{}
	}
	p := bus.publisher(t)
	var tries []int
	p.backoff = func(n int) time.Duration { tries = append(tries, n); return 0 }
	_, err := p.Publish(t.Context(), cdc.Events(someEvents(1)), nil, ignored)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3}, tries)
}

func TestPublishIsNeverSilentForLong(t *testing.T) {
	bus := newBusServer(t)
	bus.put = func(int, []entry) reply { return reply{status: 500, code: "InternalException"} }
	p := bus.publisher(t)
	clock := newClock(p)
	p.backoff = func(int) time.Duration { return 3 * time.Second }
	p.sleep = func(_ context.Context, d time.Duration) error { clock.advance(d); return nil }
	_, err := p.Publish(t.Context(), cdc.Events(someEvents(1)), nil, ignored)
	requireClass(t, err, cdc.ClassUnavailable)
	require.Len(t, bus.sizes(), 3, "at 0, 3 and 6 s; at 9 s more than a call timeout would have passed")
	require.Equal(t, time.Unix(6, 0), clock.now(), "and does not wait for that")
}

func TestPublishIsNotSilentForAnotherCallAfterASlowCheck(t *testing.T) {
	bus := newBusServer(t)
	p := bus.publisher(t)
	p.callTimeout = 30 * time.Second
	clock := newClock(p)
	bus.put = func(int, []entry) reply {
		clock.advance(busFresh)
		return reply{status: 500, code: "InternalException"}
	}
	bus.describe = func(n int) reply {
		clock.advance(time.Duration(n) * 20 * time.Second)
		return reply{}
	}
	_, err := p.Publish(t.Context(), cdc.Events(someEvents(1)), nil, ignored)
	e := errorOfClass(t, err, cdc.ClassUnavailable)
	require.Equal(t, "InternalException", e.Code)
	require.Len(t, bus.sizes(), 1)
	require.Equal(t, 2, bus.asked())
}

func TestPublishGoesOnAsLongAsSomethingIsAccepted(t *testing.T) {
	bus := newBusServer(t)
	bus.put = func(_ int, entries []entry) reply {
		codes := map[int]string{}
		for i := range entries[1:] {
			codes[i+1] = "ThrottlingException"
		}
		return reply{codes: codes}
	}
	events := someEvents(maxEntries)
	_, err := bus.publisher(t).Publish(t.Context(), cdc.Events(events), nil, ignored)
	require.NoError(t, err)
	require.Len(t, bus.sizes(), maxEntries, "more than maxTries")
	require.Equal(t, detailsOf(events), bus.details())
}

func TestPublishTellsTheGravestReason(t *testing.T) {
	bus := newBusServer(t)
	bus.put = func(int, []entry) reply {
		return reply{codes: map[int]string{0: "InternalFailure", 1: "ThrottlingException", 2: "AccessDeniedException", 3: "InternalFailure"}}
	}
	result, err := bus.publisher(t).Publish(t.Context(), cdc.Events(someEvents(5)), nil, ignored)
	e := errorOfClass(t, err, cdc.ClassForbidden)
	require.Equal(t, "AccessDeniedException", e.Code)
	require.Equal(t, []string{"", "", "", "", "event-1"}, result.EventIDs)
}

func TestPublishStopsBetweenCalls(t *testing.T) {
	bus := newBusServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	bus.put = func(n int, _ []entry) reply {
		if n == 1 {
			cancel() // while the call is in flight: its answer is waited for
		}
		return reply{}
	}
	var last []string
	result, err := bus.publisher(t).Publish(ctx, cdc.Events(someEvents(50)), nil, func(a []string) { last = a })
	requireClass(t, err, cdc.ClassInterrupted)
	require.Len(t, bus.sizes(), 2)
	require.Equal(t, last, result.EventIDs)
	require.NotContains(t, result.EventIDs[:20], "")
	require.Empty(t, result.EventIDs[20])
}

func TestPublishStopsWhileItBacksOff(t *testing.T) {
	bus := newBusServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	bus.put = func(int, []entry) reply {
		return reply{status: 400, code: "ThrottlingException", then: cancel}
	}
	p := bus.publisher(t)
	p.callTimeout = 2 * time.Hour
	p.backoff = func(int) time.Duration { return time.Hour }
	_, err := p.Publish(ctx, cdc.Events(someEvents(1)), nil, ignored)
	requireClass(t, err, cdc.ClassInterrupted)
}

// lateContext is one whose deadline has passed, but whose timer has not fired
// yet: what a process sees that was stopped and goes on.
type lateContext struct{ context.Context }

func (lateContext) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), true }

func TestPublishSendsNothingPastItsDeadline(t *testing.T) {
	bus := newBusServer(t)
	_, err := bus.publisher(t).Publish(lateContext{t.Context()}, cdc.Events(someEvents(1)), nil, ignored)
	requireClass(t, err, cdc.ClassInterrupted)
	require.Empty(t, bus.sizes())
	require.Zero(t, bus.asked())
}

func TestBackoffIsJitteredAndBounded(t *testing.T) {
	distinct := map[time.Duration]bool{}
	for tries := 1; tries < 60; tries++ {
		d := backoff(tries)
		require.Positive(t, d)
		require.LessOrEqual(t, d, maxBackoff)
		if tries == 1 {
			require.LessOrEqual(t, d, firstBackoff)
		}
		distinct[d] = true
	}
	require.Greater(t, len(distinct), 20)
}
