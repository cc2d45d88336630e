package trigger

import (
	"encoding/json"
	"slices"
	"strings"
)

// statusOf is a resource as a SubscriptionStatus, which R4B has as a resource of its
// own and R4 as Parameters named like its elements, in words joined by hyphens.
func statusOf(resource object) (status object, ok bool) {
	switch strings.ToLower(resource.text("resourceType")) {
	case "subscriptionstatus":
		return resource, true
	case "parameters":
		return partsOf(resource.list("parameter"), maxDepth), true
	}
	return nil, false
}

// maxDepth is how deep parts are read: the guide has one level of them, and each is
// decoded again for every level above it.
const maxDepth = 4

// partsOf is a list of parameters as an object: each is a member, and those of one
// name are a list. Members are found by names with or without hyphens (see object).
func partsOf(parameters []json.RawMessage, depth int) object {
	lists := make(map[string][]json.RawMessage)
	for _, raw := range parameters {
		parameter, ok := objectOf(raw)
		name := parameter.text("name")
		if value := valueOf(parameter, depth); ok && name != "" && value != nil {
			lists[name] = append(lists[name], value)
		}
	}
	parts := make(object, len(lists))
	for name, values := range lists {
		parts[name] = values[0]
		if len(values) > 1 {
			parts[name] = jsonOf(values)
		}
	}
	return parts
}

// valueOf is what a parameter holds: value[x] of any type, a resource, or its parts;
// nil when it holds nothing.
func valueOf(parameter object, depth int) json.RawMessage {
	var names []string
	for name := range parameter {
		if strings.HasPrefix(strings.ToLower(name), "value") && parameter.has(name) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		return parameter.get(slices.Min(names))
	}
	if parameter.has("resource") {
		return parameter.get("resource")
	}
	if parts := parameter.list("part"); len(parts) > 0 && depth > 0 {
		return jsonOf(partsOf(parts, depth-1))
	}
	return nil
}

// jsonOf is what was decoded from JSON as JSON again.
func jsonOf(value any) json.RawMessage {
	text, _ := json.Marshal(value) // it was valid
	return text
}

// plainText is a code, a URL or a text: as it is, or in one of the types that FHIR has
// for it (Coding, CodeableConcept, Identifier, Reference).
func plainText(raw json.RawMessage) string {
	if text := textOf(raw); text != "" {
		return text
	}
	of, _ := objectOf(raw)
	for _, member := range []string{"code", "reference", "value"} {
		if text := of.text(member); text != "" {
			return text
		}
	}
	for _, coding := range of.list("coding") {
		if text := plainText(coding); text != "" {
			return text
		}
	}
	return ""
}
