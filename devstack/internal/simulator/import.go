package simulator

import (
	"errors"
	"fmt"
	"time"
)

// ImportJob is what an import reads.
type ImportJob struct {
	Datastore string
	// Resources is how many, Resource the i-th: its type and its body, which carries
	// its id.
	Resources int
	Resource  func(i int) (resourceType string, body []byte)
	// Before is called ahead of each resource; nil is not. It is where an injected
	// clock moves.
	Before func(i int)
	// Fails ends the job as failed, after it has written everything.
	Fails bool
}

// Import writes resources like an import job: each is a version, none leaves a
// CloudTrail record, and the job's events go to the default bus.
func (s *Server) Import(job ImportJob) (id string, err error) {
	d := s.stores[job.Datastore]
	if d == nil {
		return "", errors.New("importing: there is no such data store")
	}
	id = s.requests.uuid()
	submitted := s.now()
	s.jobEvent("Submitted", job.Datastore, id, submitted)
	s.jobEvent("In Progress", job.Datastore, id, submitted)
	for i := range job.Resources {
		if job.Before != nil {
			job.Before(i)
		}
		resourceType, body := job.Resource(i)
		draft, p := s.cfg.newDraft(resourceType, body)
		if p != nil {
			return id, fmt.Errorf("importing resource %d: %s", i, p.text)
		}
		if d.types[resourceType] == nil || draft.id == "" {
			return id, fmt.Errorf("importing resource %d: it needs an id and a type that the data store has", i)
		}
		d.mu.Lock()
		d.commit(resourceType, draft.id, draft, "")
		d.mu.Unlock()
	}
	state := "Completed"
	if job.Fails {
		state = "Failed"
	}
	s.jobEvent(state, job.Datastore, id, submitted)
	return id, nil
}

func (s *Server) jobEvent(state, datastore, id string, submitted time.Time) {
	s.send(0, Event{Source: "aws.healthlake", DetailType: "Import Job " + state, Time: s.now().Truncate(time.Second), Detail: plain(map[string]any{
		"jobId": id, "submitTime": submitted.Format(millisecondLayout), "datastoreId": datastore,
		"inputDataConfig": map[string]any{"s3Uri": "s3://devstack/import/"},
	})})
}
