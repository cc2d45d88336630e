package awslocal

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// matches matches a pattern on a detail.
func matches(t *testing.T, detailPattern, detail string) bool {
	t.Helper()
	p, err := compilePattern(`{"detail":` + detailPattern + `}`)
	require.NoError(t, err)
	return p.match(&eventDoc{envelope: map[string]any{"source": "s"}, detail: []byte(detail)})
}

func TestPatternOperators(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{`{"a":["x","y"]}`, []string{`{"a":"x"}`, `{"a":"y","b":1}`, `{"a":["z","y"]}`}, []string{`{"a":"z"}`, `{}`, `{"a":[]}`, `{"a":{"x":1}}`}},
		{`{"a":[300]}`, []string{`{"a":300}`}, []string{`{"a":300.0}`, `{"a":"300"}`}},
		{`{"a":[true,null]}`, []string{`{"a":true}`, `{"a":null}`}, []string{`{"a":false}`, `{"a":"true"}`, `{}`}},
		{`{"a":[{"prefix":"ab"}]}`, []string{`{"a":"ab"}`, `{"a":"abc"}`}, []string{`{"a":"ba"}`, `{"a":"AB"}`, `{"a":1}`}},
		{`{"a":[{"prefix":{"equals-ignore-case":"ab"}}]}`, []string{`{"a":"ABc"}`}, []string{`{"a":"a"}`}},
		{`{"a":[{"suffix":".png"}]}`, []string{`{"a":"x.png"}`}, []string{`{"a":"png"}`}},
		{`{"a":[{"equals-ignore-case":"ab"}]}`, []string{`{"a":"aB"}`}, []string{`{"a":"abc"}`}},
		{`{"a":[{"anything-but":"x"}]}`, []string{`{"a":"y"}`, `{"a":1}`}, []string{`{"a":"x"}`, `{}`}},
		{`{"a":[{"anything-but":["x",5]}]}`, []string{`{"a":"y"}`, `{"a":6}`}, []string{`{"a":"x"}`, `{"a":5}`, `{}`}},
		{`{"a":[{"anything-but":{"prefix":["Get","List"]}}]}`, []string{`{"a":"Put"}`}, []string{`{"a":"GetX"}`, `{"a":"ListX"}`, `{}`}},
		{`{"a":[{"anything-but":{"suffix":"x"}}]}`, []string{`{"a":"y"}`}, []string{`{"a":"yx"}`}},
		{`{"a":[{"anything-but":{"wildcard":"*/lib/*"}}]}`, []string{`{"a":"/x/"}`}, []string{`{"a":"/x/lib/y"}`}},
		{`{"a":[{"exists":true}]}`, []string{`{"a":1}`, `{"a":null}`}, []string{`{}`, `{"a":{"b":1}}`, `{"a":[]}`}},
		{`{"a":[{"exists":false}]}`, []string{`{}`, `{"a":{"b":1}}`}, []string{`{"a":1}`, `{"a":null}`}},
		{`{"a":{"b":[{"exists":false}]}}`, []string{`{}`, `{"a":null}`, `{"a":{}}`, `{"a":{"c":1}}`}, []string{`{"a":{"b":null}}`, `{"a":{"b":1}}`}},
		{`{"a":["x",{"exists":false}]}`, []string{`{"a":"x"}`, `{}`}, []string{`{"a":"y"}`}},
		{`{"a":[{"numeric":[">=",200,"<",300]}]}`, []string{`{"a":200}`, `{"a":299.9}`, `{"a":2e2}`}, []string{`{"a":199}`, `{"a":300}`, `{"a":"200"}`, `{"a":null}`, `{}`}},
		{`{"a":[{"numeric":["=",5]}]}`, []string{`{"a":5}`, `{"a":5.0}`}, []string{`{"a":6}`}},
		{`{"a":[{"numeric":[">",1,"<=",2]}]}`, []string{`{"a":2}`}, []string{`{"a":1}`}},
		{`{"a":[{"wildcard":"a*b*c"}]}`, []string{`{"a":"abc"}`, `{"a":"axxbyyc"}`}, []string{`{"a":"ab"}`, `{"a":"acb"}`}},
		{`{"a":[{"wildcard":"a\\*b"}]}`, []string{`{"a":"a*b"}`}, []string{`{"a":"axb"}`}},
		{`{"$or":[{"a":["x"]},{"b":{"c":[1]}}]}`, []string{`{"a":"x"}`, `{"b":{"c":1}}`}, []string{`{"a":"y"}`, `{"b":{"c":2}}`}},
		{`{"z":[1],"$or":[{"a":["x"]},{"a":["y"]}]}`, []string{`{"z":1,"a":"y"}`}, []string{`{"z":2,"a":"y"}`, `{"z":1}`}},
		{`{"l":{"a":["x"],"b":["y"]}}`, []string{`{"l":[{"a":"q"},{"a":"x","b":"y"}]}`}, []string{`{"l":[{"a":"x"},{"b":"y"}]}`}},
	} {
		for _, detail := range c.yes {
			require.True(t, matches(t, c.pattern, detail), "%s should match %s", c.pattern, detail)
		}
		for _, detail := range c.no {
			require.False(t, matches(t, c.pattern, detail), "%s should not match %s", c.pattern, detail)
		}
	}
}

