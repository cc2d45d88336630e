package queue

import (
	"container/list"
	"sync"
	"time"

	"healthlake-cdc/internal/cdc"
)

const (
	// rememberCount is how many windows are remembered: 11 hours of one
	// datastore, or 5 minutes of 130.
	rememberCount = 4096
	// rememberFor is how long: beyond it a storm's cost is one call each time,
	// and an execution that an operator has deleted can be opened again.
	rememberFor = 5 * time.Minute
	// rememberYoung is how old a window may be to be remembered when it was not
	// opened just now. An execution is deleted a namespace's retention, an hour
	// at least, after its close: a younger window's is there for certain.
	rememberYoung = 50 * time.Minute
)

// memory holds the windows that were seen to exist a moment ago, the least
// recently used one going first.
type memory struct {
	most int
	keep time.Duration

	mu      sync.Mutex
	entries map[cdc.Window]*list.Element
	recent  *list.List // of remembered, the most recently used first
}

type remembered struct {
	window cdc.Window
	until  time.Time
}

func newMemory(most int, keep time.Duration) *memory {
	return &memory{most: most, keep: keep, entries: make(map[cdc.Window]*list.Element), recent: list.New()}
}

// has tells whether the window is known to exist.
func (m *memory) has(w cdc.Window) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	element, found := m.entries[w]
	if !found {
		return false
	}
	if !time.Now().Before(element.Value.(remembered).until) {
		m.forget(element)
		return false
	}
	m.recent.MoveToFront(element)
	return true
}

// add remembers a window that was just opened, or seen to exist, if its
// execution is sure to exist for as long as it is remembered.
func (m *memory) add(w cdc.Window, opened bool) {
	now := time.Now()
	if !opened && now.Sub(w.Start) > rememberYoung {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if element, found := m.entries[w]; found {
		m.forget(element)
	}
	m.entries[w] = m.recent.PushFront(remembered{window: w, until: now.Add(m.keep)})
	if m.recent.Len() > m.most {
		m.forget(m.recent.Back())
	}
}

func (m *memory) forget(element *list.Element) {
	delete(m.entries, element.Value.(remembered).window)
	m.recent.Remove(element)
}
