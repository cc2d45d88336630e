package cdc

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	typePattern = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}$`)
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)
)

// maxNameBytes bounds an id or a version: eight times FHIR's id, three bytes in a path for
// each of theirs.
const maxNameBytes = 512

// ValidType reports whether name has the form of a FHIR resource type.
func ValidType(name string) bool { return typePattern.MatchString(name) }

// ValidResourceID reports whether id is one by FHIR R4's id datatype ("Data Types") and
// no step in a path. Of a record or a notification only such an id is believed.
func ValidResourceID(id string) bool {
	return idPattern.MatchString(id) && id != "." && id != ".."
}

// UsableID reports whether a resource can be published and requested under id. That is
// wider than ValidResourceID, because stores are: 1 to 512 bytes of UTF-8 without control
// characters.
func UsableID(id string) bool {
	return id != "" && len(id) <= maxNameBytes && utf8.ValidString(id) && !strings.ContainsFunc(id, unfit)
}

// unfit reports whether a character has no place in an id. U+FFFD stands for bytes that
// could not be decoded: two ids would become the same.
func unfit(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }

// UsableVersion reports whether text can be a meta.versionId. It has no slash, so that
// {Type}/{id}/_history/{version} can be read in one way only.
func UsableVersion(text string) bool { return UsableID(text) && !strings.Contains(text, "/") }

// ParseReference reads "Patient/123" or "Patient/123/_history/4". The id is a UsableID
// without a slash.
func ParseReference(text string) (resourceType, id, version string, ok bool) {
	parts := strings.Split(text, "/")
	switch {
	case len(parts) == 2:
		ok = true
	case len(parts) == 4 && parts[2] == "_history":
		version, ok = parts[3], UsableVersion(parts[3])
	default:
		return "", "", "", false
	}
	return parts[0], parts[1], version, ok && ValidType(parts[0]) && UsableID(parts[1])
}
