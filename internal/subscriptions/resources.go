package subscriptions

import (
	"encoding/json"
	"errors"
	"fmt"
)

// The extensions and the profile of the Subscriptions R5 Backport guide that
// HealthLake asks for.
const (
	backport       = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
	profile        = backport + "backport-subscription"
	payloadContent = backport + "backport-payload-content"
)

type topicJSON struct {
	ResourceType string        `json:"resourceType"`
	ID           string        `json:"id"`
	URL          string        `json:"url"`
	Version      string        `json:"version"`
	Title        string        `json:"title"`
	Status       string        `json:"status"`
	Description  string        `json:"description"`
	Triggers     []triggerJSON `json:"resourceTrigger"`
}

type triggerJSON struct {
	Description  string   `json:"description"`
	Resource     string   `json:"resource"`
	Interactions []string `json:"supportedInteraction"`
}

// topicResource is written with the status unknown, which HealthLake makes active
// with the first subscription.
func topicResource(id, url, resourceType string, interactions []string) topicJSON {
	return topicJSON{
		ResourceType: typeTopic, ID: id, URL: url, Version: "1.0.0-fhir.r4b", Title: id, Status: "unknown",
		Description: "changes of " + resourceType + ", for healthlake-cdc",
		Triggers: []triggerJSON{{
			Description: "changes of " + resourceType, Resource: resourceType, Interactions: interactions,
		}},
	}
}

type subscriptionJSON struct {
	ResourceType string      `json:"resourceType"`
	ID           string      `json:"id"`
	Meta         profileJSON `json:"meta"`
	Status       string      `json:"status"`
	Reason       string      `json:"reason"`
	Criteria     string      `json:"criteria"`
	Channel      channelJSON `json:"channel"`
}

type profileJSON struct {
	Profile []string `json:"profile"`
}

type channelJSON struct {
	Type        string         `json:"type"`
	Endpoint    string         `json:"endpoint"`
	Payload     string         `json:"payload"`
	PayloadMore extensionsJSON `json:"_payload"`
}

type extensionsJSON struct {
	Extension []extensionJSON `json:"extension"`
}

type extensionJSON struct {
	URL  string `json:"url"`
	Code string `json:"valueCode"`
}

// subscriptionResource asks for ids only: the bodies are read when search has
// settled, and no more patient data than that travels through the queue.
func subscriptionResource(id, topicURL, resourceType, busARN string) subscriptionJSON {
	return subscriptionJSON{
		ResourceType: typeSubscription, ID: id, Meta: profileJSON{Profile: []string{profile}}, Status: "requested",
		Reason: "healthlake-cdc captures changes of " + resourceType, Criteria: topicURL,
		Channel: channelJSON{
			Type: "event-bridge", Endpoint: busARN, Payload: "application/fhir+json",
			PayloadMore: extensionsJSON{Extension: []extensionJSON{{URL: payloadContent, Code: "id-only"}}},
		},
	}
}

// statementID names our statement among the others of a bus's policy.
const statementID = "HealthLakeNotifies"

// Policy is the statement that a bus's resource policy needs, so that HealthLake
// may put notifications on it.
func Policy(busARN string) json.RawMessage {
	return fmt.Appendf(nil, `{"Sid":%q,"Effect":"Allow","Principal":{"Service":"healthlake.amazonaws.com"},"Action":"events:PutEvents","Resource":%q}`, statementID, busARN)
}

// errPolicy is of a policy that cannot be added to.
var errPolicy = errors.New("the bus's policy is no JSON document with statements: add the statement to it by hand")

// AddTo returns a bus's policy with the statement of Policy added to it, or put in
// the place of an earlier one of that name; everything else stays as it was. An
// empty policy is none.
func AddTo(policy, busARN string) (string, error) {
	document := map[string]json.RawMessage{"Version": json.RawMessage(`"2012-10-17"`)}
	var statements []json.RawMessage
	if policy != "" {
		document = nil
		if err := json.Unmarshal([]byte(policy), &document); err != nil {
			return "", errPolicy
		}
		if err := json.Unmarshal(document["Statement"], &statements); err != nil {
			statements = []json.RawMessage{document["Statement"]} // one statement needs no list
		}
	}
	var kept []json.RawMessage
	for _, statement := range statements {
		var head struct{ Sid string }
		if err := json.Unmarshal(statement, &head); err != nil {
			return "", errPolicy
		}
		if head.Sid != statementID {
			kept = append(kept, statement)
		}
	}
	all, err := json.Marshal(append(kept, Policy(busARN)))
	if err != nil {
		return "", errPolicy
	}
	document["Statement"] = all
	text, err := json.Marshal(document)
	return string(text), err
}

// Allows tells whether a bus's policy lets HealthLake put events: whether any
// statement of it allows that to the service. A policy that cannot be read allows
// nothing.
func Allows(policy string) bool {
	var document struct {
		Statement []struct {
			Effect    string
			Principal any
			Action    any
		}
	}
	if json.Unmarshal([]byte(policy), &document) != nil {
		return false
	}
	for _, statement := range document.Statement {
		service := statement.Principal
		if named, ok := service.(map[string]any); ok {
			service = named["Service"]
		}
		if statement.Effect == "Allow" && (holds(service, "healthlake.amazonaws.com") || holds(service, "*")) &&
			(holds(statement.Action, "events:PutEvents") || holds(statement.Action, "events:*") || holds(statement.Action, "*")) {
			return true
		}
	}
	return false
}

// holds tells whether a value is a text, or a list with it.
func holds(value any, text string) bool {
	list, ok := value.([]any)
	if !ok {
		return value == text
	}
	for _, one := range list {
		if one == text {
			return true
		}
	}
	return false
}
