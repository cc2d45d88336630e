package healthlake

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"healthlake-cdc/internal/cdc"
)

// What is wrong with an answer that did arrive whole.
var (
	errNotJSON      = errors.New("the answer is not the JSON that was asked for")
	errNotBundle    = errors.New("the answer is not a Bundle")
	errNotStatement = errors.New("the answer is not a CapabilityStatement with searchable types")
	errNotAsked     = errors.New("the answer is not the resource that was asked for")
	// errUnreadable is of the resource that was asked for, which is as the store keeps
	// it: asking again brings the same.
	errUnreadable = errors.New("the resource has no readable version, id or time, or is not valid JSON in UTF-8")
)

// bundle is a searchset or a history, divided into its entries. What is wrong with one
// of them, a link or the total is wrong with that alone.
type bundle struct {
	total   int // -1 where the store does not say
	next    string
	entries []entry
	// unreadableLinks are links that cannot be read, on a page without a next one that
	// can.
	unreadableLinks [][]byte
}

// entry is as much of an entry as can be read.
type entry struct {
	raw      []byte
	resource []byte // nil without one
	mode     string // of the search
	method   string // of the request
	response []byte
	// ambiguous is set when the entry is no object, or has two resources.
	ambiguous bool
}

// decodeBundle divides a Bundle, and decodes its entries one by one.
// decodeBundle divides a page in one pass over it.
func decodeBundle(body []byte) (bundle, error) {
	b := bundle{total: -1}
	var types []string
	var links, totals [][]byte
	notBundle := false
	d := divider{text: body}
	divided := d.each('{', '}', func(name string) bool {
		if name == "entry" && d.next() == '[' {
			return d.each('[', ']', func(string) bool {
				e, ok := d.entry()
				b.entries = append(b.entries, e)
				return ok
			})
		}
		value := d.value()
		switch name {
		case "resourceType":
			types = append(types, text(value))
		case "total":
			totals = append(totals, value)
		case "link":
			links = append(links, value)
		case "entry":
			notBundle = notBundle || string(value) != "null"
		}
		return len(value) > 0
	})
	if !divided || !d.ended() {
		return bundle{}, errNotJSON
	}
	if len(types) != 1 || types[0] != "Bundle" || notBundle {
		return bundle{}, errNotBundle
	}
	if len(totals) == 1 {
		b.total = decodeTotal(totals[0])
	}
	for _, list := range links {
		b.addLinks(list)
	}
	if b.next != "" {
		b.unreadableLinks = nil
	}
	return b, nil
}

func decodeTotal(value []byte) int {
	var n *int
	if json.Unmarshal(value, &n) != nil || n == nil || *n < 0 {
		return -1
	}
	return *n
}

// addLinks finds the next link in a list of links, or in a link without a list.
func (b *bundle) addLinks(list []byte) {
	one := func(link []byte) {
		relation, url := "", ""
		err := eachMember(link, func(name string, value []byte) {
			switch name {
			case "relation":
				relation = text(value)
			case "url":
				url = text(value)
			}
		})
		switch {
		case err != nil || relation == "next" && url == "":
			b.unreadableLinks = append(b.unreadableLinks, link)
		case relation == "next" && b.next == "":
			b.next = url
		}
	}
	if list[0] == '{' {
		one(list)
	} else if eachElement(list, one) != nil && string(list) != "null" {
		b.unreadableLinks = append(b.unreadableLinks, list)
	}
}

// decodeEntry reads as much of an entry as can be read.
// entry steps over an entry. One whose members cannot be divided is stepped over by
// quotes and brackets alone: ok is false when that fails, too.
func (d *divider) entry() (e entry, ok bool) {
	d.next()
	start, resources := d.at, 0
	divided := d.each('{', '}', func(name string) bool {
		value := d.value()
		switch name {
		case "resource":
			if resources++; string(value) != "null" {
				e.resource = value
			}
		case "search":
			e.mode = memberOf(value, "mode")
		case "request":
			e.method = memberOf(value, "method")
		case "response":
			e.response = value
		}
		return len(value) > 0
	})
	if !divided {
		d.at = start
		raw := d.value()
		return entry{raw: raw, ambiguous: true}, len(raw) > 0
	}
	e.raw, e.ambiguous = d.text[start:d.at:d.at], resources > 1
	return e, true
}

// memberOf is the text of an object's member, empty where there is none.
func memberOf(object []byte, member string) string {
	found := ""
	_ = eachMember(object, func(name string, value []byte) {
		if name == member {
			found = text(value)
		}
	})
	return found
}

