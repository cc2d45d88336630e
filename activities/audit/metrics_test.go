package audit

import (
	"strings"
	"sync"

	"go.temporal.io/sdk/client"
)

// counters is a handler of the SDK's metrics that keeps the counters of ours.
type counters struct {
	mu     *sync.Mutex
	counts map[string]int64
	tags   string
}

func newCounters() counters {
	return counters{mu: &sync.Mutex{}, counts: make(map[string]int64)}
}

// ours are our counters, each named with the type and the datastore that it is of.
func (c counters) ours() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	ours := make(map[string]int64)
	for name, n := range c.counts {
		if strings.HasPrefix(name, "healthlake_cdc_") {
			ours[name] = n
		}
	}
	return ours
}

func (c counters) WithTags(tags map[string]string) client.MetricsHandler {
	for _, name := range []string{"resource_type", "datastore"} {
		if tags[name] != "" {
			c.tags += " " + tags[name]
		}
	}
	return c
}

func (c counters) Counter(name string) client.MetricsCounter { return counted{c, name} }
func (c counters) Gauge(string) client.MetricsGauge          { return client.MetricsNopHandler.Gauge("") }
func (c counters) Timer(string) client.MetricsTimer          { return client.MetricsNopHandler.Timer("") }

type counted struct {
	counters
	name string
}

func (c counted) Inc(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[c.name+c.tags] += n
}
