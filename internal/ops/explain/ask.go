package explain

import (
	"errors"

	"healthlake-cdc/internal/cdc"
)

// Ask names what is to be explained.
type Ask struct {
	Datastore string
	Type      string
	ID        string
	// Version is empty for the current one.
	Version string
}

// errAsk repeats nothing of what was asked: that may be patient data.
var errAsk = errors.New("name a resource as Type/id or Type/id/_history/version, as in Patient/123/_history/4")

// ParseAsk reads "Patient/123" or "Patient/123/_history/4".
func ParseAsk(text string) (Ask, error) {
	resourceType, id, version, ok := cdc.ParseReference(text)
	if !ok {
		return Ask{}, errAsk
	}
	return Ask{Type: resourceType, ID: id, Version: version}, nil
}
