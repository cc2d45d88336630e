package docs_test

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestExamplesOfTheDocumentation validates every example of events.md.
func TestExamplesOfTheDocumentation(t *testing.T) {
	schema := eventSchema(t)
	text, err := os.ReadFile("events.md")
	require.NoError(t, err)
	examples, patterns := 0, 0
	for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(text, -1) {
		var event struct {
			Source     json.RawMessage `json:"source"`
			DetailType json.RawMessage `json:"detail-type"`
			Time       string          `json:"time"`
			Detail     json.RawMessage `json:"detail"`
		}
		require.NoError(t, json.Unmarshal(block[1], &event), "%s", block[1])
		if event.Source[0] == '[' { // a rule's pattern: every value is a list
			patterns++
			continue
		}
		examples++
		require.NotEmpty(t, event.DetailType)
		require.NotEmpty(t, event.Time)
		require.NoError(t, check(t, schema, string(event.Detail)), "%s", block[1])
	}
	require.Equal(t, 5, examples, "a version, a reference, two deletes, a statement")
	require.Equal(t, 6, patterns)
}
