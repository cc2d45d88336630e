// Package subscriptions plans and writes the FHIR Subscriptions by which HealthLake itself
// notifies of changes: for each resource type a SubscriptionTopic and a Subscription to
// it, whose channel is an event bus (AWS HealthLake developer guide, "Managing FHIR
// Subscriptions").
package subscriptions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"healthlake-cdc/internal/cdc"
)

// maxPerStore is how many Subscriptions a data store allows (AWS General Reference,
// "HealthLake endpoints and quotas").
const maxPerStore = 50

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
	// Types are by datastore.
	Datastores []string
	Types      map[string][]string
	// Endpoint is the base URL before /datastore/{id}/r4/.
	Endpoint string
	BusARN   string
	// SeparateDeletes adds separate subscriptions for deletes: a delete is then recognized
	// whatever its notification looks like.
	SeparateDeletes bool
}

// The actions of a plan.
const (
	ActionCreate = "create"
	ActionChange = "change"
	ActionNone   = "none"
	// ActionBroken is of a Subscription that HealthLake could not activate: it must be
	// deleted by hand before it is written again.
	ActionBroken = "broken"
)

// Item is one resource of a plan.
type Item struct {
	Datastore    string `json:"datastore"`
	ResourceType string `json:"resourceType"`
	ID           string `json:"id"`
	Action       string `json:"action"`
	// Status is that of the resource in the store.
	Status string `json:"status,omitempty"`
	// Differs are the members that are not as wanted.
	Differs []string        `json:"differs,omitempty"`
	Body    json.RawMessage `json:"resource"`
}

// Plan compares what is wanted with what the stores have. Topics come before the
// subscriptions to them.
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
			item.Action = ActionCreate
			if found {
				if err := item.compare(body); err != nil {
					return nil, err
				}
			}
			plan = append(plan, item)
		}
	}
	return plan, nil
}

// Apply writes what the plan creates and changes, and calls done for each.
func Apply(ctx context.Context, store Store, plan []Item, done func(Item)) (written int, err error) {
	broken := 0
	for _, item := range plan {
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
		return written, fmt.Errorf("%d subscriptions have the status error: read the error in the store, delete them, and apply again", broken)
	}
	return written, nil
}

func (s Settings) wanted(datastore string) ([]Item, error) {
	type kind struct {
		suffix       string
		interactions []string
	}
	kinds, each := []kind{{"", []string{"create", "update", "delete"}}}, "one for each type"
	if s.SeparateDeletes {
		kinds = []kind{{"", []string{"create", "update"}}, {cdc.DeletesSuffix, []string{"delete"}}}
		each += " and one for its deletes"
	}
	types := s.Types[datastore]
	if n := len(types) * len(kinds); n > maxPerStore {
		return nil, fmt.Errorf("datastore %s needs %d subscriptions, %s, and allows %d: choose types with --type", datastore, n, each, maxPerStore)
	}
	root := strings.TrimRight(s.Endpoint, "/") + "/datastore/" + datastore + "/r4/"
	var items []Item
	for _, resourceType := range types {
		for _, kind := range kinds {
			id := cdc.SubscriptionPrefix + strings.ToLower(resourceType) + kind.suffix
			topicURL := root + typeTopic + "/" + id
			topic, err := json.Marshal(topicResource(id, topicURL, resourceType, kind.interactions))
			subscription, err2 := json.Marshal(subscriptionResource(id, topicURL, resourceType, s.BusARN))
			if err := errors.Join(err, err2); err != nil {
				return nil, fmt.Errorf("encoding a subscription: %w", err)
			}
			items = append(items,
				Item{Datastore: datastore, ResourceType: typeTopic, ID: id, Body: topic},
				Item{Datastore: datastore, ResourceType: typeSubscription, ID: id, Body: subscription})
		}
	}
	return items, nil
}

// compare sets what differs between the store's resource and what is wanted. What the
// store adds, at any depth, does not count, and nor does the status, which the store
// changes.
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

// exactly are members whose lists must have no other elements: one more interaction makes
// a different topic.
var exactly = map[string]bool{"supportedInteraction": true}

// covers reports whether have has all that want has: objects may have other members, and
// lists other elements or another order, at any depth.
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
