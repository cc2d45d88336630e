package awslocal

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Quotas and names, from "Amazon EventBridge quotas" and "CreateEventBus".
const (
	defaultBus       = "default"
	maxTargets       = 5
	maxTargetsPerPut = 100
)

var (
	busNamePattern = regexp.MustCompile(`^[/.\-_A-Za-z0-9]{1,256}$`)
	ruleName       = regexp.MustCompile(`^[.\-_A-Za-z0-9]{1,64}$`)
)

type bus struct {
	name, arn, description string
	policy                 string // stored, not enforced
	created                time.Time
	rules                  map[string]*rule
}

type rule struct {
	Name         string
	Arn          string
	EventBusName string
	EventPattern string
	State        string
	Description  string `json:",omitempty"`

	compiled *pattern
	targets  []target
}

type target struct {
	ID  string `json:"Id"`
	Arn string
}

// busService holds the buses and delivers events to queues.
type busService struct {
	region, account string
	maxPutBytes     int
	sqs             *sqsService
	faults          *faultBox
	hooks           atomic.Pointer[[]DeliverFunc]
	accepted        atomic.Pointer[AcceptFunc]
	dropped         atomic.Int64 // entries put on a bus that does not exist

	mu    sync.RWMutex
	buses map[string]*bus // by name
}

func (b *busService) api() *service {
	return &service{
		name: "events", contentType: "application/x-amz-json-1.1",
		operations: map[string]operation{
			"CreateEventBus":    op(b.createEventBus),
			"DescribeEventBus":  op(b.describeEventBus),
			"ListEventBuses":    op(b.listEventBuses),
			"DeleteEventBus":    op(b.deleteEventBus),
			"PutRule":           op(b.putRule),
			"DescribeRule":      op(b.describeRule),
			"DeleteRule":        op(b.deleteRule),
			"ListRules":         op(b.listRules),
			"PutTargets":        op(b.putTargets),
			"RemoveTargets":     op(b.removeTargets),
			"ListTargetsByRule": op(b.listTargetsByRule),
			"PutEvents":         op(b.putEvents),
			"PutPermission":     op(b.putPermission),
		},
	}
}

func (b *busService) arn(resource string) string {
	return "arn:aws:events:" + b.region + ":" + b.account + ":" + resource
}

func (b *busService) add(name, description string) *bus {
	added := &bus{
		name: name, arn: b.arn("event-bus/" + name), description: description,
		created: time.Now(), rules: make(map[string]*rule),
	}
	b.buses[name] = added
	return added
}

// nameOf reads what calls accept for a bus: a name, an ARN, or nothing for
// the default bus.
func (b *busService) nameOf(nameOrArn string) string {
	if nameOrArn == "" {
		return defaultBus
	}
	return strings.TrimPrefix(nameOrArn, b.arn("event-bus/"))
}

// find returns a bus; b.mu is held.
func (b *busService) find(nameOrArn string) (*bus, error) {
	name := b.nameOf(nameOrArn)
	if found := b.buses[name]; found != nil {
		return found, nil
	}
	return nil, apiErrorf("ResourceNotFoundException", "Event bus %s does not exist.", name)
}

func (b *busService) findRule(nameOrArn, name string) (*rule, error) {
	on, err := b.find(nameOrArn)
	if err != nil {
		return nil, err
	}
	r := on.rules[name]
	if r == nil {
		return nil, apiErrorf("ResourceNotFoundException", "Rule %s does not exist on EventBus %s.", name, on.name)
	}
	return r, nil
}

type createBusInput struct{ Name, Description, EventSourceName string }

type createBusOutput struct {
	EventBusArn string
	Description string `json:",omitempty"`
}

func (b *busService) createEventBus(_ context.Context, in createBusInput) (createBusOutput, error) {
	if !busNamePattern.MatchString(in.Name) || in.EventSourceName != "" {
		return createBusOutput{}, apiErrorf("ValidationException", "The name of the bus is not valid, or it is that of a partner.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buses[in.Name] != nil {
		return createBusOutput{}, apiErrorf("ResourceAlreadyExistsException", "Event bus %s already exists.", in.Name)
	}
	added := b.add(in.Name, in.Description)
	return createBusOutput{EventBusArn: added.arn, Description: added.description}, nil
}

type busOutput struct {
	Name, Arn        string
	Description      string `json:",omitempty"`
	Policy           string `json:",omitempty"`
	CreationTime     int64  // seconds since 1970
	LastModifiedTime int64
}

func (o *bus) wire() busOutput {
	at := o.created.Unix()
	return busOutput{Name: o.name, Arn: o.arn, Description: o.description, Policy: o.policy, CreationTime: at, LastModifiedTime: at}
}

func (b *busService) describeEventBus(_ context.Context, in struct{ Name string }) (busOutput, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	found, err := b.find(in.Name)
	if err != nil {
		return busOutput{}, err
	}
	return found.wire(), nil
}

// putPermission replaces a bus's policy; single statements by StatementId are not
// supported.
func (b *busService) putPermission(_ context.Context, in struct{ EventBusName, Policy, StatementID string }) (none, error) {
	if !json.Valid([]byte(in.Policy)) || in.StatementID != "" {
		return none{}, apiErrorf("ValidationException", "Give a Policy, a JSON document, and nothing else.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	found, err := b.find(in.EventBusName)
	if err != nil {
		return none{}, err
	}
	found.policy = in.Policy
	return none{}, nil
}

type listBusesOutput struct{ EventBuses []busOutput }

func (b *busService) listEventBuses(_ context.Context, in struct{ NamePrefix string }) (listBusesOutput, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := listBusesOutput{EventBuses: []busOutput{}}
	for name, o := range b.buses {
		if strings.HasPrefix(name, in.NamePrefix) {
			out.EventBuses = append(out.EventBuses, o.wire())
		}
	}
	slices.SortFunc(out.EventBuses, func(x, y busOutput) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

func (b *busService) deleteEventBus(_ context.Context, in struct{ Name string }) (none, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name := b.nameOf(in.Name)
	found := b.buses[name]
	switch {
	case name == defaultBus:
		return none{}, apiErrorf("ValidationException", "Cannot delete event bus default.")
	case found != nil && len(found.rules) > 0:
		return none{}, apiErrorf("ValidationException", "Event bus %s cannot be deleted because it has rules.", name)
	}
	delete(b.buses, name) // deleting what is not there succeeds, as on AWS
	return none{}, nil
}
