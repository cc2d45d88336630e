package stack

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/simulator"
)

// Sink puts the simulator's CloudTrail records on the stand-in's default bus.
func (s *Stack) Sink() func(simulator.Record) {
	return func(r simulator.Record) {
		detail, err := json.Marshal(r.Detail)
		if err != nil {
			return // a struct of plain fields always marshals
		}
		// The default bus accepts every event of AWS; the stand-in counts failed
		// deliveries.
		_, _ = s.AWS.PutAWSEvent(awslocal.AWSEvent{
			Source: r.Source, DetailType: r.DetailType, Time: r.Time, Resources: r.Resources, Detail: detail,
		})
	}
}

// EventSink puts what the simulator's service sends by itself on the bus that it goes
// to: the default bus, or that of a subscription's channel.
func (s *Stack) EventSink() func(simulator.Event) {
	return func(e simulator.Event) {
		_, _ = s.AWS.PutAWSEvent(awslocal.AWSEvent{
			Bus: e.Bus, Source: e.Source, DetailType: e.DetailType, Time: e.Time, Resources: []string{}, Detail: e.Detail,
		})
	}
}

// The EventName of notifications: of events that open windows, and of deletes.
const (
	Notification         = "Notification"
	NotificationOfDelete = "NotificationOfDelete"
)

// Delivery is a record, or an event of a notification, that came to the trigger
// queue.
type Delivery struct {
	Datastore string
	// EventName is the record's, or Notification or NotificationOfDelete.
	EventName string
	EventID   string
	// EventTime is the record's, whole seconds; At is when it was delivered.
	EventTime, At time.Time
}

// Deliveries keeps what came to the trigger queue, as the queue saw it.
type Deliveries struct {
	mu  sync.Mutex
	all []Delivery
}

func newDeliveries() *Deliveries { return &Deliveries{} }

func (d *Deliveries) add(body []byte, at time.Time) {
	var event struct {
		Source     string          `json:"source"`
		DetailType string          `json:"detail-type"`
		Detail     json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &event) != nil {
		return // not an event
	}
	switch event.DetailType {
	case "FHIR Subscription Notification":
		d.addNotice(event.Detail, at)
	case "AWS API Call via CloudTrail":
		d.addRecord(event.Detail, at)
	}
}

func (d *Deliveries) addRecord(detail []byte, at time.Time) {
	var record simulator.RecordDetail
	if json.Unmarshal(detail, &record) != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, Delivery{
		Datastore: record.RequestParameters.DatastoreID,
		EventName: record.EventName, EventID: record.EventID,
		EventTime: record.EventTime, At: at,
	})
}

func (d *Deliveries) addNotice(detail []byte, at time.Time) {
	var notice struct {
		SubscriptionURL string `json:"subscriptionUrl"`
		Bundle          struct {
			Entry []struct {
				Resource struct {
					Type   string `json:"type"`
					Events []struct {
						ID        string    `json:"id"`
						Timestamp time.Time `json:"timestamp"`
					} `json:"notificationEvent"`
				} `json:"resource"`
				Request struct {
					Method string `json:"method"`
				} `json:"request"`
			} `json:"entry"`
		} `json:"notificationBundlePayload"`
	}
	if json.Unmarshal(detail, &notice) != nil {
		return
	}
	_, rest, _ := strings.Cut(notice.SubscriptionURL, "/datastore/")
	datastore, _, _ := strings.Cut(rest, "/")
	name := Notification
	for _, entry := range notice.Bundle.Entry {
		if entry.Request.Method == http.MethodDelete {
			name = NotificationOfDelete
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, entry := range notice.Bundle.Entry {
		for _, event := range entry.Resource.Events {
			d.all = append(d.all, Delivery{Datastore: datastore, EventName: name, EventID: event.ID, EventTime: event.Timestamp, At: at})
		}
	}
}

// All returns the deliveries so far, in order.
func (d *Deliveries) All() []Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Delivery(nil), d.all...)
}

// Len is how many there are.
func (d *Deliveries) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.all)
}
