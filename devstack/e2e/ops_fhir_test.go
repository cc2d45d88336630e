package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// An ordinary FHIR R4 server behind /datastore/{id}/r4/, by
// CDC_HEALTHLAKE_ENDPOINT alone. See docs/compatibility.md.
func TestPlainFHIRServer(t *testing.T) {
	t.Parallel()
	server := newPlainFHIR(t, simulator.DefaultDatastore)
	r := newRig(t, stack.Options{}, "CDC_HEALTHLAKE_ENDPOINT="+server.URL, "CDC_RESOURCE_TYPES=*", "CDC_SEARCH_RATE=100")
	window := r.earlyInWindow(t)
	since := window.Start
	for i := range 13*plainPage + 1 { // more pages than a window reads by itself
		server.put("Patient", fmt.Sprintf("patient-%d", i))
	}
	for i := range 30 {
		server.put("Observation", fmt.Sprintf("observation.%d", i))
	}
	server.put("Patient", "patient-3")
	server.put("Practitioner", "removed")
	server.put("Practitioner", "stays")
	server.remove("Practitioner", "removed")

	check := runProgram(t, t.Context(), "worker", r.environment(), nil, "--check")
	require.Zero(t, check.code, check.all())
	require.Contains(t, check.stdout, "ok       resource types")
	r.worker(t)
	r.Sink()(stack.WriteRecord(r.datastore(), "Patient", time.Now()))
	eventually(t, "everything has come", r.cameOnce(server, ""))

	r.drained(t)
	require.Zero(t, server.requests("read"), "the pages held the bodies")

	// What search shows late is found by a rerun, which lists ids and reads this
	// one body.
	server.putAt("Observation", "late", window.Start.Add(time.Second))
	rerun := r.capture(t, window.Start, "--wait")
	require.Equal(t, window.RerunID(1), rerun.WorkflowID)
	require.Equal(t, 1, *rerun.Published)
	require.Equal(t, 1, server.requests("read"))
	r.subscribed(t)
	require.NoError(t, r.cameOnce(server, "")(t.Context()))

	until := time.Now().Add(cdc.WindowWidth)
	r.operate(t, "replay", "--name", "plain", "--wait", "--since", since.Format(time.RFC3339Nano), "--until", until.Format(time.RFC3339Nano))
	r.subscribed(t)
	require.NoError(t, r.cameOnce(server, "plain")(t.Context()))
	require.Positive(t, server.requests("page"))
	require.Positive(t, server.requests("count"))
}

// cameOnce returns nil when each version that the server holds came exactly once under that
// replay's name, byte for byte.
func (r *rig) cameOnce(server *plainFHIR, replay string) func(context.Context) error {
	return func(context.Context) error {
		came := make(map[string]truth.Event)
		for _, event := range r.subscriber.Events() {
			if event.Meta.Replay != replay {
				continue
			}
			if _, twice := came[event.Meta.IdempotencyKey]; twice {
				return fmt.Errorf("a version of %s came twice", event.Meta.ResourceType)
			}
			came[event.Meta.IdempotencyKey] = event
		}
		for _, one := range server.all() {
			key := fmt.Sprintf("%s/%s/%s/_history/%d", r.datastore(), one.resourceType, one.id, one.version)
			event, ok := came[key]
			if !ok {
				return fmt.Errorf("version %d of a %s has not come", one.version, one.resourceType)
			}
			sum := sha256.Sum256([]byte(one.body))
			if event.Digest != hex.EncodeToString(sum[:]) {
				return fmt.Errorf("a %s came with other bytes", one.resourceType)
			}
			change := cdc.ChangeUpdated
			if one.version == 1 {
				change = cdc.ChangeCreated
			}
			if event.Meta.Change != change || !event.Meta.LastUpdated.Equal(one.updated) {
				return fmt.Errorf("a %s came with another meta", one.resourceType)
			}
		}
		return nil
	}
}
