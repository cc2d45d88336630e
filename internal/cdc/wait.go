package cdc

import "fmt"

// Wait is one thing of an execution that fails and, in the end, waits for an operator.
type Wait struct {
	// Type is empty for a ledger, and for a delete that names none.
	Type string `json:"type,omitempty"`
	// Versions, or deletes, are as many as EventBridge rejects.
	Versions int `json:"versions,omitempty"`
	// Class is why the type, or the ledger, cannot be read.
	Class Class `json:"class,omitempty"`
	// Ledger is set for a ledger: of the run before, or of the slice of a Type.
	Ledger bool `json:"ledger,omitempty"`
	// Bus is set while the bus does not accept what is put on it. There is nothing to skip then.
	Bus bool `json:"bus,omitempty"`
}

// Skip names what an operator skips of an execution: no more than was seen to wait.
type Skip struct {
	// Versions are the types whose versions (or delete) EventBridge rejects.
	Versions []string `json:"versions,omitempty"`
	// Types are those that cannot be read: they close without being swept.
	Types []string `json:"types,omitempty"`
	// Ledger is one that cannot be read. Without that of the run before, what a rerun
	// finds goes into its own as skipped, for it may have been published.
	Ledger bool `json:"ledger,omitempty"`
}

// SkipOf skips what waits.
func SkipOf(waits []Wait) Skip {
	var skip Skip
	for _, wait := range waits {
		switch {
		case wait.Bus:
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
	case w.Bus:
		return fmt.Sprintf("the event bus, which does not accept what is put on it (%s)", w.Class)
	case w.Ledger && w.Type != "":
		return fmt.Sprintf("the ledger of a slice of %s, which cannot be read (%s); without it, what the slice published is published again", w.Type, w.Class)
	case w.Ledger:
		return fmt.Sprintf("the ledger of the run before, which cannot be read (%s)", w.Class)
	case w.Versions > 0:
		return fmt.Sprintf("%d of %s, which EventBridge rejects", w.Versions, name)
	default:
		return fmt.Sprintf("the type %s, which cannot be read (%s)", name, w.Class)
	}
}
