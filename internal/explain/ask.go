package explain

import (
	"errors"
	"strings"

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
	parts := strings.Split(text, "/")
	ask := Ask{Type: parts[0]}
	switch {
	case len(parts) == 2:
		ask.ID = parts[1]
	case len(parts) == 4 && parts[2] == "_history" && parts[3] != "": // whose form is an id's
		ask.ID, ask.Version = parts[1], parts[3]
	default:
		return Ask{}, errAsk
	}
	if !cdc.ValidType(ask.Type) || !cdc.ValidResourceID(ask.ID) || ask.Version != "" && !cdc.ValidResourceID(ask.Version) {
		return Ask{}, errAsk
	}
	return ask, nil
}
