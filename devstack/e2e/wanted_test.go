package e2e

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// run starts run n of a window as an audit does, and waits for it.
func (r *rig) run(t *testing.T, window cdc.Window, n int, edit func(*cdc.CaptureWindowInput)) cdc.CaptureWindowResult {
	t.Helper()
	in := cdc.CaptureWindowInput{
		Window: window, Rerun: n, Types: []string{"Patient", "Observation"}, Passes: r.settings.Passes,
		Cause: cdc.Cause{SourceTime: time.Now(), CapturedBy: cdc.ByAudit, Bulk: true}, Attributes: true,
	}
	edit(&in)
	options := client.StartWorkflowOptions{ID: window.RerunID(n), TaskQueue: cdc.DefaultTaskQueue}
	_, err := r.temporal.ExecuteWorkflow(t.Context(), options, cdc.WorkflowCaptureWindow, in)
	require.NoError(t, err)
	r.closed(t, window.RerunID(n))
	return r.result(t, window.RerunID(n))
}

// queuesOf are the task queues of a run's activities, by the activity's name.
func (r *rig) queuesOf(t *testing.T, id string) map[string]string {
	t.Helper()
	queues := make(map[string]string)
	for _, event := range r.events(t, id) {
		if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
			queues[scheduled.GetActivityType().GetName()] = scheduled.GetTaskQueue().GetName()
		}
	}
	return queues
}

// What search does not show any more is read from history when a rerun gets a list of it,
// each version once, on the bulk queues; a run that is to skip adds what it finds to the
// ledger, and no later run publishes it.
func TestWantedAndSkippedVersions(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{}, fewTypes)
	r.worker(t)
	window := windowIn(r.datastore(), 5*time.Second)
	c.pin(window.Start.Add(alone))
	put(t, r.writer, "Patient", "twice")
	put(t, r.writer, "Observation", "deleted")
	put(t, r.writer, "Patient", "kept")
	c.pin(window.Start.Add(alone + time.Second))
	put(t, r.writer, "Patient", "twice")
	require.NoError(t, r.writer.Delete(t.Context(), "Observation", "deleted"))
	c.release(0)
	r.drained(t)
	require.NotContains(t, r.subscriber.Keys(), versionKey(r.datastore(), "Patient", "twice", 1))

	var wanted []cdc.Version
	for _, write := range r.Simulator.WriteLog(r.datastore()) {
		if !write.Deleted {
			wanted = append(wanted, cdc.Version{
				Type: write.Type, ID: write.ID, VersionID: strconv.Itoa(write.Version),
				LastUpdated: write.LastUpdated.Format(time.RFC3339Nano),
			})
		}
	}
	require.Len(t, wanted, 4)
	ghost := wanted[0]
	ghost.ID = "never-existed"
	first := r.run(t, window, 1, func(in *cdc.CaptureWindowInput) { in.Wanted = append(wanted, ghost) })
	require.Equal(t, 2, first.Counts.Published, "the two that were replaced")
	require.Equal(t, 4, first.Ledger.Published())
	r.drained(t)
	for _, version := range wanted {
		require.Equal(t, 1, r.subscriber.Keys()[version.IdempotencyKey(r.datastore())])
	}
	require.Equal(t, map[string]string{
		"Ledger":      cdc.DefaultTaskQueue,
		"HydratePage": cdc.BulkTaskQueue(cdc.DefaultTaskQueue, r.datastore()),
		"Hydrate":     cdc.BulkTaskQueue(cdc.DefaultTaskQueue, r.datastore()),
		"Publish":     cdc.BulkPublishQueue(cdc.DefaultTaskQueue),
	}, r.queuesOf(t, window.RerunID(1)))

	// Written without a record, as by an import.
	require.NoError(t, r.Simulator.SetTrail(simulator.Trail{}))
	c.pin(window.Start.Add(alone + 2*time.Second))
	put(t, r.writer, "Patient", "imported")
	c.release(0)
	skipping := r.run(t, window, 2, func(in *cdc.CaptureWindowInput) { in.Skip = true })
	require.Zero(t, skipping.Counts.Published)
	require.Equal(t, 1, skipping.Counts.Skipped)
	require.Equal(t, 1, skipping.Ledger.Types["Patient"].Skipped.Len())
	require.NotContains(t, r.queuesOf(t, window.RerunID(2)), "Publish")
	require.NotContains(t, r.queuesOf(t, window.RerunID(2)), "HydratePage")
	after := r.run(t, window, 3, func(*cdc.CaptureWindowInput) {})
	require.Zero(t, after.Counts.Published)

	report := r.drained(t)
	require.Empty(t, report.Wrong, "bodies are those that the store wrote")
	require.Zero(t, report.Total.Duplicated)
	require.Equal(t, 4, report.Total.Published)
	require.NotContains(t, r.subscriber.Keys(), versionKey(r.datastore(), "Patient", "imported", 1))
	r.valid(t)
	if *record {
		recorder := newRecorder(t, r)
		recorder.record(t, "window-wanted", window.RerunID(1))
		recorder.record(t, "window-skips", window.RerunID(2))
	}
}
