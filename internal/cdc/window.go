package cdc

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// WindowWidth is the length of every window. It is no setting: with two widths at once a
// version would lie in two windows, and their workflow IDs would not dedup.
const WindowWidth = 10 * time.Second

// Window is ten seconds of one datastore, [Start, Start+WindowWidth) in meta.lastUpdated
// time, aligned to the Unix epoch. Every version lies in exactly one.
type Window struct {
	Datastore string    `json:"datastore"`
	Start     time.Time `json:"start"`
}

var datastorePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ValidDatastore reports whether id can be a datastore id: 1 to 64 letters,
// digits, hyphens and underscores (HealthLake gives 32 hexadecimal digits).
func ValidDatastore(id string) bool { return datastorePattern.MatchString(id) }

// WindowAt returns the window of datastore in which t lies.
func WindowAt(datastore string, t time.Time) Window {
	return Window{Datastore: datastore, Start: floor(t)}
}

// End is the first moment after the window.
func (w Window) End() time.Time { return w.Start.Add(WindowWidth) }

// Contains reports whether t lies in [Start, End).
func (w Window) Contains(t time.Time) bool { return w.Span().Contains(t) }

// Span returns the window as a span of its store.
func (w Window) Span() Span { return Span{From: w.Start, To: w.End()} }

// Validate says what is wrong with the window.
func (w Window) Validate() error {
	if !ValidDatastore(w.Datastore) {
		return errors.New("window names no valid datastore id")
	}
	if !w.Start.Equal(floor(w.Start)) {
		return fmt.Errorf("window start %s is not aligned to %s", w.Start.UTC().Format(time.RFC3339Nano), WindowWidth)
	}
	return nil
}

// WindowsTouching returns, oldest first, the windows of datastore that share a moment
// with [from, to).
func WindowsTouching(datastore string, from, to time.Time) []Window {
	if !to.After(from) {
		return nil
	}
	var windows []Window
	for start := floor(from); start.Before(to); start = start.Add(WindowWidth) {
		windows = append(windows, Window{Datastore: datastore, Start: start})
	}
	return windows
}

// floor is the edge at or before t, in UTC. Truncate counts from the year 1, which is a
// multiple of ten seconds before the Unix epoch.
func floor(t time.Time) time.Time { return t.UTC().Truncate(WindowWidth) }

// Span is a half-open range [From, To) of meta.lastUpdated.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Contains reports whether t lies in [From, To).
func (s Span) Contains(t time.Time) bool { return !t.Before(s.From) && t.Before(s.To) }

// Widened returns the smallest span on windows' edges that holds s.
func (s Span) Widened() Span {
	to := floor(s.To)
	if to.Before(s.To) {
		to = to.Add(WindowWidth)
	}
	return Span{From: floor(s.From), To: to}
}

// Halves cuts a span in two at a window's edge near its middle, where it has one.
func (s Span) Halves() (early, late Span, ok bool) {
	middle := floor(s.From.Add(s.To.Sub(s.From) / 2))
	if !middle.After(s.From) || !middle.Before(s.To) {
		return Span{}, Span{}, false
	}
	return Span{From: s.From, To: middle}, Span{From: middle, To: s.To}, true
}
