package cdc

import (
	"fmt"
	"maps"
	"slices"
)

// Wait is one thing of an execution that waits for an operator.
type Wait struct {
	// Type is the resource type; empty for a ledger, and for a delete that names
	// none.
	Type string `json:"type,omitempty"`
	// Versions, or deletes, are as many as EventBridge refuses for good.
	Versions int `json:"versions,omitempty"`
	// Class is why the type, or the ledger, cannot be read.
	Class Class `json:"class,omitempty"`
	// Ledger tells that it is the ledger of the run before.
	Ledger bool `json:"ledger,omitempty"`
}

// Waits is what waits for an operator, by type.
func (p Progress) Waits() []Wait {
	var all []Wait
	for _, name := range slices.Sorted(maps.Keys(p.Refused)) {
		if class := p.Refused[name]; class.NeedsOperator() {
			all = append(all, Wait{Type: name, Class: class})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Kept)) {
		all = append(all, Wait{Type: name, Versions: p.Kept[name]})
	}
	if p.Ledger != "" {
		all = append(all, Wait{Class: p.Ledger, Ledger: true})
	}
	return all
}

// SkipOf gives up what waits.
func SkipOf(waits []Wait) Skip {
	var skip Skip
	for _, wait := range waits {
		switch {
		case wait.Ledger:
			skip.Ledger = true
		case wait.Versions > 0:
			skip.Versions = append(skip.Versions, wait.Type)
		default:
			skip.Types = append(skip.Types, wait.Type)
		}
	}
	return skip
}

// Text says what waits.
func (w Wait) Text() string {
	name := w.Type
	if name == "" {
		name = "an unnamed type"
	}
	switch {
	case w.Ledger:
		return fmt.Sprintf("the ledger of the run before, which cannot be read (%s)", w.Class)
	case w.Versions > 0:
		return fmt.Sprintf("%d of %s, which EventBridge refuses", w.Versions, name)
	default:
		return fmt.Sprintf("the type %s, which cannot be read (%s)", name, w.Class)
	}
}
