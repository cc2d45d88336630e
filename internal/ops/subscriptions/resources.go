package subscriptions

// The extensions and the profile of the Subscriptions R5 Backport guide that HealthLake
// requires.
const (
	backport       = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
	profile        = backport + "backport-subscription"
	payloadContent = backport + "backport-payload-content"
)

type object map[string]any

// topicResource has the status unknown, which HealthLake makes active with the first
// subscription.
func topicResource(id, url, resourceType string, interactions []string) object {
	return object{
		"resourceType": typeTopic, "id": id, "url": url, "version": "1.0.0-fhir.r4b", "title": id, "status": "unknown",
		"description": "changes of " + resourceType + ", for healthlake-cdc",
		"resourceTrigger": []object{{
			"description": "changes of " + resourceType, "resource": resourceType, "supportedInteraction": interactions,
		}},
	}
}

// subscriptionResource requests ids only: the bodies are read when search has settled, and
// no more patient data than that travels through the queue.
func subscriptionResource(id, topicURL, resourceType, busARN string) object {
	return object{
		"resourceType": typeSubscription, "id": id, "meta": object{"profile": []string{profile}}, "status": "requested",
		"reason": "healthlake-cdc captures changes of " + resourceType, "criteria": topicURL,
		"channel": object{
			"type": "event-bridge", "endpoint": busARN, "payload": "application/fhir+json",
			"_payload": object{"extension": []object{{"url": payloadContent, "valueCode": "id-only"}}},
		},
	}
}
