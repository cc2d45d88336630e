package main

import (
	"sync"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/eventbus"
)

// buses keeps a publisher for each bus: the configured one, and those that replays
// name.
type buses struct {
	// config is what the publishers have in common.
	config eventbus.Config

	mu         sync.Mutex
	publishers map[string]*eventbus.Publisher
}

// get is the publisher of the bus of that name or ARN.
func (b *buses) get(bus string) activities.Bus {
	b.mu.Lock()
	defer b.mu.Unlock()
	if publisher := b.publishers[bus]; publisher != nil {
		return publisher
	}
	config := b.config
	config.Bus = bus
	publisher := eventbus.New(config)
	if b.publishers == nil {
		b.publishers = make(map[string]*eventbus.Publisher)
	}
	b.publishers[bus] = publisher
	return publisher
}
