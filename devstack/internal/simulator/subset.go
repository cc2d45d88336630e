package simulator

import "healthlake-cdc/devstack/internal/simulator/rawjson"

// subsetted is the tag of a resource that is not whole (FHIR R4, "Summary").
const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}`

// notSummary are the elements that _summary=true omits. R4 lists the summary elements of
// each type; these are in no type's list.
var notSummary = map[string]bool{"text": true, "contained": true, "extension": true, "note": true, "photo": true}

// subset is body reduced by _elements or _summary; without them body itself.
func (q searchParams) subset(body []byte) []byte {
	var keep func(name string) bool
	switch {
	case q.elements != nil:
		keep = func(name string) bool { return q.elements[name] }
	case q.summary == "true":
		keep = func(name string) bool { return !notSummary[name] }
	case q.summary == "data":
		keep = func(name string) bool { return name != "text" }
	case q.summary == "text":
		keep = func(name string) bool { return name == "text" }
	default:
		return body
	}
	members, err := rawjson.Members(body)
	if err != nil {
		panic(err) // stored bodies are objects
	}
	out := []byte{'{'}
	for _, m := range members {
		switch m.Name {
		case "resourceType", "id", "meta":
		default:
			if !keep(m.Name) {
				continue
			}
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, body[m.KeyStart:m.Start]...)
		value := body[m.Start:m.End]
		if m.Name == "meta" {
			value = tagged(value)
		}
		out = append(out, value...)
	}
	return append(out, '}')
}

// tagged is meta with the SUBSETTED tag.
func tagged(meta []byte) []byte {
	members, err := rawjson.Members(meta)
	if err != nil {
		panic(err) // the server wrote versionId into it
	}
	tags := []byte("[" + subsetted + "]")
	if m, ok := rawjson.Find(members, "tag"); ok {
		if more, err := rawjson.Prepend(meta[m.Start:m.End], []byte(subsetted)); err == nil {
			tags = more
		}
	}
	out, err := rawjson.Set(meta, "tag", tags)
	if err != nil {
		panic(err) // meta was read above
	}
	return out
}
