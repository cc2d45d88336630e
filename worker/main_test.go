package main

import (
	"testing"

	"healthlake-cdc/docs/docstest"
)

// The worker's flags are in docs/reference.md.
func TestReference(t *testing.T) {
	docstest.Section(t, "../docs/reference.md", "worker", docstest.Flags(new(options).flagSet()))
}
