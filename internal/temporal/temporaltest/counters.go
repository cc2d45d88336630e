package temporaltest

import (
	"maps"
	"sync"

	"go.temporal.io/sdk/client"
)

// Counters holds what the SDK's metrics count.
type Counters struct {
	mu     sync.Mutex
	counts map[counter]int64
}

type counter struct{ name, datastore, resourceType string }

// Of is the count of a name, of a datastore and a type.
func (c *Counters) Of(name, datastore, resourceType string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[counter{name, datastore, resourceType}]
}

// Handler is a handler of metrics that counts.
func (c *Counters) Handler() client.MetricsHandler { return handler{client.MetricsNopHandler, c, nil} }

type handler struct {
	client.MetricsHandler
	counters *Counters
	tags     map[string]string
}

func (h handler) WithTags(tags map[string]string) client.MetricsHandler {
	all := make(map[string]string)
	maps.Copy(all, h.tags)
	maps.Copy(all, tags)
	return handler{h.MetricsHandler, h.counters, all}
}

func (h handler) Counter(name string) client.MetricsCounter {
	return counting{h.counters, counter{name, h.tags["datastore"], h.tags["resource_type"]}}
}

type counting struct {
	counters *Counters
	counter  counter
}

func (c counting) Inc(n int64) {
	c.counters.mu.Lock()
	defer c.counters.mu.Unlock()
	if c.counters.counts == nil {
		c.counters.counts = make(map[counter]int64)
	}
	c.counters.counts[c.counter] += n
}
