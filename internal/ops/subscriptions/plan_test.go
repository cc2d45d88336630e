package subscriptions

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

const (
	testStore = "0123456789abcdef0123456789abcdef"
	bus       = "arn:aws:events:us-west-2:111122223333:event-bus/default"
)

// memory is a store that keeps what it is given, and adds what HealthLake adds.
type memory struct {
	all    map[string]json.RawMessage
	writes []string
}

func (m *memory) ReadDefinition(_ context.Context, datastore, resourceType, id string) (json.RawMessage, bool, error) {
	body, found := m.all[datastore+"/"+resourceType+"/"+id]
	return body, found, nil
}

func (m *memory) PutDefinition(_ context.Context, datastore, resourceType, id string, body []byte) (bool, error) {
	if resourceType == typeSubscription {
		if _, found := m.all[datastore+"/"+typeTopic+"/"+id]; !found {
			return false, &cdc.Error{Op: "PUT {Type}/{id}", Class: cdc.ClassInvalidRequest, Status: 400}
		}
	}
	var resource map[string]any
	if err := json.Unmarshal(body, &resource); err != nil {
		return false, err
	}
	meta, _ := resource["meta"].(map[string]any)
	if meta == nil {
		meta = make(map[string]any)
	}
	meta["versionId"] = "1"
	resource["meta"], resource["status"], resource["text"] = meta, "active", "added"
	m.set(datastore+"/"+resourceType+"/"+id, resource)
	m.writes = append(m.writes, resourceType+"/"+id)
	return true, nil
}

func (m *memory) set(key string, resource map[string]any) {
	body, err := json.Marshal(resource)
	if err != nil {
		panic(err)
	}
	if m.all == nil {
		m.all = make(map[string]json.RawMessage)
	}
	m.all[key] = body
}

func settings(types ...string) Settings {
	return Settings{
		Datastores: []string{testStore}, Types: map[string][]string{testStore: types},
		Endpoint: "https://healthlake.us-west-2.amazonaws.com", BusARN: bus,
	}
}

func actions(plan []Item) map[string]string {
	of := make(map[string]string)
	for _, item := range plan {
		of[item.ResourceType+"/"+item.ID] = item.Action
	}
	return of
}

func TestApplyTwiceWritesOnce(t *testing.T) {
	store := &memory{}
	plan, err := Plan(t.Context(), store, settings("Encounter", "Patient"))
	require.NoError(t, err)
	require.Empty(t, store.writes, "a plan writes nothing")
	require.Equal(t, map[string]string{
		"SubscriptionTopic/healthlake-cdc-encounter": ActionCreate, "Subscription/healthlake-cdc-encounter": ActionCreate,
		"SubscriptionTopic/healthlake-cdc-patient": ActionCreate, "Subscription/healthlake-cdc-patient": ActionCreate,
	}, actions(plan))
	done := 0
	written, err := Apply(t.Context(), store, plan, func(Item) { done++ })
	require.NoError(t, err)
	require.Equal(t, 4, written)
	require.Equal(t, 4, done)

	again, err := Plan(t.Context(), store, settings("Encounter", "Patient"))
	require.NoError(t, err)
	for _, item := range again {
		require.Equal(t, ActionNone, item.Action, "%s differs in %v", item.ID, item.Differs)
		require.Equal(t, "active", item.Status)
	}
	written, err = Apply(t.Context(), store, again, func(Item) {})
	require.NoError(t, err)
	require.Zero(t, written)
}

