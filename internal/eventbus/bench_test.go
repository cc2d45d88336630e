package eventbus

import (
	"strings"
	"sync/atomic"
	"testing"

	"healthlake-cdc/internal/cdc"
)

// BenchmarkPublish puts 1,000 events of the size of a Synthea resource, through
// the SDK's client and a server on the same machine.
func BenchmarkPublish(b *testing.B) {
	bus := newBusServer(b)
	var taken atomic.Int64
	p := bus.publisher(b)
	events := someEvents(1000)
	for i := range events {
		events[i].Detail = []byte(`{"meta":{},"data":{"text":"` + strings.Repeat("<p>x</p>", 175) + `"}}`)
	}
	b.SetBytes(int64(len(events) * events[0].Size()))
	b.ReportAllocs()
	for b.Loop() {
		result, err := p.Publish(b.Context(), cdc.Events(events), nil, ignored)
		if err != nil || len(result.EventIDs) != len(events) {
			b.Fatal(err)
		}
		taken.Add(int64(len(events)))
		bus.mu.Lock()
		bus.calls, bus.taken = nil, nil
		bus.mu.Unlock()
	}
	b.ReportMetric(float64(taken.Load())/b.Elapsed().Seconds(), "events/s")
}
