package eventbus

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"healthlake-cdc/internal/cdc"
)

const (
	// DefaultCallTimeout bounds one call of EventBridge.
	DefaultCallTimeout = 8 * time.Second
	// MaxEntries is how many entries PutEvents takes (EventBridge API
	// reference, PutEvents: "Maximum number of 10 items").
	MaxEntries = 10
	// MaxTries is how often in a row a call is made that gets nothing accepted,
	// before Publish returns and leaves further retries to its caller.
	MaxTries = 8
	// minBackoff and maxBackoff bound the longest delay after the first and
	// after later tries: EventBridge's quotas are a second's.
	minBackoff = 250 * time.Millisecond
	maxBackoff = 2 * time.Second
)

// Call is what one PutEvents call came to, for metrics.
type Call struct {
	// Entries sent, and their size by cdc.Event.Size in bytes.
	Entries, Bytes int
	// Accepted, Refused for good, and Failed (to be sent again) add up to
	// Entries.
	Accepted, Refused, Failed int
	Took                      time.Duration
	// Class of the error when the call as a whole failed, else empty.
	Class cdc.Class
}

// Config tells where and how to publish.
type Config struct {
	Client API
	// Bus is the name or the ARN of the event bus.
	Bus string
	// MaxBytes bounds an entry, and the sum of a call's entries, in bytes by
	// cdc.Event.Size (CDC_MAX_EVENT_BYTES).
	MaxBytes int
	// CallTimeout bounds one call; 0 is DefaultCallTimeout.
	CallTimeout time.Duration
	// Observe is told of every PutEvents call; it may be nil, must be safe for
	// concurrent use and must not block.
	Observe func(Call)
	// Logger is told, once, when the bus cannot be checked; nil is the default.
	Logger *slog.Logger
}

// Publisher puts events on one bus. It is safe for concurrent use.
type Publisher struct {
	client      API
	bus         string
	maxBytes    int
	callTimeout time.Duration
	observe     func(Call)
	check       *busCheck

	backoff func(tries int) time.Duration
	sleep   func(context.Context, time.Duration) error
	now     func() time.Time
}

// New returns a publisher, or says what its configuration lacks.
func New(c Config) (*Publisher, error) {
	switch {
	case c.Client == nil:
		return nil, errors.New("event bus: no EventBridge client was given")
	case c.Bus == "":
		return nil, errors.New("event bus: no bus was named; set CDC_EVENT_BUS")
	case c.MaxBytes <= 0:
		return nil, errors.New("event bus: the size limit is not positive; set CDC_MAX_EVENT_BYTES")
	case c.CallTimeout < 0:
		return nil, errors.New("event bus: the call timeout is negative")
	}
	p := &Publisher{
		client:      c.Client,
		bus:         c.Bus,
		maxBytes:    c.MaxBytes,
		callTimeout: cmp.Or(c.CallTimeout, DefaultCallTimeout),
		observe:     c.Observe,
		backoff:     backoff,
		sleep:       sleep,
		now:         time.Now,
	}
	if p.observe == nil {
		p.observe = func(Call) {}
	}
	p.check = &busCheck{
		client:  p.client,
		bus:     p.bus,
		timeout: p.callTimeout,
		logger:  cmp.Or(c.Logger, slog.Default()),
		now:     func() time.Time { return p.now() },
	}
	return p, nil
}

// Result tells what EventBridge accepted and refused.
type Result = cdc.PublishResult

// Publish sends the events that are not accepted yet (accepted[i] == "", or i
// beyond its end), in order, in calls of at most MaxEntries entries and MaxBytes
// bytes, one call at a time.
//
// progress, which may be nil, gets a copy of all accepted ids so far after each
// call in which EventBridge accepted something (or refused something for good).
//
// An entry that EventBridge refuses for good by an error code of its own is in
// Result.Refused, and the others are sent all the same. Everything else, the refusal of a
// whole call included, is an error, always a
// *cdc.Error: throttled for too long, unavailable, bus missing, forbidden,
// interrupted. The result beside an error holds what was accepted before it; who
// gives that to the next Publish repeats at most the one call whose answer was
// lost.
//
// A Publish that keeps failing returns within two CallTimeouts of its start or of
// the last progress, so that a heartbeat timeout above that tells one that
// retries from one that hangs. After a cancellation it sends nothing more, but waits for the
// answer to the call that is in flight: torn off, that call would be repeated.
func (p *Publisher) Publish(ctx context.Context, events []cdc.Event, accepted []string, progress func(accepted []string)) (Result, error) {
	if len(accepted) > len(events) {
		return Result{}, &cdc.Error{
			Op: opPut, Class: cdc.ClassInvalidInput,
			Advice: "more entries are marked as accepted than there are events: heartbeat of another batch?",
		}
	}
	r := &run{Publisher: p, events: events, ids: make([]string, len(events)), progress: progress, heard: p.now()}
	copy(r.ids, accepted)
	err := r.all(ctx)
	slices.SortFunc(r.refused, func(a, b cdc.Rejection) int { return cmp.Compare(a.Index, b.Index) })
	return Result{EventIDs: r.ids, Rejected: r.refused}, err
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
