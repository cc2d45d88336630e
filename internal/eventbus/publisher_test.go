package eventbus

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

func TestPublishBatchesByTen(t *testing.T) {
	bus := newBusServer(t)
	var calls []Call
	p := bus.publisher(t, func(c *Config) { c.Observe = func(c Call) { calls = append(calls, c) } })
	events := someEvents(25)
	var seen [][]string
	result, err := p.Publish(t.Context(), cdc.Events(events), nil, func(a []string) { seen = append(seen, a) })
	require.NoError(t, err)
	require.Equal(t, []int{10, 10, 5}, bus.sizes())
	require.Equal(t, detailsOf(events), bus.details())
	require.NotContains(t, result.EventIDs, "")
	require.Len(t, result.EventIDs, 25)
	require.Empty(t, result.Rejected)

	require.Len(t, seen, 3)
	for i, done := range []int{10, 20, 25} {
		require.Len(t, seen[i], 25)
		require.NotContains(t, seen[i][:done], "")
		require.Empty(t, strings.Join(seen[i][done:], ""))
	}
	require.Len(t, calls, 3)
	require.Equal(t, Call{}, calls[0])
	require.Equal(t, 1, bus.asked())
}

func TestPublishSendsTheEntryAsItIs(t *testing.T) {
	bus := newBusServer(t)
	event := cdc.Event{
		Source: "com.fhir-patient", DetailType: "FhirPatientChanged",
		Time:   time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		Detail: []byte(`{"data":{"div":"<p>é \u003c & 😀</p>","n":1.10000000000000000001}}`),
	}
	_, err := bus.publisher(t).Publish(t.Context(), cdc.Events([]cdc.Event{event}), nil, ignored)
	require.NoError(t, err)
	require.Equal(t, entry{
		EventBusName: "clinical", Source: event.Source, DetailType: event.DetailType,
		Detail: string(event.Detail), Time: "1772600767",
	}, bus.entries()[0])
	require.Equal(t, event.Size(), bus.entries()[0].size())
}

func TestPublishBatchesByBytes(t *testing.T) {
	events := someEvents(6)
	for i := range events {
		events[i].Detail = []byte(`{"n":"` + strings.Repeat("é", 300+i) + `"}`)
	}
	three := events[0].Size() + events[1].Size() + events[2].Size()
	t.Run("to the byte", func(t *testing.T) {
		bus := newBusServer(t)
		_, err := bus.publisher(t, func(c *Config) { c.MaxBytes = three }).Publish(t.Context(), cdc.Events(events[:3]), nil, ignored)
		require.NoError(t, err)
		require.Equal(t, []int{3}, bus.sizes())
		sum := 0
		for _, e := range bus.entries() {
			sum += e.size()
		}
		require.Equal(t, three, sum)
	})
	t.Run("a byte less", func(t *testing.T) {
		bus := newBusServer(t)
		_, err := bus.publisher(t, func(c *Config) { c.MaxBytes = three - 1 }).Publish(t.Context(), cdc.Events(events[:3]), nil, ignored)
		require.NoError(t, err)
		require.Equal(t, []int{2, 1}, bus.sizes())
	})
	t.Run("an entry over the limit is rejected, the others go", func(t *testing.T) {
		bus := newBusServer(t)
		p := bus.publisher(t, func(c *Config) { c.MaxBytes = events[4].Size() })
		result, err := p.Publish(t.Context(), cdc.Events(events), nil, ignored)
		require.NoError(t, err)
		require.Equal(t, []cdc.Rejection{{Index: 5, Code: codeEntryTooLarge}}, result.Rejected)
		require.Empty(t, result.EventIDs[5])
		require.Equal(t, detailsOf(events[:5]), bus.details())
	})
}

