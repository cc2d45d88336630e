package simulator

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Event is what the service puts on a bus by itself.
type Event struct {
	// Bus is the ARN of a subscription's channel; empty is the default bus.
	Bus                string
	Source, DetailType string
	Time               time.Time // of this delivery, whole seconds
	Detail             json.RawMessage
}

// Notices configures the notifications of FHIR Subscriptions.
type Notices struct {
	// Activation is the time from a subscription's write until it notifies; 5 to 10
	// minutes for the service.
	Activation time.Duration
	// Delay is the time from a version's write until its notification; nil is 0.
	Delay Delay
	// Loss is the fraction of notifications that never come, Repeat the fraction of
	// the others that come twice.
	Loss, Repeat float64
	// PlainDeletes leaves out what marks an event as a delete's: how the service
	// reports one is not documented.
	PlainDeletes bool
}

func (n Notices) check() error {
	if n.Loss < 0 || n.Loss > 1 || n.Repeat < 0 || n.Repeat > 1 {
		return errors.New("loss and repetition of notifications are fractions: use 0 to 1")
	}
	return nil
}

// SetNotices changes the handling of notifications from now on.
func (s *Server) SetNotices(n Notices) error {
	if err := n.check(); err != nil {
		return err
	}
	s.notices.Store(&n)
	return nil
}

type noticeBundle struct {
	ResourceType string        `json:"resourceType"`
	Type         string        `json:"type"`
	Timestamp    string        `json:"timestamp"`
	Entry        []noticeEntry `json:"entry"`
}

type noticeEntry struct {
	FullURL  string          `json:"fullUrl,omitempty"`
	Resource json.RawMessage `json:"resource,omitempty"`
	Request  *historyRequest `json:"request,omitempty"`
}

type subscriptionStatus struct {
	ResourceType string              `json:"resourceType"`
	ID           string              `json:"id"`
	Status       string              `json:"status"`
	Type         string              `json:"type"`
	Since        string              `json:"eventsSinceSubscriptionStart"`
	Events       []notificationEvent `json:"notificationEvent"`
	Subscription struct {
		Reference string `json:"reference"`
	} `json:"subscription"`
	Topic string `json:"topic"`
}

type notificationEvent struct {
	ID        string `json:"id"`
	Number    string `json:"eventNumber"`
	Timestamp string `json:"timestamp"`
	Focus     string `json:"focus"`
	Context   string `json:"additionalContext"`
}

// notify notifies every subscription to the version's type. The caller holds the data
// store's lock.
func (d *datastore) notify(v *version) {
	if d.srv.cfg.Events == nil {
		return
	}
	interaction := "update"
	switch {
	case v.deleted:
		interaction = "delete"
	case v.num == 1:
		interaction = "create"
	}
	d.subs.mu.Lock()
	defer d.subs.mu.Unlock()
	for id, sub := range d.subs.all {
		t := d.subs.topics[sub.topic]
		if t == nil || t.resource != v.res.typ || sub.active.After(v.written) {
			continue
		}
		if len(t.interactions) == 0 || slices.Contains(t.interactions, interaction) {
			d.srv.tell(d, id, sub, v)
		}
	}
}

func (s *Server) tell(d *datastore, id string, sub *subscription, v *version) {
	notices := *s.notices.Load()
	status := s.status(d, id, sub, "event-notification")
	reference := v.res.typ + "/" + v.res.id
	status.Events = []notificationEvent{{
		ID: s.noticeIDs.uuid(), Number: "0", Timestamp: s.now().Format(millisecondLayout),
		Focus: reference, Context: v.path(),
	}}
	entries := []noticeEntry{{Resource: plain(status)}}
	switch {
	case v.deleted && !notices.PlainDeletes:
		entries = append(entries, noticeEntry{FullURL: s.root(d) + "/" + reference, Request: &historyRequest{Method: http.MethodDelete, URL: reference}})
	case sub.full && !v.deleted:
		entries = append(entries, noticeEntry{Resource: v.body})
	}
	s.noticing.do(func(rnd *rand.Rand) {
		lost, again := rnd.Float64() < notices.Loss, rnd.Float64() < notices.Repeat
		copies := 1
		switch {
		case lost:
			copies = 0
		case again:
			copies = 2
		}
		for range copies {
			var delay time.Duration
			if notices.Delay != nil {
				delay = notices.Delay(rnd)
			}
			s.send(delay, s.notice(d, id, sub, entries))
		}
	})
}

// handshake notifies that a subscription has started. The caller holds the lock.
func (s *Server) handshake(d *datastore, id string, sub *subscription) {
	if s.cfg.Events != nil {
		s.send(sub.active.Sub(s.now()), s.notice(d, id, sub, []noticeEntry{{Resource: plain(s.status(d, id, sub, "handshake"))}}))
	}
}

func (s *Server) status(d *datastore, id string, sub *subscription, kind string) subscriptionStatus {
	status := subscriptionStatus{
		ResourceType: "SubscriptionStatus", ID: s.noticeIDs.uuid(), Status: "active", Type: kind, Since: strconv.Itoa(0),
		Events: []notificationEvent{}, Topic: s.root(d) + "/" + typeTopic + "/" + sub.topic,
	}
	status.Subscription.Reference = typeSubscription + "/" + id
	return status
}

func (s *Server) notice(d *datastore, id string, sub *subscription, entries []noticeEntry) Event {
	return Event{Bus: sub.bus, Source: "healthlake", DetailType: "FHIR Subscription Notification", Detail: plain(map[string]any{
		"subscriptionUrl": s.root(d) + "/" + typeSubscription + "/" + id,
		"notificationBundlePayload": noticeBundle{
			ResourceType: "Bundle", Type: "history", Timestamp: s.now().Format(millisecondLayout), Entry: entries,
		},
	})}
}

// root is the name of a data store in what the service sends.
func (s *Server) root(d *datastore) string {
	return "https://healthlake." + s.cfg.Region + ".amazonaws.com/datastore/" + d.id + "/r4"
}

// send puts an event on the bus after a delay.
func (s *Server) send(delay time.Duration, e Event) {
	if s.cfg.Events == nil {
		return
	}
	s.trail.mu.Lock()
	defer s.trail.mu.Unlock()
	if s.trail.closed {
		return
	}
	s.trail.push(max(0, delay), func(at time.Time) {
		if e.Time.IsZero() {
			e.Time = at.Truncate(time.Second)
		}
		s.cfg.Events(e)
	})
}
