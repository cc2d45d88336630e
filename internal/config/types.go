package config

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"

	"healthlake-cdc/internal/cdc"
)

// CheckType refuses a name that no resource type of FHIR R4 has, with the nearest one
// that exists.
func CheckType(name string) error {
	if cdc.KnownType(name) {
		return nil
	}
	text := fmt.Sprintf("%q is not a FHIR R4 resource type", name)
	if near := nearest(name, cdc.ResourceTypes); near != "" {
		text += ": did you mean " + near + "?"
	}
	return fmt.Errorf("%s", text)
}

// nearest returns the known name that differs from name in letter case only, or else
// the one that takes the fewest edits to reach from it; "" when that would be no
// longer the same word.
func nearest(name string, known []string) string {
	best, fewest := "", 1+len(name)/3
	for _, candidate := range known {
		if strings.EqualFold(name, candidate) {
			return candidate
		}
		if d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(candidate)); d < fewest {
			best, fewest = candidate, d
		}
	}
	return best
}
