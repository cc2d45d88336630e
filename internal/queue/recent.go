package queue

import (
	"maps"
	"sync"
	"time"

	"healthlake-cdc/internal/cdc"
)

const (
	// maxRecent is how many windows are remembered: 11 hours of one datastore, or 5
	// minutes of 130.
	maxRecent = 4096
	// recentFor is how long they are: beyond it an execution that an operator has deleted
	// can be opened again.
	recentFor = 5 * time.Minute
	// recentAge is how old a window may be to be remembered when it was not opened just
	// now: a namespace's retention is an hour at least, so a younger one is there.
	recentAge = 50 * time.Minute
)

// recentWindows are the windows that were seen to exist a moment ago. When there are too
// many, all are forgotten.
type recentWindows struct {
	max   int
	mu    sync.Mutex
	until map[cdc.Window]time.Time
}

func newRecentWindows(limit int) *recentWindows {
	return &recentWindows{max: limit, until: make(map[cdc.Window]time.Time)}
}

// has reports whether the window is known to exist.
func (r *recentWindows) has(w cdc.Window) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.until[w])
}

// add remembers a window that was just opened, or seen to exist, if its execution will
// exist for as long.
func (r *recentWindows) add(w cdc.Window, opened bool) {
	now := time.Now()
	if !opened && now.Sub(w.Start) > recentAge {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.until) >= r.max {
		maps.DeleteFunc(r.until, func(_ cdc.Window, until time.Time) bool { return !now.Before(until) })
	}
	if len(r.until) >= r.max {
		clear(r.until)
	}
	r.until[w] = now.Add(recentFor)
}
