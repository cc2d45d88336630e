package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

const (
	keptStore, addedStore = "keptstore", "addedstore"
	keptType              = "Patient" // and Observation
	removedType           = "Condition"
	addedType             = "Encounter"
)

// Another CDC_PASSES, another type list and one store more, with windows of the
// old settings open and half the fleet on each: of what is in both lists nothing
// is lost and nothing comes twice; what was added comes from the first window
// after the last old worker stopped, and the commands that the new worker prints
// close the gap before.
func TestSettingsChangeInFlight(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{
		Datastores: []string{keptStore, addedStore}, Limits: noLimits,
	}})
	r.silenced(t)
	const before, during, after = 4, 40, 4
	windows := r.writeInto(t, c, before+during+after)

	// Windows of the old settings, which cannot publish yet.
	older := r.worker(t, "CDC_DATASTORES="+keptStore, "CDC_RESOURCE_TYPES=Patient,Observation,Condition", "CDC_PASSES=1s,4s")
	r.AWS.SetFaults(awslocal.Faults{Throttle: map[string]int{"PutEvents": 1 << 30}})
	for _, window := range windows[:before] {
		r.trigger(window)
		r.opened(t, window.ID())
		require.Contains(t, r.openedWith(t, window), removedType)
	}
	newer := r.worker(t, "CDC_RESOURCE_TYPES=Observation,Encounter,Patient", "CDC_PASSES=2s,3s,5s")
	commands := r.printsBackfill(t, newer)

	// Half the fleet on each, until each has opened some windows of both kinds.
	opened := before
	mixed := map[string]int{}
	for mixed[removedType] < 2 || mixed[addedType] < 2 {
		require.Less(t, opened, before+during, "each worker opens some of so many windows")
		window := windows[opened]
		opened++
		r.trigger(window)
		r.opened(t, window.ID())
		for _, resourceType := range r.openedWith(t, window) {
			mixed[resourceType]++
		}
	}
	r.AWS.SetFaults(awslocal.Faults{})
	r.drained(t)
	_, err := older.Stop(t.Context())
	require.NoError(t, err)

	// Only the new settings are left.
	promised := windows[before+during:]
	for _, window := range promised {
		r.trigger(window)
		r.trigger(cdc.Window{Datastore: addedStore, Start: window.Start})
	}
	triggered := slices.Concat(windows[:opened], promised)
	r.drained(t)

	keys := r.keysOnce(t)
	for i, window := range triggered {
		name := writtenInto(window)
		for _, resourceType := range []string{keptType, "Observation"} {
			require.Contains(t, keys, versionKey(keptStore, resourceType, name, 1), "it is in both lists")
		}
		swept := r.openedWith(t, window)
		for _, resourceType := range []string{removedType, addedType} {
			key := versionKey(keptStore, resourceType, name, 1)
			require.Equal(t, slices.Contains(swept, resourceType), keys[key] == 1, "it goes by the window's settings")
		}
		if i >= opened {
			require.Contains(t, swept, addedType)
			require.Contains(t, keys, versionKey(addedStore, addedType, name, 1), "the added store is promised now")
		}
	}
	_, unreadable := r.subscriber.Len()
	require.Zero(t, unreadable)
	r.closesTheGap(t, commands, windows)
}

// keysOnce returns the idempotency keys that came, each once.
func (r *rig) keysOnce(t *testing.T) map[string]int {
	t.Helper()
	keys := r.subscriber.Keys()
	for key, n := range keys {
		require.Equal(t, 1, n, "deliveries of %s", key)
	}
	return keys
}

