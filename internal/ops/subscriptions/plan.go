// Package subscriptions plans and writes the FHIR Subscriptions by which HealthLake
// itself tells of changes: for each resource type a SubscriptionTopic and a
// Subscription to it, whose channel is an event bus (AWS HealthLake developer
// guide, "Managing FHIR Subscriptions").
package subscriptions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"healthlake-cdc/internal/cdc"
)

// MaxPerStore is how many Subscriptions a data store takes (AWS General Reference,
// "HealthLake endpoints and quotas").
const MaxPerStore = 50

// The types of the resources.
const (
	typeTopic        = "SubscriptionTopic"
	typeSubscription = "Subscription"
)

// Store reads and writes what defines subscriptions. Its errors are *cdc.Error.
type Store interface {
	ReadDefinition(ctx context.Context, datastore, resourceType, id string) (body json.RawMessage, found bool, err error)
	PutDefinition(ctx context.Context, datastore, resourceType, id string, body []byte) (created bool, err error)
}

// Settings say what is wanted.
type Settings struct {
	// Types are the resource types of each datastore.
	Datastores []string
	Types      map[string][]string
	// Endpoint is what stands before /datastore/{id}/r4/.
	Endpoint string
	// BusARN is of the event bus that is told.
	BusARN string
	// SeparateDeletes makes subscriptions of their own for deletes, so that one is
	// known from its subscription's id whatever a notification of it looks like.
	SeparateDeletes bool
}

// What a plan has in mind for a resource.
const (
	ActionCreate = "create"
	ActionChange = "change"
	ActionNone   = "none"
	// ActionBroken is of a Subscription that HealthLake could not activate: it must
	// be deleted by hand before it is written again.
	ActionBroken = "broken"
)

// Item is one resource of a plan.
type Item struct {
	Datastore    string `json:"datastore"`
	ResourceType string `json:"resourceType"`
	ID           string `json:"id"`
	Action       string `json:"action"`
	// Status is what the store says of a resource that it has.
	Status string `json:"status,omitempty"`
	// Differs are the members that are not as wanted.
	Differs []string        `json:"differs,omitempty"`
	Body    json.RawMessage `json:"resource"`
}

// Plan compares what is wanted with what the stores have. It writes nothing.
// Topics come before the subscriptions to them.
func Plan(ctx context.Context, store Store, s Settings) ([]Item, error) {
	var plan []Item
	for _, datastore := range s.Datastores {
		wanted, err := s.wanted(datastore)
		if err != nil {
			return nil, err
		}
		for _, item := range wanted {
			body, found, err := store.ReadDefinition(ctx, datastore, item.ResourceType, item.ID)
			if err != nil {
				return nil, fmt.Errorf("reading the %s of datastore %s: %w", item.ResourceType, datastore, err)
			}
			if item.Action = ActionCreate; found {
				if err := item.compare(body); err != nil {
					return nil, err
				}
			}
			plan = append(plan, item)
		}
	}
	return plan, nil
}

// Apply writes what the plan creates and changes, topics first. done is told of
// each. What is as wanted is left alone.
func Apply(ctx context.Context, store Store, plan []Item, done func(Item)) (written int, err error) {
	ordered := slices.Clone(plan)
	slices.SortStableFunc(ordered, func(a, b Item) int { return rank(a) - rank(b) })
	broken := 0
	for _, item := range ordered {
		switch item.Action {
		case ActionBroken:
			broken++
			continue
		case ActionNone:
			continue
		}
		if _, err := store.PutDefinition(ctx, item.Datastore, item.ResourceType, item.ID, item.Body); err != nil {
			return written, fmt.Errorf("writing %s/%s of datastore %s: %w", item.ResourceType, item.ID, item.Datastore, err)
		}
		written++
		done(item)
	}
	if broken > 0 {
		return written, fmt.Errorf("%d subscriptions have the status error: look at the error that the store shows in them, delete them, and apply again", broken)
	}
	return written, nil
}

