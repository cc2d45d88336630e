package simulator

import (
	"encoding/json"
	"net/http"
)

type code struct {
	Code string `json:"code"`
}

type restResource struct {
	Type        string        `json:"type"`
	Interaction []code        `json:"interaction"`
	Versioning  string        `json:"versioning"`
	ReadHistory bool          `json:"readHistory"`
	UpdateAs    bool          `json:"updateCreate"`
	SearchParam []searchParam `json:"searchParam,omitempty"`
}

type searchParam struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// capabilities is the CapabilityStatement: the types, and which of them search
// knows (interaction search-type).
func capabilities(c *call) (*reply, *problem) {
	var resources []restResource
	for _, t := range c.s.cfg.Types {
		r := restResource{Type: t, Versioning: "versioned-update", ReadHistory: true, UpdateAs: true,
			Interaction: []code{{"read"}, {"vread"}, {"update"}, {"delete"}, {"history-instance"}, {"create"}}}
		if c.s.known[t] {
			r.Interaction = append(r.Interaction, code{"search-type"})
			r.SearchParam = []searchParam{{"_id", "token"}, {"_lastUpdated", "date"}}
		}
		resources = append(resources, r)
	}
	type rest struct {
		Mode        string         `json:"mode"`
		Resource    []restResource `json:"resource"`
		Interaction []code         `json:"interaction"`
	}
	body, err := json.Marshal(struct {
		ResourceType string   `json:"resourceType"`
		Status       string   `json:"status"`
		Date         string   `json:"date"`
		Kind         string   `json:"kind"`
		FHIRVersion  string   `json:"fhirVersion"`
		Format       []string `json:"format"`
		Rest         []rest   `json:"rest"`
	}{"CapabilityStatement", "active", c.s.now().Format(millisecondLayout), "instance", "4.0.1", []string{"json"},
		[]rest{{"server", resources, []code{{"transaction"}, {"batch"}}}}})
	if err != nil {
		panic(err) // our own structs: cannot fail
	}
	return &reply{status: http.StatusOK, body: body}, nil
}
