package healthlake

import (
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"

	"healthlake-cdc/internal/cdc"
)

// bundle is what is decoded of a searchset. RawMessage keeps a resource's bytes
// as they came.
type bundle struct {
	ResourceType string `json:"resourceType"`
	Total        *int   `json:"total"`
	Link         []struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	} `json:"link"`
	Entry []struct {
		Resource json.RawMessage `json:"resource"`
		Search   struct {
			Mode string `json:"mode"`
		} `json:"search"`
	} `json:"entry"`
}

// searchMatch is the search.mode of what was asked for; servers may leave it
// out. The others are "include" and "outcome" (FHIR R4, SearchEntryMode).
const searchMatch = "match"

// What is wrong with an answer that did arrive whole.
var (
	errNotJSON      = errors.New("the answer is not the JSON that was asked for")
	errNotBundle    = errors.New("the answer is not a Bundle")
	errNotStatement = errors.New("the answer is not a CapabilityStatement with searchable types")
	errNoTotal      = errors.New("the answer has no total: the store does not count")
	errLoop         = errors.New("the page's next link leads to the page itself")
	errNotVersion   = errors.New("the answer is not the resource that was asked for")
)

// decodeBundle reads a searchset.
func decodeBundle(body []byte) (bundle, error) {
	var b bundle
	if err := json.Unmarshal(body, &b); err != nil {
		return bundle{}, errNotJSON
	}
	if b.ResourceType != "Bundle" {
		return bundle{}, errNotBundle
	}
	return b, nil
}

// next is the link of the following page, empty on the last.
func (b bundle) next() string {
	for _, link := range b.Link {
		if link.Relation == "next" {
			return link.URL
		}
	}
	return ""
}

// total is the number of matches, -1 where the store does not say.
func (b bundle) total() int {
	if b.Total == nil || *b.Total < 0 {
		return -1
	}
	return *b.Total
}

// resources returns the matches of a type and how many entries are no valid
// resource.
func (b bundle) resources(resourceType string) (resources []Resource, invalid int) {
	resources = make([]Resource, 0, len(b.Entry))
	for _, entry := range b.Entry {
		if entry.Search.Mode != "" && entry.Search.Mode != searchMatch {
			continue
		}
		resource, err := decodeResource(entry.Resource)
		switch {
		case resource.Type != resourceType && cdc.ValidType(resource.Type):
			// Not what was asked for, as an OperationOutcome without a mode is.
		case err != nil:
			invalid++
		default:
			resources = append(resources, resource)
		}
	}
	return resources, invalid
}

// decodeResource reads what names a version; the body is kept as it is. With an
// error the type may still be told.
func decodeResource(body []byte) (Resource, error) {
	var head struct {
		ResourceType string `json:"resourceType"`
		ID           string `json:"id"`
		Meta         struct {
			VersionID   string `json:"versionId"`
			LastUpdated string `json:"lastUpdated"`
		} `json:"meta"`
	}
	err := json.Unmarshal(body, &head)
	resource := Resource{
		Version: cdc.Version{
			Type:        head.ResourceType,
			ID:          head.ID,
			VersionID:   head.Meta.VersionID,
			LastUpdated: head.Meta.LastUpdated,
		},
		Body: body,
	}
	if err != nil || !utf8.Valid(body) {
		return resource, errNotJSON
	}
	return resource, resource.Validate()
}

// decodeStatement returns the types that a CapabilityStatement lists as
// searchable, sorted: those with the interaction search-type, and, because
// interactions are optional, those that name none but have search parameters.
func decodeStatement(body []byte) ([]string, error) {
	var statement struct {
		ResourceType string `json:"resourceType"`
		Rest         []struct {
			Mode     string `json:"mode"`
			Resource []struct {
				Type        string `json:"type"`
				Interaction []struct {
					Code string `json:"code"`
				} `json:"interaction"`
				SearchParam []struct{} `json:"searchParam"`
			} `json:"resource"`
		} `json:"rest"`
	}
	if err := json.Unmarshal(body, &statement); err != nil {
		return nil, errNotJSON
	}
	var types []string
	for _, rest := range statement.Rest {
		if rest.Mode == "client" {
			continue
		}
		for _, resource := range rest.Resource {
			searchable := len(resource.Interaction) == 0 && len(resource.SearchParam) > 0
			for _, interaction := range resource.Interaction {
				searchable = searchable || interaction.Code == "search-type"
			}
			if searchable && cdc.ValidType(resource.Type) {
				types = append(types, resource.Type)
			}
		}
	}
	if statement.ResourceType != "CapabilityStatement" || len(types) == 0 {
		return nil, errNotStatement
	}
	slices.Sort(types)
	return slices.Compact(types), nil
}
