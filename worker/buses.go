package main

import (
	"cmp"
	"sync"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/eventbus"
)

// buses keeps a publisher for each bus: the configured one, and those that replays
// name.
type buses struct {
	config eventbus.Config // of the configured bus

	mu         sync.Mutex
	publishers map[string]*eventbus.Publisher
}

// get is the publisher of the bus of that name or ARN, "" for the configured one.
func (b *buses) get(bus string) activities.Bus {
	b.mu.Lock()
	defer b.mu.Unlock()
	config := b.config
	config.Bus = cmp.Or(bus, config.Bus)
	if publisher := b.publishers[config.Bus]; publisher != nil {
		return publisher
	}
	publisher := eventbus.New(config)
	if b.publishers == nil {
		b.publishers = make(map[string]*eventbus.Publisher)
	}
	b.publishers[config.Bus] = publisher
	return publisher
}
