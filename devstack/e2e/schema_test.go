package e2e

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/docs"
	"healthlake-cdc/internal/cdc"
)

// eventSchema is what `starter schema` prints, compiled.
var eventSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(docs.EventSchema))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("event.schema.json", document); err != nil {
		return nil, err
	}
	return compiler.Compile("event.schema.json")
})

// valid requires that every event that came follows the schema, and returns how
// many of them the subscriber had kept whole.
func (r *rig) valid(t *testing.T) int {
	t.Helper()
	schema, err := eventSchema()
	require.NoError(t, err)
	checked := 0
	for _, event := range r.subscriber.Events() {
		if event.Detail == nil {
			continue
		}
		instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(event.Detail))
		require.NoError(t, err)
		require.NoError(t, schema.Validate(instance), "an event of %s, %s", event.Meta.ResourceType, event.Meta.Change)
		checked++
	}
	_, unreadable := r.subscriber.Len()
	require.Zero(t, unreadable, "events that are none of ours")
	require.Positive(t, checked)
	return checked
}

// Every kind of event as it comes off the bus: versions of many types created
// and updated, references for both reasons, unresolved deletes, and a replay's.
func TestEventsFollowTheSchema(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{})
	r.worker(t)
	window := windowAgo(r.datastore(), 2*time.Minute)
	c.pin(window.Start.Add(alone))
	examples, err := fhirdata.Examples()
	require.NoError(t, err)
	for _, example := range examples {
		_, err := r.writer.Update(t.Context(), example.Type, example.ID, example.Body)
		require.NoError(t, err)
	}
	large := fhirdata.Large("large-document", 1<<20, 1)
	_, err = r.writer.Update(t.Context(), large.Type, large.ID, large.Body)
	require.NoError(t, err)
	c.release(0)
	r.received(t, len(examples)+1)
	c.pin(window.End().Add(alone))
	put(t, r.writer, examples[0].Type, examples[0].ID)
	require.NoError(t, r.writer.Delete(t.Context(), examples[1].Type, examples[1].ID))
	c.release(0)
	report := r.drained(t)
	complete(t, report)
	since, until := window.Start.Format(time.RFC3339), window.End().Format(time.RFC3339)
	r.operate(t, "replay", "--name", "for-the-schema", "--since", since, "--until", until, "--wait")
	r.drained(t)

	replayed := len(examples) - 2 + 1 // one was replaced and one deleted, and the large one
	require.Equal(t, len(examples)+1+1+1+replayed, r.valid(t))
	seen := make(map[string]int)
	for _, event := range r.subscriber.Events() {
		seen[event.Meta.Change]++
		seen[event.Meta.Payload+event.Meta.Reason]++
		seen[event.Meta.Replay]++
	}
	require.Equal(t, 1, seen[cdc.ChangeUpdated])
	require.Equal(t, 1, seen[cdc.ChangeDeleted])
	require.Equal(t, 2, seen[cdc.PayloadReference+cdc.ReasonOversize])
	require.Equal(t, replayed, seen["for-the-schema"])
}
