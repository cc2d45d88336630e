// Package fhirdata holds synthetic FHIR R4 resources for the demo and the tests,
// and makes variations of them. README.md names their origin and licences.
package fhirdata

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"
)

//go:embed synthea/*.json.gz synthea/LICENSE hl7/*.json README.md
var files embed.FS

// Resource is one FHIR resource as raw JSON.
type Resource struct {
	Type, ID string
	Body     []byte
}

// Bundle is one Synthea patient. Its resources have stable ids, and point at
// each other as Type/id.
type Bundle struct {
	Name      string
	Resources []Resource
}

// Names lists the bundles in a fixed order.
func Names() []string {
	entries, err := files.ReadDir("synthea")
	if err != nil {
		panic(err) // embedded: cannot fail
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json.gz"); ok {
			names = append(names, name)
		}
	}
	return names
}

// Raw is a bundle as Synthea wrote it: a transaction of POSTs whose entries
// point at each other by urn:uuid.
func Raw(name string) ([]byte, error) {
	packed, err := files.Open(path.Join("synthea", name+".json.gz"))
	if err != nil {
		return nil, fmt.Errorf("opening a sample bundle, use a name of Names: %w", err)
	}
	defer func() { _ = packed.Close() }() // read only
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		return nil, fmt.Errorf("unpacking a sample bundle: %w", err)
	}
	return io.ReadAll(unpacked)
}

// Load reads one bundle.
func Load(name string) (Bundle, error) {
	raw, err := Raw(name)
	if err != nil {
		return Bundle{}, err
	}
	var in struct {
		Entry []struct {
			FullURL  string          `json:"fullUrl"`
			Resource json.RawMessage `json:"resource"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return Bundle{}, fmt.Errorf("reading a sample bundle: %w", err)
	}
	b := Bundle{Name: name, Resources: make([]Resource, len(in.Entry))}
	references := make([]string, 0, 2*len(in.Entry)) // old, new
	for i, e := range in.Entry {
		r, err := head(e.Resource)
		if err != nil {
			return Bundle{}, err
		}
		b.Resources[i] = r
		references = append(references, `"`+e.FullURL+`"`, `"`+r.Type+"/"+r.ID+`"`)
	}
	// One pass over each body, whatever the number of references.
	replace := strings.NewReplacer(references...)
	for i := range b.Resources {
		b.Resources[i].Body = []byte(replace.Replace(string(b.Resources[i].Body)))
	}
	return b, nil
}

// LoadAll reads all bundles. They share organizations and practitioners.
func LoadAll() ([]Bundle, error) {
	var out []Bundle
	for _, name := range Names() {
		b, err := Load(name)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// Examples are HL7's examples, one for each type.
func Examples() ([]Resource, error) {
	entries, err := files.ReadDir("hl7")
	if err != nil {
		return nil, fmt.Errorf("listing the examples: %w", err)
	}
	var out []Resource
	for _, e := range entries {
		body, err := files.ReadFile(path.Join("hl7", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading an example: %w", err)
		}
		r, err := head(body)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func head(body []byte) (Resource, error) {
	var h struct {
		ResourceType string `json:"resourceType"`
		ID           string `json:"id"`
	}
	if err := json.Unmarshal(body, &h); err != nil {
		return Resource{}, fmt.Errorf("reading a sample resource: %w", err)
	}
	return Resource{Type: h.ResourceType, ID: h.ID, Body: body}, nil
}

// Transactions are bundles that write the resources with PUT and their own ids,
// at most size entries each (HealthLake accepts 500). Because ids are stable,
// references hold across the parts.
func Transactions(resources []Resource, size int) [][]byte {
	var out [][]byte
	for size > 0 && len(resources) > 0 {
		n := min(size, len(resources))
		out = append(out, transaction(resources[:n]))
		resources = resources[n:]
	}
	return out
}

func transaction(resources []Resource) []byte {
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	for i, r := range resources {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"resource":`)
		b.Write(r.Body)
		fmt.Fprintf(&b, `,"request":{"method":"PUT","url":"%s/%s"}}`, r.Type, r.ID)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}
