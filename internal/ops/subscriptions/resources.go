package subscriptions

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
