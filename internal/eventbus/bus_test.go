package eventbus

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

func TestMissingBusTakesNothing(t *testing.T) {
	bus := newBusServer(t)
	bus.describe = func(n int) reply {
		if n == 0 {
			return reply{status: 400, code: "ResourceNotFoundException"}
		}
		return reply{}
	}
	p := bus.publisher(t)
	_, err := p.Publish(t.Context(), cdc.Events(someEvents(3)), nil, ignored)
	e := errorOfClass(t, err, cdc.ClassBusMissing)
	require.Contains(t, e.Error(), "CDC_EVENT_BUS")
	require.Empty(t, bus.sizes())

	_, err = p.Publish(t.Context(), cdc.Events(someEvents(3)), nil, ignored)
	require.NoError(t, err, "that a bus is missing is not remembered")
	require.Len(t, bus.details(), 3)
}

func TestBusNameThatIsNone(t *testing.T) {
	bus := newBusServer(t)
	bus.describe = func(int) reply { return reply{status: 400, code: "ValidationException"} }
	result, err := bus.publisher(t).Publish(t.Context(), cdc.Events(someEvents(1)), nil, ignored)
	requireClass(t, err, cdc.ClassBusMissing)
	require.Empty(t, result.Rejected, "the name is to blame, not the entry")
	require.Empty(t, bus.sizes())
}

func TestBusIsCheckedAgainAfterTenSeconds(t *testing.T) {
	bus := newBusServer(t)
	p := bus.publisher(t)
	clock := newClock(p)
	publish := func() {
		_, err := p.Publish(t.Context(), cdc.Events(someEvents(1)), nil, ignored)
		require.NoError(t, err)
	}
	publish()
	clock.advance(busFresh - 1)
	publish()
	require.Equal(t, 1, bus.asked())
	clock.advance(1)
	publish()
	require.Equal(t, 2, bus.asked())
}

func TestBusThatGoesMidwayIsFoundOut(t *testing.T) {
	bus := newBusServer(t)
	p := bus.publisher(t)
	clock := newClock(p)
	bus.put = func(int, []entry) reply { clock.advance(busFresh); return reply{} }
	bus.describe = func(n int) reply {
		if n > 0 {
			return reply{status: 400, code: "ResourceNotFoundException"}
		}
		return reply{}
	}
	result, err := p.Publish(t.Context(), cdc.Events(someEvents(20)), nil, ignored)
	requireClass(t, err, cdc.ClassBusMissing)
	require.Len(t, bus.sizes(), 1)
	require.NotContains(t, result.EventIDs[:10], "")
}

func TestPutEventsThatMissesTheBusIsBelieved(t *testing.T) {
	for _, rep := range []reply{
		{status: 400, code: "ResourceNotFoundException"},
		{codes: map[int]string{0: "ResourceNotFoundException"}},
	} {
		bus := newBusServer(t)
		bus.put = func(int, []entry) reply { return rep }
		p := bus.publisher(t)
		for range 2 {
			_, err := p.Publish(t.Context(), cdc.Events(someEvents(1)), nil, ignored)
			requireClass(t, err, cdc.ClassBusMissing)
		}
		require.Equal(t, 2, bus.asked(), "asked again, though it was found a moment ago")
	}
}

func TestCheckThatIsForbiddenWarnsOnceAndGoesOn(t *testing.T) {
	for _, rep := range []reply{
		{status: 400, code: "AccessDeniedException"},
		{status: 403, code: "AccessDenied"},
		{status: 400, code: "UnknownOperationException"},
		{status: 501, code: "NotImplemented"},
	} {
		t.Run(rep.code, func(t *testing.T) {
			bus := newBusServer(t)
			bus.describe = func(int) reply { return rep }
			var log bytes.Buffer
			p := bus.publisher(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			clock := newClock(p)
			for range 3 {
				_, err := p.Publish(t.Context(), cdc.Events(someEvents(1)), nil, ignored)
				require.NoError(t, err)
				clock.advance(busFresh)
			}
			require.Len(t, bus.details(), 3)
			require.Equal(t, 3, bus.asked())
			require.Equal(t, 1, strings.Count(log.String(), "events:DescribeEventBus"), log.String())
			require.NotContains(t, log.String(), "patient-7")
		})
	}
}

func TestCheckThatFailsIsRetried(t *testing.T) {
	bus := newBusServer(t)
	bus.describe = func(n int) reply {
		if n < 2 {
			return reply{status: 500, code: "InternalException"}
		}
		return reply{}
	}
	_, err := bus.publisher(t).Publish(t.Context(), cdc.Events(someEvents(1)), nil, ignored)
	require.NoError(t, err)
	require.Equal(t, 3, bus.asked())

	bus.describe = func(int) reply { return reply{status: 400, code: "ThrottlingException"} }
	_, err = bus.publisher(t).Publish(t.Context(), cdc.Events(someEvents(1)), nil, ignored)
	requireClass(t, err, cdc.ClassThrottled)
	require.Len(t, bus.sizes(), 1)
}

func TestManyPublishesAskOnce(t *testing.T) {
	bus := newBusServer(t)
	p := bus.publisher(t)
	asked, release := make(chan struct{}, 1), make(chan struct{})
	bus.describe = func(int) reply {
		asked <- struct{}{}
		<-release
		return reply{}
	}
	var group sync.WaitGroup
	first, cancel := context.WithCancel(t.Context())
	group.Go(func() {
		_, err := p.Publish(first, cdc.Events(someEvents(1)), nil, ignored)
		requireInterrupted(t, err)
	})
	<-asked
	cancel() // the one who asked first leaves: the question stays
	group.Wait()
	for range 8 {
		group.Go(func() {
			if _, err := p.Publish(t.Context(), cdc.Events(someEvents(1)), nil, ignored); err != nil {
				t.Error(err)
			}
		})
	}
	close(release)
	group.Wait()
	require.Equal(t, 1, bus.asked())
	require.Len(t, bus.details(), 8)
}

// requireInterrupted is for goroutines, which may not call FailNow.
func requireInterrupted(t *testing.T, err error) {
	if cdc.ClassOf(err) != cdc.ClassInterrupted {
		t.Errorf("want an interruption, got %v", err)
	}
}
