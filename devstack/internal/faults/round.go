package faults

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/truth"
)

// maxBodies bounds the triggers that can be sent again.
const maxBodies = 100

// round is what a load and its faults leave behind. In a soak they follow one another, each
// with resources and windows of its own.
type round struct {
	number     int
	began      time.Time
	writes     int // length of the write log before it
	deliveries int
	subscriber *truth.Subscriber

	mu       sync.Mutex
	accepted []acceptance
	counts   map[string]int
	// first and last are when the bus accepted events without a pause.
	first, last time.Time
	// named and heartbeats are as in the evidence.
	named, heartbeats map[string]time.Time
	// resets are the points to which runs were reset, by run id.
	resets                     map[string]int64
	lostAnswers, latePublishes int
	bodies                     []string
	made                       []string
	happened                   map[string]int // faults by kind
	idle                       map[string]int // those that found nothing to do
}

func newRound(number int) *round {
	return &round{
		number: number, began: time.Now(), subscriber: truth.NewListener(), counts: make(map[string]int),
		named: make(map[string]time.Time), heartbeats: make(map[string]time.Time), resets: make(map[string]int64), happened: make(map[string]int), idle: make(map[string]int),
	}
}

// note changes or reads the round under its lock.
func (r *round) note(f func(*round)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r)
}

// lives is the id of a patient that is never deleted.
func (r *round) lives() string { return fmt.Sprintf("%s-%d-lives", secretID, r.number) }

// pause is how long the bus accepts nothing between one Publish and another.
const pause = 500 * time.Millisecond

// keyName stands before the idempotency key in a detail.
const keyName = `"idempotencyKey":"`

// accept is what the bus does with an entry.
func (r *round) accept(e awslocal.Accepted) {
	r.subscriber.Accept(e)
	_, rest, found := strings.Cut(e.Detail, keyName)
	key, _, closed := strings.Cut(rest, `"`)
	if !found || !closed {
		return // a statement
	}
	r.note(func(r *round) {
		r.accepted = append(r.accepted, acceptance{key, e.At})
		r.counts[key]++
		if e.At.Sub(r.last) > pause {
			r.first = e.At
		}
		r.last = e.At
	})
}

// published reports whether all versions of a resource are on the bus.
func (r *round) published(datastore string, of resource) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for version := 1; version <= of.version; version++ {
		if r.counts[fmt.Sprintf("%s/%s/%s/_history/%d", datastore, of.resourceType, of.id, version)] == 0 {
			return false
		}
	}
	return true
}

func (r *round) keep(body []byte) {
	r.note(func(r *round) {
		r.bodies = append(r.bodies[max(0, len(r.bodies)-maxBodies+1):], string(body))
	})
}
