package rawjson_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"healthlake-cdc/devstack/internal/simulator/rawjson"
)

func TestMembersKeepsTextAndOrder(t *testing.T) {
	obj := []byte(" {\"a\" : 1.00 ,\"b\\u0041\":\"x\\\"}{\",\n\"c\":[{\"d\":\"]\"},[]], \"e\":{} }")
	members, err := rawjson.Members(obj)
	require.NoError(t, err)
	got := map[string]string{}
	for _, m := range members {
		got[m.Name] = string(obj[m.Start:m.End])
	}
	require.Equal(t, map[string]string{"a": "1.00", "bA": `"x\"}{"`, "c": `[{"d":"]"},[]]`, "e": "{}"}, got)
}

func TestMembersRejectsOtherText(t *testing.T) {
	for _, text := range []string{"", "[]", `"x"`, "{", `{"a":1}{}`, "null"} {
		_, err := rawjson.Members([]byte(text))
		require.ErrorIs(t, err, rawjson.ErrNotObject, text)
	}
}

func TestSetAndPrepend(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{}`, `{"k":7}`},
		{`{"a":1.0}`, `{"k":7,"a":1.0}`},
		{`{"a":1.0, "k" : {"x":[1]} }`, `{"a":1.0, "k" : 7 }`},
	} {
		got, err := rawjson.Set([]byte(c.in), "k", []byte("7"))
		require.NoError(t, err)
		require.Equal(t, c.want, string(got))
	}
	got, err := rawjson.Prepend([]byte(" [ ]"), []byte("1"))
	require.NoError(t, err)
	require.JSONEq(t, "[1]", string(got))
	got, err = rawjson.Prepend([]byte("[2]"), []byte("1"))
	require.NoError(t, err)
	require.JSONEq(t, "[1,2]", string(got))
	_, err = rawjson.Prepend([]byte("{}"), []byte("1"))
	require.Error(t, err)
}

func TestSetAgreesWithDecodedObject(t *testing.T) {
	value := rapid.OneOf(
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.Int32(), func(i int32) any { return float64(i) }),
		rapid.Map(rapid.SliceOf(rapid.String()), func(s []string) any {
			out := make([]any, len(s))
			for i := range s {
				out[i] = s[i]
			}
			return out
		}),
	)
	rapid.Check(t, func(t *rapid.T) {
		object := rapid.MapOf(rapid.String(), value).Draw(t, "object")
		name := rapid.String().Draw(t, "name")
		text, err := json.MarshalIndent(object, "", " ")
		require.NoError(t, err)
		got, err := rawjson.Set(text, name, []byte(`{"new":true}`))
		require.NoError(t, err)
		object[name] = map[string]any{"new": true}
		var decoded map[string]any
		require.NoError(t, json.Unmarshal(got, &decoded))
		require.Equal(t, object, decoded)
	})
}