func TestPublishGoesOnFromAccepted(t *testing.T) {
	bus := newBusServer(t)
	events := someEvents(14)
	accepted := []string{"a", "b", "", "d"}
	result, err := bus.publisher(t).Publish(t.Context(), cdc.Events(events), accepted, ignored)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "event-1", "d", "event-2"}, result.EventIDs[:5])
	require.Equal(t, []int{10, 1}, bus.sizes())
	require.Equal(t, `{"n":2}`, bus.details()[0])
	require.Empty(t, accepted[2], "the caller's slice is not written")

	again, err := bus.publisher(t).Publish(t.Context(), cdc.Events(events), result.EventIDs, ignored)
	require.NoError(t, err)
	require.Equal(t, result, again)
	require.Len(t, bus.sizes(), 2, "nothing left, nothing sent")
}

func TestPublishRetriesOnlyFailedEntries(t *testing.T) {
	bus := newBusServer(t)
	bus.put = func(n int, _ []entry) reply {
		switch n {
		case 0:
			return reply{codes: map[int]string{2: "ThrottlingException", 5: "InternalFailure", 7: "MalformedDetail"}}
		case 1:
			return reply{codes: map[int]string{1: "CodeOfNextYear"}}
		}
		return reply{}
	}
	events := someEvents(12)
	result, err := bus.publisher(t).Publish(t.Context(), cdc.Events(events), nil, ignored)
	require.NoError(t, err)
	require.Equal(t, []int{10, 2, 1, 2}, bus.sizes())
	require.Equal(t, []cdc.Rejection{{Index: 7, Code: "MalformedDetail"}}, result.Rejected)
	require.Empty(t, result.EventIDs[7])
	require.ElementsMatch(t, append(detailsOf(events[:7]), detailsOf(events[8:])...), bus.details())
}

func TestPublishEntryCodes(t *testing.T) {
	for code, want := range map[string]cdc.Class{
		"ThrottlingException":       cdc.ClassThrottled,
		"InternalFailure":           cdc.ClassUnavailable,
		"InternalException":         cdc.ClassUnavailable,
		"ServiceUnavailable":        cdc.ClassUnavailable,
		"CodeOfNextYear":            cdc.ClassUnavailable,
		"patient-7 <is> no code":    cdc.ClassUnavailable,
		"AccessDeniedException":     cdc.ClassForbidden,
		"ResourceNotFoundException": cdc.ClassBusMissing,
	} {
		t.Run(code, func(t *testing.T) {
			bus := newBusServer(t)
			bus.put = func(_ int, entries []entry) reply {
				for i, e := range entries {
					if e.Detail == `{"n":3}` {
						return reply{codes: map[int]string{i: code}}
					}
				}
				return reply{}
			}
			result, err := bus.publisher(t).Publish(t.Context(), cdc.Events(someEvents(12)), nil, ignored)
			e := errorOfClass(t, err, want)
			require.NotEmpty(t, e.Advice)
			require.Empty(t, result.Rejected, "an error is retried, never dropped")
			require.Empty(t, result.EventIDs[3])
			require.NotContains(t, result.EventIDs[:3], "")
			switch want {
			case cdc.ClassUnavailable: // one bad entry does not hold up the others
				require.Len(t, bus.sizes(), maxTries+1)
				require.NotContains(t, result.EventIDs[4:], "")
			case cdc.ClassThrottled: // no further load
				require.Len(t, bus.sizes(), maxTries)
			default:
				require.Len(t, bus.sizes(), 1)
			}
		})
	}
}

func TestPublishStopsWhenASecondCallIsStuck(t *testing.T) {
	bus := newBusServer(t)
	bus.put = func(_ int, entries []entry) reply {
		codes := map[int]string{}
		for i := range entries {
			codes[i] = "InternalFailure"
		}
		return reply{codes: codes}
	}
	_, err := bus.publisher(t).Publish(t.Context(), cdc.Events(someEvents(100)), nil, ignored)
	requireClass(t, err, cdc.ClassUnavailable)
	require.Len(t, bus.sizes(), 2*maxTries)
}