// resources returns the matches of a type, and the entries that cannot be read.
func (b bundle) resources(resourceType string) ([]cdc.Resource, []cdc.Unreadable) {
	resources := make([]cdc.Resource, 0, len(b.entries))
	unreadable := newUnreadableEntries(b.unreadableLinks)
	for _, e := range b.entries {
		if e.mode != "" && e.mode != "match" {
			continue // "include" or "outcome" (FHIR R4, SearchEntryMode)
		}
		resource, err := decodeResource(e.resource)
		switch {
		case e.ambiguous:
			unreadable.add(e.raw, cdc.Resource{})
		case resource.Type != resourceType && cdc.ValidType(resource.Type):
			// Not what was asked for, as an OperationOutcome without a mode is.
		case err != nil:
			unreadable.add(e.raw, resource)
		default:
			resources = append(resources, resource)
		}
	}
	return resources, unreadable.list
}

// unreadableEntries are the entries of one page that cannot be read.
type unreadableEntries struct {
	list []cdc.Unreadable
	seen map[[sha256.Size]byte]uint64
}

func newUnreadableEntries(links [][]byte) *unreadableEntries {
	u := &unreadableEntries{seen: make(map[[sha256.Size]byte]uint64)}
	for _, link := range links {
		u.add(link, cdc.Resource{})
	}
	return u
}

// add adds an entry. Two on one page that are the same to the last byte are two.
func (u *unreadableEntries) add(raw []byte, resource cdc.Resource) {
	digest := sha256.Sum256(raw)
	n := u.seen[digest]
	u.seen[digest]++
	if n > 0 {
		digest = sha256.Sum256(binary.BigEndian.AppendUint64(digest[:], n))
	}
	u.list = append(u.list, cdc.Unreadable{Digest: digest, LastUpdated: resource.Time()})
}

// decodeResource reads what names a version; the body is kept as it is. What can be read
// is there with an error, too.
func decodeResource(body []byte) (cdc.Resource, error) {
	resource := cdc.Resource{Body: body}
	v := &resource.Version
	var types, ids, metas, versions, times int
	err := eachMember(body, func(name string, value []byte) {
		switch name {
		case "resourceType":
			v.Type = text(value)
			types++
		case "id":
			v.ID = text(value)
			ids++
		case "meta":
			metas++
			_ = eachMember(value, func(name string, value []byte) {
				switch name {
				case "versionId":
					v.VersionID = text(value)
					versions++
				case "lastUpdated":
					v.LastUpdated = text(value)
					times++
				}
			})
		}
	})
	if metas > 1 || times > 1 {
		v.LastUpdated = "" // one of two
	}
	switch {
	case err != nil:
		return resource, errNotJSON // cut off, perhaps
	case !valid(body), max(types, ids, metas, versions, times) > 1:
		return resource, errUnreadable
	}
	return resource, resource.Validate()
}

// valid reports whether a text is JSON in UTF-8. What the fast check does not like may be
// escapes of half a character, which stores keep.
func valid(body []byte) bool {
	return jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true)) || utf8.Valid(body) && json.Valid(body)
}

// decodeStatement returns the types that a CapabilityStatement lists as searchable,
// sorted: with the interaction search-type or, since those are optional, with none but
// with search parameters.
func decodeStatement(body []byte) ([]string, error) {
	var statement struct {
		ResourceType string `json:"resourceType"`
		Rest         []struct {
			Mode     string `json:"mode"`
			Resource []struct {
				Type        string `json:"type"`
				Interaction []struct {
					Code string `json:"code"`
				} `json:"interaction"`
				SearchParam []struct{} `json:"searchParam"`
			} `json:"resource"`
		} `json:"rest"`
	}
	if err := json.Unmarshal(body, &statement); err != nil {
		return nil, errNotJSON
	}
	var types []string
	for _, rest := range statement.Rest {
		if rest.Mode == "client" {
			continue
		}
		for _, resource := range rest.Resource {
			searchable := len(resource.Interaction) == 0 && len(resource.SearchParam) > 0
			for _, interaction := range resource.Interaction {
				searchable = searchable || interaction.Code == "search-type"
			}
			if searchable && cdc.ValidType(resource.Type) {
				types = append(types, resource.Type)
			}
		}
	}
	if statement.ResourceType != "CapabilityStatement" || len(types) == 0 {
		return nil, errNotStatement
	}
	slices.Sort(types)
	return slices.Compact(types), nil
}
