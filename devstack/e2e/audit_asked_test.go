package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// auditedByHand runs starter audit on a span and returns the statements by type.
func (r *rig) auditedByHand(t *testing.T, span cdc.Span) map[string]cdc.Statement {
	t.Helper()
	type report struct {
		Result *cdc.AuditState `json:"result"`
	}
	got := onlyOne[report](t, r.operate(t, "audit", "--wait", "--json",
		"--since", span.From.Format(time.RFC3339), "--until", span.To.Format(time.RFC3339)).stdout)
	require.NotNil(t, got.Result)
	statements := make(map[string]cdc.Statement)
	for _, s := range got.Result.Statements {
		statements[s.ResourceType] = s
	}
	return statements
}

func digestOf(keys ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(keys, "\n")))
	return hex.EncodeToString(sum[:])
}

// An audit of two windows that no record opened, with versions "all": what search
// shows is published, what was replaced comes from history, where there is none the
// statement says so, and the deletes that were published are counted. A second one
// finds nothing to do.
func TestAuditAskedOfWindowsThatNeverRan(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits, HistoryOff: []string{"Observation"}}},
		fewTypes, shortPasses, "CDC_SEARCH_RATE=1000", "CDC_VERSIONS=all")
	r.silenced(t)
	r.worker(t)
	first := windowAgo(r.datastore(), 10*time.Minute)
	second := cdc.WindowAt(r.datastore(), first.End())
	for _, window := range []cdc.Window{first, second} {
		c.pin(window.Start.Add(time.Second))
		put(t, r.writer, "Patient", "hushed-p")
		put(t, r.writer, "Observation", "hushed-o")
	}
	c.release(0)
	deleted := stack.WriteRecord(r.datastore(), "Patient", first.Start.Add(2*time.Second))
	deleted.Detail.EventName, deleted.Detail.EventID = "DeleteResource", uuid.NewString()
	r.Sink()(deleted)
	r.closed(t, cdc.DeleteID(r.datastore(), deleted.Detail.EventID))
	require.Empty(t, r.windows(t))

	span := cdc.Span{From: first.Start, To: second.End()}
	key := func(resourceType, id string, version int) string {
		return versionKey(r.datastore(), resourceType, id, version)
	}
	want := map[string]cdc.Statement{
		"Patient": {
			AuditFigures: cdc.AuditFigures{InStore: 2, Published: 2, Healed: 2, Deletes: cdc.DeleteCounts{Unresolved: 1}},
			Digest:       digestOf(key("Patient", "hushed-p", 1), key("Patient", "hushed-p", 2)),
		},
		"Observation": {AuditFigures: cdc.AuditFigures{InStore: 1, Published: 1, Healed: 1}, HistoryUnavailable: 1, Digest: digestOf(key("Observation", "hushed-o", 2))},
	}
	for name, s := range want {
		s.DatastoreID, s.ResourceType, s.From, s.To, s.Versions = r.datastore(), name, span.From, span.To, cdc.VersionsAll
		want[name] = s
	}
	require.Equal(t, want, r.auditedByHand(t, span))
	require.Subset(t, r.windows(t), []string{first.ID(), second.ID()})
	once := map[string]int{key("Patient", "hushed-p", 1): 1, key("Patient", "hushed-p", 2): 1, key("Observation", "hushed-o", 2): 1}
	r.received(t, 4)
	keys := r.subscriber.Keys()
	for key, n := range once {
		require.Equal(t, n, keys[key])
	}

	ran := len(r.windows(t))
	for name, s := range want {
		s.Healed = 0
		want[name] = s
	}
	require.Equal(t, want, r.auditedByHand(t, span))
	require.Len(t, r.windows(t), ran, "nothing was missing, so nothing ran")
	require.Equal(t, keys, r.subscriber.Keys())
	r.valid(t)
}