// closesTheGap runs the printed commands and requires that everything of the added
// type and of the added store has come now, and nothing twice.
func (r *rig) closesTheGap(t *testing.T, commands []string, windows []cdc.Window) {
	t.Helper()
	for _, command := range commands {
		words := strings.Fields(command)
		env := append(r.environment("CDC_PASSES"), "CDC_RESOURCE_TYPES=Observation,Encounter,Patient", "CDC_PASSES=2s,3s,5s")
		require.Equal(t, "starter", words[0])
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		got := runProgram(t, ctx, "starter", env, nil, append(words[1:], "--wait")...)
		require.Zero(t, got.code, "%s: %s", command, got.all())
	}
	r.drained(t)
	keys := r.keysOnce(t)
	for _, window := range windows {
		name := writtenInto(window)
		require.Contains(t, keys, versionKey(keptStore, addedType, name, 1), "the added type of the store that was there")
		for _, resourceType := range []string{keptType, "Observation", addedType} {
			require.Contains(t, keys, versionKey(addedStore, resourceType, name, 1), "everything of the added store")
		}
	}
}

// writeInto writes one small resource of each type into n windows of the past, in
// both stores, and returns the first store's windows.
func (r *rig) writeInto(t *testing.T, c *clock, n int) []cdc.Window {
	t.Helper()
	windows := make([]cdc.Window, n)
	begin := windowAgo(keptStore, time.Hour).Start
	for i := range windows {
		windows[i] = cdc.WindowAt(keptStore, begin.Add(time.Duration(i)*cdc.WindowWidth))
		c.pin(windows[i].Start.Add(alone))
		var resources []fhirdata.Resource
		name := writtenInto(windows[i])
		for _, resourceType := range []string{keptType, "Observation", removedType, addedType} {
			resources = append(resources, fhirdata.Resource{Type: resourceType, ID: name, Body: smallBody(resourceType, name)})
		}
		for _, datastore := range r.Simulator.Datastores() {
			writer := writerOf(r.Stack, datastore)
			writer.Now = c.Now
			_, err := writer.Transaction(t.Context(), fhirdata.Transactions(resources, 500)[0])
			require.NoError(t, err)
		}
	}
	c.release(0)
	return windows
}

// writtenInto is the id of what is written into a window.
func writtenInto(window cdc.Window) string { return "at-" + window.Start.Format("150405") }

// openedWith are the types that a window was opened with.
func (r *rig) openedWith(t *testing.T, window cdc.Window) []string {
	t.Helper()
	var in cdc.CaptureWindowInput
	started := r.events(t, window.ID())[0].GetWorkflowExecutionStartedEventAttributes()
	require.NoError(t, r.data.FromPayloads(started.GetInput(), &in))
	return in.Types
}

var backfillLine = regexp.MustCompile(`^starter backfill --name (added-\S+) --datastore (\S+)((?: --type \S+)?)$`)

// backfillLines are the commands that a worker's log recommends.
func backfillLines(t *testing.T, w *stack.Worker) (commands []string) {
	t.Helper()
	text, err := os.ReadFile(w.Log)
	require.NoError(t, err)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var line struct {
			Command string `json:"command"`
		}
		_, text, _ := strings.Cut(lines.Text(), "{")
		if json.Unmarshal([]byte("{"+text), &line) == nil && strings.Contains(line.Command, "starter backfill") {
			commands = append(commands, line.Command)
		}
	}
	require.NoError(t, lines.Err())
	return commands
}

// printsBackfill requires that the worker logged how to close the gaps: of the added type in
// the existing store, and of all types in the added store.
func (r *rig) printsBackfill(t *testing.T, w *stack.Worker) (commands []string) {
	t.Helper()
	until(t, "the worker prints its backfill lines", func(context.Context) bool {
		commands = backfillLines(t, w)
		return len(commands) >= 2
	})
	require.Len(t, commands, 2)
	for i, want := range []struct{ datastore, types string }{{keptStore, " --type " + addedType}, {addedStore, ""}} {
		parts := backfillLine.FindStringSubmatch(commands[i])
		require.NotNil(t, parts, commands[i])
		require.True(t, cdc.ValidName(parts[1]))
		require.Equal(t, want.datastore, parts[2])
		require.Equal(t, want.types, parts[3])
	}
	return commands
}
