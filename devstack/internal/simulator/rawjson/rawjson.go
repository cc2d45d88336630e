// Package rawjson changes single members of a JSON object in its text.
// Everything else, whitespace and number forms included, stays as the writer
// gave it: a decoded and re-encoded FHIR resource would lose decimals
// (1.00 becomes 1) and the order of its elements.
package rawjson

import (
	"encoding/json"
	"errors"
	"slices"
)

// ErrNotObject reports text that is not one valid JSON object.
var ErrNotObject = errors.New("the text is not one JSON object: send a single object")

// Member is one name and value of an object, as offsets into its text.
type Member struct {
	Name string // decoded
	// KeyStart is where the quoted name begins; the value is [Start, End).
	KeyStart, Start, End int
}

// Members lists the members of obj in the order of the text.
func Members(obj []byte) ([]Member, error) {
	if !json.Valid(obj) {
		return nil, ErrNotObject
	}
	i := space(obj, 0)
	if obj[i] != '{' {
		return nil, ErrNotObject
	}
	var out []Member
	for i++; ; {
		i = space(obj, i)
		switch obj[i] {
		case '}':
			return out, nil
		case ',':
			i++
			continue
		}
		m := Member{KeyStart: i}
		keyEnd := stringEnd(obj, i)
		if err := json.Unmarshal(obj[i:keyEnd], &m.Name); err != nil {
			return nil, ErrNotObject
		}
		colon := space(obj, keyEnd)
		m.Start = space(obj, colon+1)
		m.End = valueEnd(obj, m.Start)
		out = append(out, m)
		i = m.End
	}
}

// Find returns the member called name.
func Find(members []Member, name string) (Member, bool) {
	i := slices.IndexFunc(members, func(m Member) bool { return m.Name == name })
	if i < 0 {
		return Member{}, false
	}
	return members[i], true
}

// Set returns a copy of obj in which name has value, which must be valid JSON.
// A new member goes to the front of the object.
func Set(obj []byte, name string, value []byte) ([]byte, error) {
	members, err := Members(obj)
	if err != nil {
		return nil, err
	}
	if m, ok := Find(members, name); ok {
		return slices.Concat(obj[:m.Start], value, obj[m.End:]), nil
	}
	key, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	at := space(obj, 0) + 1
	comma := ","
	if len(members) == 0 {
		comma = ""
	}
	return slices.Concat(obj[:at], key, []byte(":"), value, []byte(comma), obj[at:]), nil
}

// Prepend returns a copy of the JSON array with item, valid JSON, as its first
// element.
func Prepend(array, item []byte) ([]byte, error) {
	if !json.Valid(array) || array[space(array, 0)] != '[' {
		return nil, errors.New("the text is not a JSON array: pass the value of a repeated element")
	}
	at := space(array, 0) + 1
	comma := ","
	if array[space(array, at)] == ']' {
		comma = ""
	}
	return slices.Concat(array[:at], item, []byte(comma), array[at:]), nil
}

// The functions below rely on valid JSON.

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func valueEnd(b []byte, i int) int {
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		depth := 0
		for {
			switch b[i] {
			case '"':
				i = stringEnd(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	default:
		for i < len(b) {
			switch b[i] {
			case ',', '}', ']', ' ', '\n', '\r', '\t':
				return i
			}
			i++
		}
		return i
	}
}
