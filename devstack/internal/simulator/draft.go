package simulator

import (
	"bytes"
	"net/http"
	"regexp"
	"unicode/utf8"

	"healthlake-cdc/devstack/internal/simulator/rawjson"
)

var (
	typeName = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}$`)
	// logicalID is FHIR's id datatype.
	logicalID = regexp.MustCompile(`^[A-Za-z0-9\-.]{1,64}$`)
	// anyID is what Config.AnyIDs allows: everything that JSON does not escape.
	anyID = regexp.MustCompile(`^[^"\\[:cntrl:]]{1,512}$`)
)

// allows reports whether a client may give a resource this id.
func (c Config) allows(id string) bool {
	return logicalID.MatchString(id) || c.AnyIDs && anyID.MatchString(id)
}

// draft is a resource as its writer sent it, with the places where the server
// writes its own values. It is made before the store is locked.
type draft struct {
	id    string // the writer's, "" if it gave none
	src   []byte
	slots []slot // in the order of the text
}

// slot replaces src[start:end) by before + value + after.
type slot struct {
	start, end    int
	value         slotValue
	before, after string
}

type slotValue int

const (
	slotID slotValue = iota
	slotVersion
	slotLastUpdated
)

func invalidResource(text string) *problem {
	return &problem{status: http.StatusBadRequest, issue: "invalid", code: "ValidationException", text: text}
}

// newDraft finds the places in body, a resource of type typ.
func (c Config) newDraft(typ string, body []byte) (*draft, *problem) {
	members, err := rawjson.Members(body)
	if err != nil || !utf8.Valid(body) {
		return nil, invalidResource("the body is not one JSON object in UTF-8: send a FHIR resource")
	}
	seen := make(map[string]bool, len(members))
	for _, m := range members {
		if seen[m.Name] {
			return nil, invalidResource("the resource names an element twice: send each once")
		}
		seen[m.Name] = true
	}
	rt, ok := rawjson.Find(members, "resourceType")
	if !ok || text(body, rt) != typ {
		return nil, invalidResource("resourceType is not the type of the request's path: send the same type in both")
	}
	d := &draft{src: body}
	next := rt.End
	if id, ok := rawjson.Find(members, "id"); ok {
		if d.id = text(body, id); !c.allows(d.id) {
			return nil, invalidResource("the resource's id is not a FHIR id: use 1 to 64 of A-Z a-z 0-9 - .")
		}
		d.slots = append(d.slots, slot{start: id.Start, end: id.End, value: slotID})
		next = id.End
	} else {
		d.slots = append(d.slots, slot{start: next, end: next, value: slotID, before: `,"id":`})
	}
	meta, ok := rawjson.Find(members, "meta")
	if !ok {
		d.slots = append(d.slots,
			slot{start: next, end: next, value: slotVersion, before: `,"meta":{"versionId":`},
			slot{start: next, end: next, value: slotLastUpdated, before: `,"lastUpdated":`, after: `}`})
		return d, nil
	}
	if p := d.addMeta(meta); p != nil {
		return nil, p
	}
	// The id may come before or after meta; meta's own slots are in order.
	if d.slots[0].start > d.slots[1].start {
		d.slots = append(d.slots[1:], d.slots[0])
	}
	return d, nil
}

func (d *draft) addMeta(meta rawjson.Member) *problem {
	inner, err := rawjson.Members(d.src[meta.Start:meta.End])
	if err != nil {
		return invalidResource("the resource's meta is not an object: send one, or none")
	}
	version, hasVersion := rawjson.Find(inner, "versionId")
	updated, hasUpdated := rawjson.Find(inner, "lastUpdated")
	front := meta.Start + 1
	after := ""
	if len(inner) > 0 {
		after = ","
	}
	v := slot{start: front, end: front, value: slotVersion, before: `"versionId":`, after: after}
	u := slot{start: front, end: front, value: slotLastUpdated, before: `"lastUpdated":`, after: after}
	if !hasVersion && !hasUpdated {
		v.after = ","
	}
	if hasVersion {
		v = slot{start: meta.Start + version.Start, end: meta.Start + version.End, value: slotVersion}
	}
	if hasUpdated {
		u = slot{start: meta.Start + updated.Start, end: meta.Start + updated.End, value: slotLastUpdated}
	}
	if u.start < v.start {
		v, u = u, v
	}
	d.slots = append(d.slots, v, u)
	return nil
}

// render writes the resource with the server's values.
func (d *draft) render(id, version, lastUpdated string) []byte {
	out := make([]byte, 0, len(d.src)+160) // the server's members have at most 150 bytes
	at := 0
	for _, s := range d.slots {
		out = append(out, d.src[at:s.start]...)
		out = append(out, s.before...)
		out = append(out, '"')
		switch s.value {
		case slotID:
			out = append(out, id...)
		case slotVersion:
			out = append(out, version...)
		case slotLastUpdated:
			out = append(out, lastUpdated...)
		}
		out = append(out, '"')
		out = append(out, s.after...)
		at = s.end
	}
	return append(out, d.src[at:]...)
}

// text is a member's value without quotes, "" if it is not a plain string.
func text(obj []byte, m rawjson.Member) string {
	v := obj[m.Start:m.End]
	if len(v) < 2 || v[0] != '"' || bytes.IndexByte(v, '\\') >= 0 {
		return ""
	}
	return string(v[1 : len(v)-1])
}
