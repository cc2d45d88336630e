package cdc

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatNamesAResource(t *testing.T) {
	for id, want := range map[string]struct{ valid, plain bool }{
		"1": {true, true}, "A-b.9": {true, true}, strings.Repeat("x", 64): {true, true},
		strings.Repeat("x", 65): {true, false}, strings.Repeat("x", 512): {true, false}, strings.Repeat("x", 513): {},
		"a:1:b:2": {true, false}, "a b": {true, false}, "ä": {true, false}, "a/b": {true, false}, "a%2Fb": {true, false},
		"a,b": {true, false}, "a_b": {true, false}, ".": {true, false}, "..": {true, false}, "...": {true, true},
		"": {}, "a\nb": {}, "\x00": {}, "\u0085": {}, "a\xff": {}, "\ufffd": {},
	} {
		require.Equal(t, want.valid, UsableID(id), "%q", id)
		require.Equal(t, want.plain, ValidResourceID(id), "%q", id)
		require.Equal(t, want.valid && !strings.Contains(id, "/"), UsableVersion(id), "%q", id)
	}
}

func TestParseReference(t *testing.T) {
	type parts struct{ resourceType, id, version string }
	for text, want := range map[string]*parts{
		"Patient/1":            {"Patient", "1", ""},
		"Patient/1/_history/4": {"Patient", "1", "4"},
		"Patient/a:1:b:2":      {"Patient", "a:1:b:2", ""},
		"Patient/..":           {"Patient", "..", ""},
		"Patient":              nil, "Patient/": nil, "patient/1": nil, "/1": nil, "Patient/1/_history/": nil,
		"Patient/1/_history/4/5": nil, "Patient/a/b": nil, "Patient/a/_history/1/_history/2": nil, "Patient//_history/4": nil, "": nil, "Patient/a\nb": nil,
	} {
		resourceType, id, version, ok := ParseReference(text)
		require.Equal(t, want != nil, ok, text)
		if want != nil {
			require.Equal(t, *want, parts{resourceType, id, version}, text)
		}
	}
}
