package awslocal

import (
	"encoding/json"
	"strings"
)

// A leafTest is one element of a pattern's list of values.
type leafTest struct {
	present func(v any) bool // v is a string, json.Number, bool or nil
	absent  bool             // it accepts a field that is not there
}

func textTest(accept func(string) bool) leafTest {
	return leafTest{present: func(v any) bool {
		s, ok := v.(string)
		return ok && accept(s)
	}}
}

// compileTest reads one element: a value to be equal to, or an operator.
func compileTest(raw any) (leafTest, error) {
	switch v := raw.(type) {
	case map[string]any:
		return compileOperator(v)
	case []any:
		return leafTest{}, invalidPattern("a list within a list of values is not allowed")
	default:
		// Numbers are compared as they are written: 300 is not 3.0e2.
		return leafTest{present: func(got any) bool { return got == v }}, nil
	}
}

func compileOperator(obj map[string]any) (leafTest, error) {
	name, arg, err := single(obj)
	if err != nil {
		return leafTest{}, err
	}
	switch name {
	case "exists":
		want, ok := arg.(bool)
		if !ok {
			return leafTest{}, invalidPattern("exists match pattern must be either true or false")
		}
		return leafTest{present: func(any) bool { return want }, absent: !want}, nil
	case "numeric":
		return compileNumeric(arg)
	case "anything-but":
		return compileAnythingBut(arg)
	default:
		accept, err := compileText(name, arg)
		return textTest(accept), err
	}
}

func single(obj map[string]any) (string, any, error) {
	if len(obj) != 1 {
		return "", nil, invalidPattern("an operator must be an object with one key, this one has %d", len(obj))
	}
	for name, arg := range obj {
		return name, arg, nil
	}
	return "", nil, nil
}

// compileText reads the operators on strings. Any other operator is an error that names
// it.
func compileText(name string, arg any) (func(string) bool, error) {
	if obj, ok := arg.(map[string]any); ok && (name == "prefix" || name == "suffix") {
		inner, innerArg, err := single(obj)
		if err != nil {
			return nil, err
		}
		text, ok := innerArg.(string)
		if inner != "equals-ignore-case" || !ok {
			return nil, invalidPattern("unsupported match type %s of %s", inner, name)
		}
		return ignoringCase(name, text), nil
	}
	switch name {
	case "prefix", "suffix", "equals-ignore-case", "wildcard":
	default:
		return nil, invalidPattern("unrecognized match type %s", name)
	}
	text, ok := arg.(string)
	if !ok {
		return nil, invalidPattern("%s match pattern must be a string", name)
	}
	switch name {
	case "prefix":
		return func(s string) bool { return strings.HasPrefix(s, text) }, nil
	case "suffix":
		return func(s string) bool { return strings.HasSuffix(s, text) }, nil
	case "equals-ignore-case":
		return func(s string) bool { return strings.EqualFold(s, text) }, nil
	default:
		return compileWildcard(text)
	}
}

func ignoringCase(name, text string) func(string) bool {
	return func(s string) bool {
		if len(s) < len(text) {
			return false
		}
		if name == "prefix" {
			return strings.EqualFold(s[:len(text)], text)
		}
		return strings.EqualFold(s[len(s)-len(text):], text)
	}
}

// compileWildcard reads a text in which * matches any number of characters
// and \* for an asterisk.
func compileWildcard(text string) (func(string) bool, error) {
	if strings.Contains(text, "**") {
		return nil, invalidPattern("consecutive wildcard characters in a wildcard match pattern")
	}
	var parts []string
	var part strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && (text[i+1] == '*' || text[i+1] == '\\'):
			i++
			part.WriteByte(text[i])
		case text[i] == '\\':
			return nil, invalidPattern("a backslash in a wildcard match pattern must precede * or a backslash")
		case text[i] == '*':
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(text[i])
		}
	}
	parts = append(parts, part.String())
	return func(s string) bool { return matchParts(parts, s) }, nil
}

// matchParts reports whether s consists of the parts in order with anything
// between them. With one part there was no wildcard: equality.
func matchParts(parts []string, s string) bool {
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return s == first
	}
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		_, after, ok := strings.Cut(s, p)
		if !ok {
			return false
		}
		s = after
	}
	return true
}

// compileNumeric reads ["=", 5] and pairs such as [">=", 200, "<", 300].
func compileNumeric(arg any) (leafTest, error) {
	list, ok := arg.([]any)
	if !ok || (len(list) != 2 && len(list) != 4) {
		return leafTest{}, invalidPattern("numeric match pattern must be a list of one or two comparisons")
	}
	var comparisons []func(float64) bool
	for i := 0; i < len(list); i += 2 {
		bound, ok := number(list[i+1])
		if !ok {
			return leafTest{}, invalidPattern("numeric match pattern needs a number after the operator")
		}
		c, err := comparison(list[i], bound)
		if err != nil {
			return leafTest{}, err
		}
		comparisons = append(comparisons, c)
	}
	return leafTest{present: func(v any) bool {
		n, ok := number(v)
		for _, c := range comparisons {
			ok = ok && c(n)
		}
		return ok
	}}, nil
}

func comparison(op any, bound float64) (func(float64) bool, error) {
	switch op {
	case "=":
		return func(n float64) bool { return n == bound }, nil
	case "<":
		return func(n float64) bool { return n < bound }, nil
	case "<=":
		return func(n float64) bool { return n <= bound }, nil
	case ">":
		return func(n float64) bool { return n > bound }, nil
	case ">=":
		return func(n float64) bool { return n >= bound }, nil
	}
	return nil, invalidPattern("unrecognized numeric range operator")
}

// compileAnythingBut reads a value, a list of values, or an operator on
// strings with one text or a list of them. It matches a field that is there
// and is none of them; on booleans and null it is not defined.
func compileAnythingBut(arg any) (leafTest, error) {
	if obj, ok := arg.(map[string]any); ok {
		name, inner, err := single(obj)
		if err != nil {
			return leafTest{}, err
		}
		var excluded []func(string) bool
		for _, text := range asList(inner) {
			accept, err := compileText(name, text)
			if err != nil {
				return leafTest{}, err
			}
			excluded = append(excluded, accept)
		}
		if len(excluded) == 0 {
			return leafTest{}, invalidPattern("the list of values of anything-but is empty")
		}
		return textTest(func(s string) bool {
			for _, accept := range excluded {
				if accept(s) {
					return false
				}
			}
			return true
		}), nil
	}
	excluded := asList(arg)
	if len(excluded) == 0 {
		return leafTest{}, invalidPattern("the list of values of anything-but is empty")
	}
	for _, v := range excluded {
		switch v.(type) {
		case string, json.Number:
		default:
			return leafTest{}, invalidPattern("anything-but supports strings and numbers only")
		}
	}
	return leafTest{present: func(v any) bool {
		for _, e := range excluded {
			if v == e {
				return false
			}
		}
		return true
	}}, nil
}

func asList(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}
