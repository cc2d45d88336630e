package healthlake

import (
	"bytes"
	"encoding/json"
	"errors"
)

// A JSON library reads a page as a whole or not at all: one entry that is nested too
// deeply, or breaks off in the middle of a number, costs the other ninety-nine. Here a
// page is first divided into its members and entries, by quotes and brackets alone,
// and each is then decoded for itself. Nothing recurses, so that no depth can hurt.

// errNotDivided is of text that is not one whole JSON object or array, as far as
// quotes and brackets tell.
var errNotDivided = errors.New("the text is not one whole JSON value")

// divider is a position in a text.
type divider struct {
	text []byte
	at   int
}

// next skips white space and returns the character that follows, 0 at the end.
func (d *divider) next() byte {
	for ; d.at < len(d.text); d.at++ {
		switch c := d.text[d.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// skip steps over a character, if it is the next one.
func (d *divider) skip(c byte) bool {
	if d.next() != c {
		return false
	}
	d.at++
	return true
}

// skipString steps over a string and reports whether it ends.
func (d *divider) skipString() bool {
	for d.at++; ; d.at++ {
		n := bytes.IndexByte(d.text[d.at:], '"')
		if n < 0 {
			return false
		}
		backslashes := 0
		for i := d.at + n - 1; i >= d.at && d.text[i] == '\\'; i-- {
			backslashes++
		}
		if d.at += n; backslashes%2 == 0 {
			d.at++
			return true
		}
	}
}

// structural are the characters that begin or end a string, an object or an array.
var structural = [256]bool{'"': true, '{': true, '[': true, '}': true, ']': true}

// value steps over a value and returns its text, empty where there is none.
func (d *divider) value() []byte {
	first := d.next()
	start, depth := d.at, 0
	if first != '{' && first != '[' && first != '"' {
		for d.at < len(d.text) && bytes.IndexByte([]byte(",:]} \t\r\n"), d.text[d.at]) < 0 {
			d.at++
		}
		return d.text[start:d.at:d.at]
	}
	for d.at < len(d.text) {
		switch d.text[d.at] {
		default:
			for d.at++; d.at < len(d.text) && !structural[d.text[d.at]]; d.at++ {
			}
			continue
		case '"':
			if !d.skipString() {
				return nil
			}
		case '{', '[':
			depth++
			d.at++
		case '}', ']':
			depth--
			d.at++
		}
		if depth == 0 {
			return d.text[start:d.at:d.at]
		}
	}
	return nil
}

// eachMember calls do with each member of an object, in order. A name that is there
// twice comes twice.
func eachMember(object []byte, do func(name string, value []byte)) error {
	return eachValue(object, '{', '}', do)
}

// eachElement calls do with each element of an array, in order.
func eachElement(array []byte, do func(element []byte)) error {
	return eachValue(array, '[', ']', func(_ string, element []byte) { do(element) })
}

func eachValue(text []byte, begin, end byte, do func(name string, value []byte)) error {
	d := divider{text: text}
	divided := d.each(begin, end, func(name string) bool {
		value := d.value()
		if len(value) == 0 {
			return false
		}
		do(name, value)
		return true
	})
	if !divided || !d.ended() {
		return errNotDivided
	}
	return nil
}

// each steps over an object or an array. It calls step before each value, for step to
// step over it, and reports whether all of it could be divided.
func (d *divider) each(begin, end byte, step func(name string) bool) bool {
	if !d.skip(begin) {
		return false
	}
	for first := true; !d.skip(end); first = false {
		if !first && !d.skip(',') {
			return false
		}
		name := ""
		if begin == '{' {
			var ok bool
			if name, ok = d.name(); !ok {
				return false
			}
		}
		if !step(name) {
			return false
		}
	}
	return true
}

// ended reports whether nothing but white space follows.
func (d *divider) ended() bool { return d.next() == 0 && d.at == len(d.text) }

// name steps over a member's name and its colon. FHIR's names need no escapes, but may
// have them.
func (d *divider) name() (name string, ok bool) {
	if d.next() != '"' {
		return "", false
	}
	start := d.at
	if !d.skipString() {
		return "", false
	}
	quoted := d.text[start:d.at]
	if bytes.IndexByte(quoted, '\\') < 0 {
		name = string(quoted[1 : len(quoted)-1])
	} else {
		name = text(quoted)
	}
	return name, d.skip(':')
}

// text is the text of a JSON string, empty for anything else.
func text(value []byte) string {
	if len(value) == 0 || value[0] != '"' {
		return ""
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}