func rank(item Item) int {
	if item.ResourceType == typeTopic {
		return 0
	}
	return 1
}

// wanted are the resources for one datastore.
func (s Settings) wanted(datastore string) ([]Item, error) {
	if !strings.HasPrefix(s.BusARN, "arn:") {
		return nil, errors.New("the event bus is not named by an ARN")
	}
	type about struct {
		suffix       string
		interactions []string
	}
	kinds := []about{{"", []string{"create", "update", "delete"}}}
	if s.SeparateDeletes {
		kinds = []about{{"", []string{"create", "update"}}, {cdc.DeletesSuffix, []string{"delete"}}}
	}
	types := s.Types[datastore]
	if n := len(types) * len(kinds); n > MaxPerStore {
		return nil, fmt.Errorf("datastore %s needs %d subscriptions, one for each type%s, and takes %d: choose types with --type", datastore, n,
			map[bool]string{true: " and one for its deletes"}[s.SeparateDeletes], MaxPerStore)
	}
	root := strings.TrimRight(s.Endpoint, "/") + "/datastore/" + datastore + "/r4/"
	var items []Item
	for _, resourceType := range types {
		for _, kind := range kinds {
			id := cdc.SubscriptionPrefix + strings.ToLower(resourceType) + kind.suffix
			topicURL := root + typeTopic + "/" + id
			topic, err := asJSON(topicResource(id, topicURL, resourceType, kind.interactions))
			if err != nil {
				return nil, err
			}
			subscription, err := asJSON(subscriptionResource(id, topicURL, resourceType, s.BusARN))
			if err != nil {
				return nil, err
			}
			items = append(items,
				Item{Datastore: datastore, ResourceType: typeTopic, ID: id, Body: topic},
				Item{Datastore: datastore, ResourceType: typeSubscription, ID: id, Body: subscription})
		}
	}
	return items, nil
}

func asJSON(resource any) (json.RawMessage, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(resource); err != nil {
		return nil, fmt.Errorf("writing a subscription: %w", err)
	}
	return bytes.TrimSpace(text.Bytes()), nil
}

// compare says in what a resource of the store's differs from what is wanted. What
// the store has besides, at any depth, is its own, and status is where the resource
// stands: it is written as one and becomes another.
func (i *Item) compare(body json.RawMessage) error {
	var have, want map[string]any
	if err := errors.Join(json.Unmarshal(body, &have), json.Unmarshal(i.Body, &want)); err != nil {
		return errors.New("comparing subscriptions: a resource is not a JSON object")
	}
	i.Status, _ = have["status"].(string)
	for name, value := range want {
		if name != "status" && !covers(have[name], value) {
			i.Differs = append(i.Differs, name)
		}
	}
	slices.Sort(i.Differs)
	switch {
	case i.ResourceType == typeSubscription && i.Status == "error":
		i.Action = ActionBroken
	case len(i.Differs) > 0 || i.ResourceType == typeSubscription && i.Status == "off":
		i.Action = ActionChange
	default:
		i.Action = ActionNone
	}
	return nil
}

// exactly are members whose lists are compared as a whole: an interaction more makes
// a topic another one.
var exactly = map[string]bool{"supportedInteraction": true}

// covers reports whether have is what want is, or more: an object with other members
// besides, a list with other elements besides or in another order, at any depth.
func covers(have, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		object, ok := have.(map[string]any)
		if !ok {
			return false
		}
		for name, value := range want {
			got, found := object[name]
			if !found || !covers(got, value) || exactly[name] && !covers(value, got) {
				return false
			}
		}
		return true
	case []any:
		list, ok := have.([]any)
		if !ok {
			return false
		}
		list = slices.Clone(list)
		for _, value := range want {
			at := slices.IndexFunc(list, func(got any) bool { return covers(got, value) })
			if at < 0 {
				return false
			}
			list = slices.Delete(list, at, at+1)
		}
		return true
	default:
		return have == want
	}
}
