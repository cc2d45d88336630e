package workflows_test

import (
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
)

// counters is a metrics handler that keeps counts, by name and tags.
type counters struct {
	tags map[string]string
	*counts
}

type counts struct {
	mu     sync.Mutex
	counts map[string]int64
}

func (c *counters) shared() *counts {
	if c.counts == nil {
		c.counts = &counts{counts: make(map[string]int64)}
	}
	return c.counts
}

// of is the count of a name, of the executions of a datastore and a type.
func (c *counters) of(name, datastore, resourceType string) int64 {
	shared := c.shared()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	return shared.counts[fmt.Sprint(name, datastore, resourceType)]
}

func (c *counters) WithTags(tags map[string]string) client.MetricsHandler {
	all := make(map[string]string)
	for _, more := range []map[string]string{c.tags, tags} {
		for name, value := range more {
			all[name] = value
		}
	}
	return &counters{tags: all, counts: c.shared()}
}

func (c *counters) Counter(name string) client.MetricsCounter {
	shared, key := c.shared(), fmt.Sprint(name, c.tags["datastore"], c.tags["resource_type"])
	return counterFunc(func(n int64) {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		shared.counts[key] += n
	})
}

func (c *counters) Gauge(string) client.MetricsGauge { return gaugeFunc(func(float64) {}) }
func (c *counters) Timer(string) client.MetricsTimer { return timerFunc(func(time.Duration) {}) }

type (
	counterFunc func(int64)
	gaugeFunc   func(float64)
	timerFunc   func(time.Duration)
)

func (f counterFunc) Inc(n int64)          { f(n) }
func (f gaugeFunc) Update(v float64)       { f(v) }
func (f timerFunc) Record(d time.Duration) { f(d) }
