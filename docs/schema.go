// Package docs carries the documents that the programs print.
package docs

import _ "embed"

// EventSchema is the JSON Schema (draft 2020-12) of the detail of every event
// that is put on the bus, as docs/events.md describes them.
//
//go:embed event.schema.json
var EventSchema []byte
