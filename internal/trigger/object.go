package trigger

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object of which no member's type is taken for granted. Of a
// member that is there twice the last counts. Depth is bounded by encoding/json
// (10,000), which keeps no call stack while it scans.
type object map[string]json.RawMessage

// objectOf decodes one level; ok is false for anything but an object.
func objectOf(raw []byte) (o object, ok bool) {
	if len(raw) == 0 || json.Unmarshal(raw, &o) != nil || o == nil {
		return nil, false
	}
	return o, true
}

// object returns a member that is an object, or an empty one.
func (o object) object(name string) object {
	member, _ := objectOf(o[name])
	return member
}

// list returns the elements of a member that is an array, else none.
func (o object) list(name string) []json.RawMessage {
	var elements []json.RawMessage
	if len(o[name]) == 0 || json.Unmarshal(o[name], &elements) != nil {
		return nil
	}
	return elements
}

// text returns a member that is a string, else "".
func (o object) text(name string) string {
	var s string
	if raw := o[name]; len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// has tells whether a member is there and neither null nor an empty string.
func (o object) has(name string) bool {
	raw := bytes.TrimSpace(o[name])
	return len(raw) > 0 && string(raw) != "null" && string(raw) != `""`
}

// isTrue tells whether a member is true, as a boolean or in text.
func (o object) isTrue(name string) bool {
	return string(o[name]) == "true" || strings.EqualFold(o.text(name), "true")
}

// status returns a member that is an HTTP status, as a number or in text; ok is
// false when it is absent, null or anything else.
func (o object) status(name string) (status int, ok bool) {
	text := o.text(name)
	if text == "" {
		text = string(o[name])
	}
	number, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(number >= 100 && number < 600) {
		return 0, false
	}
	return int(number), true
}

// time returns a member that is a time in RFC 3339, in UTC.
func (o object) time(name string) (t time.Time, ok bool) {
	t, err := time.Parse(time.RFC3339Nano, o.text(name))
	return t.UTC(), err == nil
}
