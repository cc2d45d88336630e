package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// replayed is what starter replay --json prints.
type replayed struct {
	WorkflowID string `json:"workflowId"`
	Started    bool   `json:"started"`
	Joined     *struct {
		Started time.Time `json:"started"`
		State   string    `json:"state"`
	} `json:"joined"`
	Result *cdc.CaptureRangeResult `json:"result"`
}

// lines collects what a program prints while it runs.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) contains(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.text.Bytes(), []byte(text))
}

// starter replay publishes a range again: the same idempotency keys, marked, once
// a name.
func TestReplay(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	r.worker(t)
	since := time.Now().Add(-time.Second)
	window := r.earlyInWindow(t)
	r.writeMany(t, window, "Patient", "again", 150)
	r.writeMany(t, window, "Observation", "again", 40)
	complete(t, r.drained(t))
	span := []string{"--since", since.Format(time.RFC3339Nano), "--until", window.End().Format(time.RFC3339Nano)}
	first := r.keysOf("")
	require.Len(t, first, 190)

	// The stores fail until the waiting command has shown how far it is.
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.ServerError, Count: -1}))
	var shown lines
	done := make(chan printed, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		args := append([]string{"replay", "--name", "everything", "--wait", "--json"}, span...)
		done <- runProgram(t, ctx, "starter", r.environment(), &shown, args...)
	}()
	until(t, "the replay shows its progress", func(context.Context) bool {
		return shown.contains("replay/everything: counting")
	})
	r.Simulator.ClearFaults()
	everything := readReplayed(t, <-done)
	require.Equal(t, cdc.ReplayID("everything"), everything.WorkflowID)
	require.True(t, everything.Started)
	require.Equal(t, 190, everything.Result.Counts.Published)
	r.subscribed(t)
	require.Equal(t, first, r.keysOf("everything"), "the same idempotency keys")

	again := readReplayed(t, r.operate(t, append([]string{"replay", "--name", "everything", "--wait", "--json"}, span...)...))
	require.False(t, again.Started)
	require.Equal(t, everything.Result, again.Result)

	one := readReplayed(t, r.operate(t, append([]string{"replay", "--name", "one-type", "--type", "Observation", "--wait", "--json"}, span...)...))
	require.Equal(t, 40, one.Result.Counts.Published)
	r.drained(t)
	require.Len(t, r.keysOf("everything"), 190, "a replay named twice runs once")
	for key, event := range r.keysOf("one-type") {
		require.Equal(t, "Observation", event.ResourceType)
		require.Equal(t, first[key].VersionID, event.VersionID)
	}
	require.Len(t, r.keysOf(""), 190, "and nothing of it is taken for a capture")
	text := r.operate(t, append([]string{"replay", "--name", "one-type", "--type", "Observation"}, span...)...)
	require.Regexp(t, "replay/one-type.*done", text.stdout)
}

func readReplayed(t *testing.T, p printed) replayed {
	t.Helper()
	require.Zero(t, p.code, p.all())
	var r replayed
	require.NoError(t, json.Unmarshal([]byte(p.stdout), &r), p.stdout)
	return r
}

// keysOf returns the versions that came with that replay's name, by idempotency
// key. What differs from one publishing to another is left out.
func (r *rig) keysOf(name string) map[string]truth.Meta {
	found := make(map[string]truth.Meta)
	for _, event := range r.subscriber.Events() {
		if event.Meta.Replay != name {
			continue
		}
		found[event.Meta.IdempotencyKey] = truth.Meta{
			ResourceType: event.Meta.ResourceType, VersionID: event.Meta.VersionID,
			LastUpdated: event.Meta.LastUpdated, Change: event.Meta.Change,
		}
	}
	return found
}
