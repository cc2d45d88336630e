package awslocal

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// maxPatternBytes is EventBridge's default quota for the size of an event
// pattern ("Amazon EventBridge quotas", Event pattern size).
const maxPatternBytes = 2048

// A pattern is a compiled event pattern. It is immutable and safe for
// concurrent use.
type pattern struct {
	root *patternNode
}

// A patternNode is one object of a pattern: all its fields must match, and of
// each of its $or lists at least one alternative.
type patternNode struct {
	fields []patternField
	ors    [][]*patternNode
}

// A patternField is a leaf when sub is nil: one of its tests must match.
type patternField struct {
	name  string
	tests []leafTest
	sub   *patternNode
}

// compilePattern reads an event pattern as EventBridge does. What it does not support is
// an InvalidEventPatternException that names it: no rule is accepted and then matched
// wrongly.
func compilePattern(text string) (*pattern, error) {
	if len(text) > maxPatternBytes {
		return nil, invalidPattern("it has %d bytes, more than the quota of %d", len(text), maxPatternBytes)
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var raw any
	if err := dec.Decode(&raw); err != nil || dec.More() {
		return nil, invalidPattern("it is not one JSON document")
	}
	obj, ok := raw.(map[string]any)
	if !ok {
		return nil, invalidPattern("the pattern must be an object")
	}
	root, err := compileNode(obj)
	if err != nil {
		return nil, err
	}
	return &pattern{root: root}, nil
}

func invalidPattern(format string, args ...any) error {
	return apiErrorf("InvalidEventPatternException", "Event pattern is not valid. Reason: "+format, args...)
}

func compileNode(obj map[string]any) (*patternNode, error) {
	if len(obj) == 0 {
		return nil, invalidPattern("an object of the pattern is empty")
	}
	n := &patternNode{}
	for name, raw := range obj {
		if name == "$or" {
			alternatives, err := compileOr(raw)
			if err != nil {
				return nil, err
			}
			n.ors = append(n.ors, alternatives)
			continue
		}
		f, err := compileField(name, raw)
		if err != nil {
			return nil, err
		}
		// "detail" is decoded only when every cheaper field has matched.
		if name == "detail" {
			n.fields = append(n.fields, f)
		} else {
			n.fields = append([]patternField{f}, n.fields...)
		}
	}
	return n, nil
}

func compileOr(raw any) ([]*patternNode, error) {
	list, ok := raw.([]any)
	if !ok || len(list) < 2 {
		return nil, invalidPattern("$or needs a list of at least two objects")
	}
	nodes := make([]*patternNode, 0, len(list))
	for _, item := range list {
		obj, ok := item.(map[string]any)
		if !ok {
			return nil, invalidPattern("$or needs a list of at least two objects")
		}
		n, err := compileNode(obj)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func compileField(name string, raw any) (patternField, error) {
	f := patternField{name: name}
	switch v := raw.(type) {
	case map[string]any:
		sub, err := compileNode(v)
		if err != nil {
			return f, err
		}
		f.sub = sub
	case []any:
		if len(v) == 0 {
			return f, invalidPattern("the list of values of %q is empty", name)
		}
		for _, item := range v {
			t, err := compileTest(item)
			if err != nil {
				return f, err
			}
			f.tests = append(f.tests, t)
		}
	default:
		return f, invalidPattern("%q must be an object or an array", name)
	}
	return f, nil
}

// An eventDoc is an event to match. Its detail is decoded when a pattern first needs it,
// and at most once.
type eventDoc struct {
	envelope map[string]any
	detail   []byte
	decoded  bool
}

func (d *eventDoc) lookup(name string) (any, bool) {
	if name == "detail" && !d.decoded {
		d.decoded = true
		if v, err := decodeJSON(d.detail); err == nil {
			d.envelope["detail"] = v
		}
	}
	v, ok := d.envelope[name]
	return v, ok
}

// decodeJSON decodes a document with its numbers as they are written.
func decodeJSON(doc []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

type lookupFunc func(name string) (any, bool)

func (p *pattern) match(d *eventDoc) bool { return p.root.match(d.lookup) }

func (n *patternNode) match(lookup lookupFunc) bool {
	for i := range n.fields {
		if !n.fields[i].match(lookup) {
			return false
		}
	}
	for _, alternatives := range n.ors {
		if !matchAny(alternatives, lookup) {
			return false
		}
	}
	return true
}

func matchAny(nodes []*patternNode, lookup lookupFunc) bool {
	for _, n := range nodes {
		if n.match(lookup) {
			return true
		}
	}
	return false
}

func (f *patternField) match(lookup lookupFunc) bool {
	v, ok := lookup(f.name)
	if f.sub != nil {
		return matchSub(f.sub, v)
	}
	if ok {
		return f.matchLeaf(v)
	}
	return f.matchAbsent()
}

// matchSub matches an object below v. A list of objects matches when one of
// them satisfies the whole sub-pattern. Where there is no object at all its
// fields are absent, which {"exists": false} may still accept.
func matchSub(sub *patternNode, v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return sub.match(func(name string) (any, bool) { x, ok := v[name]; return x, ok })
	case []any:
		for _, item := range v {
			if obj, ok := item.(map[string]any); ok && matchSub(sub, obj) {
				return true
			}
		}
		return false
	default:
		return sub.match(func(string) (any, bool) { return nil, false })
	}
}

// matchLeaf tests a value; of a list, any element. An object or an empty list
// has no leaf at this path: EventBridge treats it as absent.
func (f *patternField) matchLeaf(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return f.matchAbsent()
	case []any:
		if len(v) == 0 {
			return f.matchAbsent()
		}
		for _, item := range v {
			if f.matchLeaf(item) {
				return true
			}
		}
		return false
	}
	for _, t := range f.tests {
		if t.present(v) {
			return true
		}
	}
	return false
}

func (f *patternField) matchAbsent() bool {
	for _, t := range f.tests {
		if t.absent {
			return true
		}
	}
	return false
}

// number returns a JSON number's value. Only numbers have one: EventBridge's
// numeric operator never matches a string of digits.
func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	return f, err == nil
}
