package config

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"

	"healthlake-cdc/internal/cdc"
)

// CheckType returns an error for a name that no resource type of FHIR R4 has, with the
// nearest one that exists.
func CheckType(name string) error {
	if cdc.KnownType(name) {
		return nil
	}
	return fmt.Errorf("%q is not a FHIR R4 resource type%s", name, suggestion(name, cdc.ResourceTypes))
}

// suggestion asks for the nearest known name; "" when that would not be the same word.
func suggestion(name string, known []string) string {
	best, fewest := "", 1+len(name)/3
	for _, candidate := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(candidate)); d < fewest {
			best, fewest = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return ": did you mean " + best + "?"
}
