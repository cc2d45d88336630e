// Package docs carries the documents that the programs print.
package docs

// docs/reference.md has the settings, flags and commands. Tests beside their code hold
// it; -p 1, because each writes a section of the same file.
//go:generate go test -p 1 -count=1 -run Reference ../internal/config ../worker ../starter -update

import _ "embed"

// EventSchema is the JSON Schema (draft 2020-12) of the detail of every event
// that is put on the bus, as docs/events.md describes them.
//
//go:embed event.schema.json
var EventSchema []byte