// The shape is the one that HealthLake's developer guide shows.
func TestResources(t *testing.T) {
	plan, err := Plan(t.Context(), &memory{}, settings("Encounter"))
	require.NoError(t, err)
	require.JSONEq(t, `{"resourceType":"SubscriptionTopic","id":"healthlake-cdc-encounter",
		"url":"https://healthlake.us-west-2.amazonaws.com/datastore/`+testStore+`/r4/SubscriptionTopic/healthlake-cdc-encounter",
		"version":"1.0.0-fhir.r4b","title":"healthlake-cdc-encounter","status":"unknown","description":"changes of Encounter, for healthlake-cdc",
		"resourceTrigger":[{"description":"changes of Encounter","resource":"Encounter","supportedInteraction":["create","update","delete"]}]}`,
		string(plan[0].Body))
	require.JSONEq(t, `{"resourceType":"Subscription","id":"healthlake-cdc-encounter",
		"meta":{"profile":["http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription"]},
		"status":"requested","reason":"healthlake-cdc captures changes of Encounter",
		"criteria":"https://healthlake.us-west-2.amazonaws.com/datastore/`+testStore+`/r4/SubscriptionTopic/healthlake-cdc-encounter",
		"channel":{"type":"event-bridge","endpoint":"`+bus+`","payload":"application/fhir+json",
		"_payload":{"extension":[{"url":"http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content","valueCode":"id-only"}]}}}`,
		string(plan[1].Body))
}

func TestPlanShowsWhatDiffers(t *testing.T) {
	store := &memory{}
	plan, err := Plan(t.Context(), store, settings("Encounter"))
	require.NoError(t, err)
	_, err = Apply(t.Context(), store, plan, func(Item) {})
	require.NoError(t, err)

	elsewhere := settings("Encounter")
	elsewhere.BusARN = "arn:aws:events:us-west-2:111122223333:event-bus/other"
	plan, err = Plan(t.Context(), store, elsewhere)
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"SubscriptionTopic/healthlake-cdc-encounter": ActionNone, "Subscription/healthlake-cdc-encounter": ActionChange,
	}, actions(plan))
	require.Equal(t, []string{"channel"}, plan[1].Differs)

	for status, want := range map[string]string{"error": ActionBroken, "off": ActionChange, "requested": ActionNone} {
		var resource map[string]any
		require.NoError(t, json.Unmarshal(store.all[testStore+"/Subscription/healthlake-cdc-encounter"], &resource))
		resource["status"] = status
		store.set(testStore+"/Subscription/healthlake-cdc-encounter", resource)
		plan, err = Plan(t.Context(), store, settings("Encounter"))
		require.NoError(t, err)
		require.Equal(t, want, plan[1].Action, status)
		_, err = Apply(t.Context(), &memory{all: store.all}, plan, func(Item) {})
		require.Equal(t, want == ActionBroken, err != nil)
	}
}

func TestSeparateDeletes(t *testing.T) {
	separate := settings("Encounter")
	separate.SeparateDeletes = true
	plan, err := Plan(t.Context(), &memory{}, separate)
	require.NoError(t, err)
	require.Len(t, plan, 4)
	require.Contains(t, string(plan[0].Body), `["create","update"]`)
	require.Equal(t, "healthlake-cdc-encounter-deletes", plan[2].ID)
	require.Contains(t, string(plan[2].Body), `["delete"]`)
}

func TestMoreTypesThanAStoreAllows(t *testing.T) {
	var types []string
	for i := range maxPerStore + 1 {
		types = append(types, fmt.Sprintf("Type%c%c", 'a'+i/26, 'a'+i%26))
	}
	store := &memory{}
	_, err := Plan(t.Context(), store, settings(types...))
	require.ErrorContains(t, err, "needs 51 subscriptions, one for each type, and allows 50: choose types with --type")
	plan, err := Plan(t.Context(), store, settings(types[:maxPerStore]...))
	require.NoError(t, err)
	require.Len(t, plan, 2*maxPerStore)
	separate := settings(types[:26]...)
	separate.SeparateDeletes = true
	_, err = Plan(t.Context(), store, separate)
	require.ErrorContains(t, err, "needs 52 subscriptions, one for each type and one for its deletes")
}

