package trigger

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object whose members may have any type. A member is found by its
// exact name, or else by one that differs only in letter case, hyphens and underscores.
// encoding/json bounds the depth.
type object map[string]json.RawMessage

// objectOf decodes one level of an object, or of a text that holds one; ok is false
// for anything else.
func objectOf(raw []byte) (o object, ok bool) {
	raw = trimmed(raw)
	if len(raw) > 0 && raw[0] == '"' {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return nil, false
		}
		raw = trimmed([]byte(text))
	}
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &o) != nil {
		return nil, false
	}
	return o, true
}

// trimmed is raw without white space around it and without a byte order mark.
func trimmed(raw []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(raw), []byte("\ufeff")))
}

// get returns a member, nil when there is none.
func (o object) get(name string) json.RawMessage {
	if raw, ok := o[name]; ok {
		return bytes.TrimSpace(raw)
	}
	want, found, matched := folded(name), "", false
	for other := range o {
		// Of several, the first in alphabetical order: a body always means the same.
		if folded(other) == want && (!matched || other < found) {
			found, matched = other, true
		}
	}
	if !matched {
		return nil // and not a member whose name is empty
	}
	return bytes.TrimSpace(o[found])
}

var separators = strings.NewReplacer("-", "", "_", "")

// folded is a name without what writers of names differ in.
func folded(name string) string { return strings.ToLower(separators.Replace(name)) }

// object returns a member that is an object, or an empty one.
func (o object) object(name string) object {
	member, _ := objectOf(o.get(name))
	return member
}

// list returns the elements of a member that is an array, or the member itself when
// it is an object; else none.
func (o object) list(name string) []json.RawMessage {
	raw := o.get(name)
	var elements []json.RawMessage
	switch {
	case len(raw) == 0:
		return nil
	case raw[0] == '{':
		return []json.RawMessage{raw}
	case json.Unmarshal(raw, &elements) != nil:
		return nil
	}
	return elements
}

// text returns a member that is a string, without white space around it, else "".
func (o object) text(name string) string { return textOf(o.get(name)) }

func textOf(raw json.RawMessage) string {
	var s string
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return strings.TrimSpace(s)
}

// word is text, or a number as it is written.
func (o object) word(name string) string {
	if s := o.text(name); s != "" {
		return s
	}
	if number := string(o.get(name)); number != "" && strings.ContainsRune("-0123456789", rune(number[0])) {
		return number
	}
	return ""
}

// has reports whether a member is there and neither null nor an empty string.
func (o object) has(name string) bool {
	raw := o.get(name)
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return false
	case raw[0] == '"':
		return textOf(raw) != ""
	}
	return true
}

// isTrue reports whether a member is true, as a boolean or in text.
func (o object) isTrue(name string) bool {
	return string(o.get(name)) == "true" || strings.EqualFold(o.text(name), "true")
}

// status returns a member that is an HTTP status, as a number or at the beginning
// of a text ("201 Created"); ok is false when it is absent, null or anything else.
func (o object) status(name string) (status int, ok bool) {
	first, _, _ := strings.Cut(o.word(name), " ")
	number, err := strconv.ParseFloat(first, 64)
	if err != nil || !(number >= 100 && number < 600) {
		return 0, false
	}
	return int(number), true
}

// layouts are the forms of a time that are read: RFC 3339, also with a blank for the T,
// a zone without a colon or, meaning UTC, no zone.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05",
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05",
}

// milliseconds is from where on a number counts as milliseconds since 1970: as seconds
// it would lie in the year 5138.
const milliseconds = 1e11

// time returns a member that is a time, in UTC: as text in one of the layouts, or in
// seconds or milliseconds since 1970.
func (o object) time(name string) (t time.Time, ok bool) {
	word := strings.ToUpper(o.word(name))
	for _, layout := range layouts {
		if t, err := time.Parse(layout, word); err == nil {
			return t.UTC(), true
		}
	}
	number, err := strconv.ParseFloat(word, 64)
	if err != nil || !(number >= 0 && number < 1000*milliseconds) {
		return time.Time{}, false
	}
	if number >= milliseconds {
		return time.UnixMilli(int64(number)).UTC(), true
	}
	seconds, fraction := math.Modf(number)
	return time.Unix(int64(seconds), int64(fraction*float64(time.Second))).UTC(), true
}