func TestUnsupportedPatternsAreNamed(t *testing.T) {
	for pattern, says := range map[string]string{
		`{"a":[{"cidr":"10.0.0.0/8"}]}`:                  "cidr",
		`{"a":[{"anything-but":{"cidr":"10.0.0.0/8"}}]}`: "cidr",
		`{"a":[{"prefix":{"wildcard":"x"}}]}`:            "wildcard",
		`{"a":[{"prefix":"x","suffix":"y"}]}`:            "one key",
		`{"a":[{"prefix":5}]}`:                           "string",
		`{"a":[{"numeric":["~",5]}]}`:                    "numeric",
		`{"a":[{"numeric":["=","5"]}]}`:                  "number",
		`{"a":[{"numeric":["="]}]}`:                      "numeric",
		`{"a":[{"exists":"yes"}]}`:                       "exists",
		`{"a":[{"anything-but":[]}]}`:                    "empty",
		`{"a":[{"anything-but":true}]}`:                  "strings and numbers",
		`{"a":[{"wildcard":"a**b"}]}`:                    "consecutive",
		`{"$or":[{"a":["x"]}]}`:                          "$or",
		`{"a":[["x"]]}`:                                  "list within",
		`{"a":[]}`:                                       "empty",
		`{"a":"x"}`:                                      "array",
		`{}`:                                             "empty",
		`[]`:                                             "object",
		`{"a":`:                                          "JSON",
		`{"a":["` + strings.Repeat("x", 2048) + `"]}`:    "quota",
	} {
		_, err := compilePattern(pattern)
		require.Error(t, err, pattern)
		require.Equal(t, "InvalidEventPatternException", asAPIError(err).code)
		require.ErrorContains(t, err, says, pattern)
	}
}

// Any value matches itself, and exactly one of a test and its anything-but.
func TestPatternProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(
			rapid.String().AsAny(), rapid.Int().AsAny(),
		).Draw(t, "value")
		other := rapid.String().Draw(t, "other")
		v, err := json.Marshal(value)
		if err != nil {
			t.Skip("not JSON")
		}
		o, _ := json.Marshal(other)
		match := func(test string) bool {
			p, err := compilePattern(`{"detail":{"a":[` + test + `]}}`)
			if err != nil {
				t.Fatalf("compiling %s: %v", test, err)
			}
			return p.match(&eventDoc{envelope: map[string]any{}, detail: []byte(`{"a":` + string(v) + `}`)})
		}
		if !match(string(v)) {
			t.Fatalf("%s does not match itself", v)
		}
		if match(string(o)) == match(`{"anything-but":`+string(o)+`}`) {
			t.Fatalf("%s and its anything-but agree on %s", o, v)
		}
	})
}
