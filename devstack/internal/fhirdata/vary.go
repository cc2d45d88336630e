package fhirdata

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"

	"healthlake-cdc/devstack/internal/simulator/rawjson"
)

// variationURL marks the extension that Vary adds.
const variationURL = "https://example.org/fhir/StructureDefinition/sample-variation"

// Vary is the resource with a small change that n alone decides: one extension.
// Everything else keeps its bytes. Varying a variation changes its number.
func Vary(r Resource, n int) (Resource, error) {
	members, err := rawjson.Members(r.Body)
	if err != nil {
		return Resource{}, fmt.Errorf("varying a sample resource: %w", err)
	}
	item := `{"url":"` + variationURL + `","valueInteger":` + strconv.Itoa(n) + `}`
	list := []byte("[" + item + "]")
	if m, ok := rawjson.Find(members, "extension"); ok {
		if list, err = addVariation(r.Body[m.Start:m.End], item); err != nil {
			return Resource{}, fmt.Errorf("varying a sample resource: %w", err)
		}
	}
	if r.Body, err = rawjson.Set(r.Body, "extension", list); err != nil {
		return Resource{}, fmt.Errorf("varying a sample resource: %w", err)
	}
	return r, nil
}

func addVariation(extensions []byte, item string) ([]byte, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(extensions, &list); err != nil {
		return nil, err
	}
	out := []byte("[" + item)
	for _, e := range list {
		var known struct {
			URL string `json:"url"`
		}
		if err := json.Unmarshal(e, &known); err != nil {
			return nil, err
		}
		if known.URL == variationURL {
			continue
		}
		out = append(append(out, ','), e...)
	}
	return append(out, ']'), nil
}

// WithID is the resource under another id. What points at it still names the old
// one.
func WithID(r Resource, id string) (Resource, error) {
	body, err := rawjson.Set(r.Body, "id", strconv.AppendQuote(nil, id))
	if err != nil {
		return Resource{}, fmt.Errorf("renaming a sample resource: %w", err)
	}
	return Resource{Type: r.Type, ID: id, Body: body}, nil
}

// Large is a DocumentReference whose attachment holds size bytes of text in
// base64, so that its body is a third larger. The seed decides the content,
// which hardly compresses.
func Large(id string, size int, seed uint64) Resource {
	content := make([]byte, size)
	r := rand.New(rand.NewPCG(seed, uint64(size))) //nolint:gosec // sample data, to be the same for the same seed
	for i := range content {
		content[i] = byte(' ' + r.IntN(95)) // printable ASCII
	}
	body := []byte(`{"resourceType":"DocumentReference","id":"` + id + `","status":"current",` +
		`"content":[{"attachment":{"contentType":"text/plain","size":` + strconv.Itoa(size) + `,"data":"`)
	body = base64.StdEncoding.AppendEncode(body, content)
	body = append(body, `"}}]}`...)
	return Resource{Type: "DocumentReference", ID: id, Body: body}
}