// The answer to a whole call is no rejection of its entries: they are kept apart, and those
// that EventBridge does not take alone either are an error, tried again later.
func TestPublishTakesNoFailedCallForARejection(t *testing.T) {
	for _, failure := range []reply{
		{status: http.StatusBadRequest, code: "ValidationException"},
		{status: http.StatusBadRequest, code: "SerializationException"},
		{status: http.StatusRequestEntityTooLarge, code: "RequestTooLong"},
	} {
		t.Run(failure.code, func(t *testing.T) {
			bus := newBusServer(t)
			bus.put = func(_ int, entries []entry) reply {
				for _, e := range entries {
					if e.Detail == `{"n":3}` || e.Detail == `{"n":8}` || e.Detail == `{"n":14}` {
						return failure
					}
				}
				return reply{}
			}
			events := someEvents(31)
			result, err := bus.publisher(t).Publish(t.Context(), cdc.Events(events), nil, ignored)
			e := errorOfClass(t, err, cdc.ClassInvalidRequest)
			require.Equal(t, failure.code, e.Code)
			require.Empty(t, result.Rejected)
			want := slices.Concat(detailsOf(events[:3]), detailsOf(events[4:8]), detailsOf(events[9:14]), detailsOf(events[15:]))
			require.Equal(t, want, bus.details(), "the others, in order, each once")

			bus.put = nil
			_, err = bus.publisher(t).Publish(t.Context(), cdc.Events(events), result.EventIDs, ignored)
			require.NoError(t, err)
			require.Len(t, bus.details(), len(events), "what was not taken before, once")
		})
	}
}

// A bus that takes nothing, of another region for example, is found out after two calls.
func TestPublishToABusThatTakesNothing(t *testing.T) {
	bus := newBusServer(t)
	bus.put = func(int, []entry) reply { return reply{status: http.StatusBadRequest, code: "ValidationException"} }
	result, err := bus.publisher(t).Publish(t.Context(), cdc.Events(someEvents(100)), nil, ignored)
	requireClass(t, err, cdc.ClassInvalidRequest)
	require.Empty(t, result.Rejected)
	require.Len(t, bus.sizes(), 2*(2*maxEntries-1), "each call in halves, down to single entries")
}

func TestPublishOfNothingCallsNobody(t *testing.T) {
	bus := newBusServer(t)
	result, err := bus.publisher(t).Publish(t.Context(), cdc.Events(nil), nil, ignored)
	require.NoError(t, err)
	require.Empty(t, result.EventIDs)
	require.Zero(t, bus.asked())
}

// lame is a batch of which some events cannot be built.
type lame struct{ cdc.Events }

func (l lame) Event(i int) (cdc.Event, error) {
	if i%3 == 1 {
		return cdc.Event{}, errors.New("no version")
	}
	return l.Events.Event(i)
}

func TestWhatCannotBeBuiltHoldsUpNothing(t *testing.T) {
	bus := newBusServer(t)
	events := someEvents(7)
	result, err := bus.publisher(t).Publish(t.Context(), lame{events}, nil, ignored)
	require.NoError(t, err)
	require.Equal(t, []cdc.Rejection{{Index: 1, Code: codeNotBuilt}, {Index: 4, Code: codeNotBuilt}}, result.Rejected)
	for i, id := range result.EventIDs {
		require.Equal(t, i%3 == 1, id == "", "event %d", i)
	}
}

// Several calls are in flight, each event is put once, and the accepted ids that are
// recorded only grow.
func TestSeveralCallsAreInFlight(t *testing.T) {
	const n = 203
	bus := newBusServer(t)
	p := bus.publisher(t)
	p.inFlight = callsInFlight
	together := make(chan struct{})
	bus.put = func(n int, _ []entry) reply {
		if n == callsInFlight-1 {
			close(together)
		}
		<-together // the first calls wait for one another
		return reply{}
	}
	recorded := 0
	result, err := p.Publish(t.Context(), cdc.Events(someEvents(n)), nil, func(accepted []string) {
		now := 0
		for _, id := range accepted {
			if id != "" {
				now++
			}
		}
		require.Greater(t, now, recorded)
		recorded = now
	})
	require.NoError(t, err)
	require.NotContains(t, result.EventIDs, "")
	require.Equal(t, n, recorded)
	require.ElementsMatch(t, detailsOf(someEvents(n)), bus.details())
}
