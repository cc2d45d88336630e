package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// MaxSubscriptions is the quota of Subscriptions in a data store (AWS, "HealthLake
// endpoints and quotas").
const MaxSubscriptions = 50

// The types of FHIR Subscriptions. They are not data: neither the write log nor a search
// has them.
const (
	typeTopic        = "SubscriptionTopic"
	typeSubscription = "Subscription"
)

// subscriptions are a data store's topics and subscriptions.
type subscriptions struct {
	mu     sync.Mutex
	topics map[string]*topic        // by id
	all    map[string]*subscription // by id
	writes int
}

type topic struct {
	url, resource string
	interactions  []string
	body          []byte
}

type subscription struct {
	topic   string // id
	bus     string // ARN
	full    bool
	active  time.Time // when notifications start
	body    []byte    // as it was put: status requested
	written time.Time
	version int
}

func (s *Server) subscriptionRoutes(m *http.ServeMux, base string) {
	for _, resourceType := range []string{typeTopic, typeSubscription} {
		path := base + "/" + resourceType + "/{id}"
		as := func(op *operation, run func(*call, string) (*reply, *problem)) http.HandlerFunc {
			own := *op
			own.run = func(c *call) (*reply, *problem) {
				c.typ = resourceType // of the record
				return run(c, resourceType)
			}
			return s.serve(&own)
		}
		m.HandleFunc("PUT "+path, as(opUpdate, putDefinition))
		m.HandleFunc("GET "+path, as(opRead, getSubscription))
		m.HandleFunc("DELETE "+path, as(opDelete, removeSubscription))
	}
}

// definition is a topic or a subscription as a client puts it.
type definition struct {
	ResourceType    string `json:"resourceType"`
	ID              string `json:"id"`
	URL             string `json:"url"`
	Status          string `json:"status"`
	Criteria        string `json:"criteria"`
	ResourceTrigger []struct {
		Resource     string   `json:"resource"`
		Interactions []string `json:"supportedInteraction"`
	} `json:"resourceTrigger"`
	Channel struct {
		Type     string `json:"type"`
		Endpoint string `json:"endpoint"`
		Payload  struct {
			Extension []extension `json:"extension"`
		} `json:"_payload"`
	} `json:"channel"`
}

type extension struct {
	URL  string `json:"url"`
	Code string `json:"valueCode"`
}

// putDefinition accepts what the service accepts: a topic of one resource type, a
// subscription to a topic that exists, on an event bus.
func putDefinition(c *call, resourceType string) (*reply, *problem) {
	var in definition
	if json.Unmarshal(c.body, &in) != nil || in.ResourceType != resourceType || in.ID != c.id || !logicalID.MatchString(c.id) {
		return nil, invalidResource("the resource is not of the path's type and id: send the same in both")
	}
	subs := &c.ds.subs
	subs.mu.Lock()
	defer subs.mu.Unlock()
	if resourceType == typeTopic {
		return subs.putTopic(c, in)
	}
	return subs.putSubscription(c, in)
}

// putTopic expects the caller to hold the lock.
func (s *subscriptions) putTopic(c *call, in definition) (*reply, *problem) {
	if len(in.ResourceTrigger) != 1 || c.ds.types[in.ResourceTrigger[0].Resource] == nil || in.URL == "" || in.Status == "" {
		return nil, invalidResource("a topic needs a url, a status and one resourceTrigger of a type that the data store has")
	}
	if s.topics == nil {
		s.topics = make(map[string]*topic)
	}
	status := putStatus(s.topics[c.id] == nil)
	trigger := in.ResourceTrigger[0]
	s.topics[c.id] = &topic{url: in.URL, resource: trigger.Resource, interactions: trigger.Interactions, body: c.body}
	s.writes++
	return &reply{status: status, body: c.body}, nil
}

// putSubscription expects the caller to hold the lock.
func (s *subscriptions) putSubscription(c *call, in definition) (*reply, *problem) {
	_, topicID, found := strings.Cut(in.Criteria, "/"+typeTopic+"/")
	switch before := s.all[c.id]; {
	case in.Status != "requested":
		return nil, invalidResource("a subscription is written with the status requested")
	case !found || s.topics[topicID] == nil:
		return nil, invalidResource("the subscription's criteria name no topic that there is: create the topic first")
	case in.Channel.Type != "event-bridge" || !strings.HasPrefix(in.Channel.Endpoint, "arn:"):
		return nil, invalidResource("the channel is not to an event bus: this server knows event-bridge and an ARN only")
	case before == nil && len(s.all) >= MaxSubscriptions:
		return nil, &problem{status: http.StatusBadRequest, issue: "too-costly", code: "ServiceQuotaExceededException",
			text: "the data store has as many subscriptions as it may have: delete one first"}
	}
	full := slices.ContainsFunc(in.Channel.Payload.Extension, func(e extension) bool {
		return strings.HasSuffix(e.URL, "/backport-payload-content") && e.Code == "full-resource"
	})
	if s.all == nil {
		s.all = make(map[string]*subscription)
	}
	status := putStatus(s.all[c.id] == nil)
	now := c.s.now()
	sub := &subscription{topic: topicID, bus: in.Channel.Endpoint, full: full, active: now.Add(c.s.notices.Load().Activation), body: c.body, written: now, version: 1}
	if before := s.all[c.id]; before != nil {
		sub.version = before.version + 1
	}
	s.all[c.id] = sub
	s.writes++
	c.s.handshake(c.ds, c.id, sub)
	return &reply{status: status, body: c.body}, nil
}

func putStatus(isNew bool) int {
	if isNew {
		return http.StatusCreated
	}
	return http.StatusOK
}

// getSubscription returns what was put and what the service adds: meta, and the status
// active once it notifies.
func getSubscription(c *call, resourceType string) (*reply, *problem) {
	subs := &c.ds.subs
	subs.mu.Lock()
	defer subs.mu.Unlock()
	var body []byte
	active := false
	if resourceType == typeTopic {
		t := subs.topics[c.id]
		if t == nil {
			return nil, errNoResource
		}
		body = t.body
		for _, sub := range subs.all {
			active = active || sub.topic == c.id && !sub.active.After(c.s.now())
		}
	} else {
		sub := subs.all[c.id]
		if sub == nil {
			return nil, errNoResource
		}
		body, active = sub.body, !sub.active.After(c.s.now())
	}
	var resource map[string]any
	if err := json.Unmarshal(body, &resource); err != nil {
		return nil, errNoResource // it was decoded when it was put
	}
	meta, _ := resource["meta"].(map[string]any)
	if meta == nil {
		meta = make(map[string]any)
	}
	meta["versionId"], meta["lastUpdated"] = "1", c.s.now().Format(millisecondLayout)
	resource["meta"] = meta
	if active {
		resource["status"] = "active"
	}
	return &reply{status: http.StatusOK, body: plain(resource)}, nil
}

func removeSubscription(c *call, resourceType string) (*reply, *problem) {
	subs := &c.ds.subs
	subs.mu.Lock()
	defer subs.mu.Unlock()
	if resourceType == typeTopic {
		delete(subs.topics, c.id)
	} else {
		delete(subs.all, c.id)
	}
	return &reply{status: http.StatusNoContent}, nil
}

// Subscriptions returns the numbers of topics and subscriptions of the data store, and of
// their writes.
func (s *Server) Subscriptions(datastore string) (topics, subscriptions, writes int) {
	d := s.stores[datastore]
	if d == nil {
		return 0, 0, 0
	}
	d.subs.mu.Lock()
	defer d.subs.mu.Unlock()
	return len(d.subs.topics), len(d.subs.all), d.subs.writes
}