func TestStatementIsAddedToThePolicy(t *testing.T) {
	const other = `{"Sid":"Other","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"events:PutEvents","Resource":"x"}`
	for name, policy := range map[string]string{
		"none": "", "a list": `{"Version":"2012-10-17","Id":"ours","Statement":[` + other + `]}`,
		"one statement": `{"Version":"2012-10-17","Statement":` + other + `}`,
		"no statement":  `{"Version":"2012-10-17","Statement":[]}`,
	} {
		added, err := AddTo(policy, bus)
		require.NoError(t, err, name)
		require.True(t, GrantOf(added, bus).Allowed, name)
		require.Equal(t, strings.Contains(policy, "Other"), strings.Contains(added, other), name)
		require.Equal(t, strings.Contains(policy, "ours"), strings.Contains(added, `"Id":"ours"`), name)
		again, err := AddTo(added, bus)
		require.NoError(t, err, name)
		require.JSONEq(t, added, again, "it is there once")
	}
	for _, policy := range []string{"no JSON", `{}`, `{"Statement":3}`, `{"Statement":["a"]}`, `null`} {
		_, err := AddTo(policy, bus)
		require.Error(t, err, policy)
	}
}

// What the store adds, at any depth, is no change; what it takes away or turns into
// something else is.
func TestPlanComparesOnlyWhatWeWrote(t *testing.T) {
	store := &memory{}
	plan, err := Plan(t.Context(), store, settings("Encounter"))
	require.NoError(t, err)
	_, err = Apply(t.Context(), store, plan, func(Item) {})
	require.NoError(t, err)
	const subscription, topic = testStore + "/Subscription/healthlake-cdc-encounter", testStore + "/SubscriptionTopic/healthlake-cdc-encounter"
	type object = map[string]any
	channel := func(o object) object { return o["channel"].(object) }
	payload := func(o object) object { return channel(o)["_payload"].(object) }
	for name, c := range map[string]struct {
		key    string
		change func(object)
		want   string
	}{
		"a header, as reported": {subscription, func(o object) { channel(o)["header"] = []any{"X-Added: by the store"} }, ActionNone},
		"an id of an extension": {subscription, func(o object) { payload(o)["extension"].([]any)[0].(object)["id"] = "x" }, ActionNone},
		"an extension before ours": {subscription, func(o object) {
			payload(o)["extension"] = append([]any{object{"url": "urn:x"}}, payload(o)["extension"].([]any)...)
		}, ActionNone},
		"a profile": {subscription, func(o object) {
			o["meta"].(object)["profile"] = append(o["meta"].(object)["profile"].([]any), "urn:more")
		}, ActionNone},
		"a member of a trigger": {topic, func(o object) {
			o["resourceTrigger"].([]any)[0].(object)["queryCriteria"] = object{"requireBoth": true}
		}, ActionNone},
		"a channel of another form":     {subscription, func(o object) { o["channel"] = []any{o["channel"]} }, ActionChange},
		"another endpoint":              {subscription, func(o object) { channel(o)["endpoint"] = "arn:x" }, ActionChange},
		"no payload":                    {subscription, func(o object) { delete(channel(o), "payload") }, ActionChange},
		"another value of an extension": {subscription, func(o object) { payload(o)["extension"].([]any)[0].(object)["valueCode"] = "full-resource" }, ActionChange},
		"no profile of ours":            {subscription, func(o object) { o["meta"].(object)["profile"] = []any{"urn:more"} }, ActionChange},
		"an interaction more": {topic, func(o object) {
			o["resourceTrigger"].([]any)[0].(object)["supportedInteraction"] = []any{"create", "update", "delete", "read"}
		}, ActionChange},
		"interactions in another order": {topic, func(o object) {
			o["resourceTrigger"].([]any)[0].(object)["supportedInteraction"] = []any{"delete", "update", "create"}
		}, ActionNone},
	} {
		t.Run(name, func(t *testing.T) {
			changed := &memory{all: maps.Clone(store.all)}
			var resource object
			require.NoError(t, json.Unmarshal(changed.all[c.key], &resource))
			c.change(resource)
			changed.set(c.key, resource)
			plan, err := Plan(t.Context(), changed, settings("Encounter"))
			require.NoError(t, err)
			for _, item := range plan {
				want := ActionNone
				if testStore+"/"+item.ResourceType+"/"+item.ID == c.key {
					want = c.want
				}
				require.Equal(t, want, item.Action, item.Differs)
			}
		})
	}
}
