package stack

import (
	"encoding/json"
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
		// The default bus takes every event of AWS; a rule that cannot deliver is
		// counted by the stand-in.
		_, _ = s.AWS.PutAWSEvent(awslocal.AWSEvent{
			Source: r.Source, DetailType: r.DetailType, Time: r.Time, Resources: r.Resources, Detail: detail,
		})
	}
}

// Delivery is a record that came to the trigger queue.
type Delivery struct {
	Datastore string
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
		Detail simulator.RecordDetail `json:"detail"`
	}
	if json.Unmarshal(body, &event) != nil {
		return // not a record: none of ours
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, Delivery{
		Datastore: event.Detail.RequestParameters.DatastoreID,
		EventName: event.Detail.EventName, EventID: event.Detail.EventID,
		EventTime: event.Detail.EventTime, At: at,
	})
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
