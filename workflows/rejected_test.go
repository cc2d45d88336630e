package workflows_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

func TestRejectedEntryKeepsTheWindowOpenUntilAccepted(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 120, start.Add(time.Second), 300)
	bad := w.store.Write("Observation", "bad", start.Add(time.Second), 0, 300)
	w.store.Write("Observation", "good", start.Add(time.Second), 0, 300)
	tries := backoffs(end(10*time.Second), 12)
	w.bus.reject = func(key string) bool {
		return key == bad.IdempotencyKey(datastore) && w.now().Before(tries[len(tries)-1])
	}
	result := w.capture("Patient", "Observation")

	for _, v := range w.store.Log {
		if v.ID != "bad" {
			require.Equal(t, []time.Time{end(10 * time.Second)}, w.bus.acceptedAt(v.Version), "the others are published at once")
		}
	}
	require.Equal(t, tries, w.bus.tried[bad.IdempotencyKey(datastore)], "tried again after 5 s, doubled up to 15 minutes")
	require.Equal(t, tries[len(tries)-1], w.now(), "and the window was open until it was accepted")
	require.Equal(t, []time.Time{end(10 * time.Second), end(60 * time.Second)}, w.store.FirstPages("Patient"))
	require.Empty(t, w.store.Made("read", ""), "what is kept is not read again")
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Observation")
}

func TestSeveralRejectedEntriesOfSeveralPasses(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		w.store.Write("Patient", "bad-"+string(rune('a'+i)), start.Add(time.Second), time.Duration(i%2)*40*time.Second, 300_000)
	}
	w.store.Write("Patient", "good", start.Add(time.Second), 0, 300)
	w.bus.reject = func(key string) bool {
		return !slices.Contains([]string{datastore + "/Patient/good/_history/1"}, key) && w.now().Before(end(time.Hour))
	}
	var bodies []int
	watchResults(w, &bodies)
	result := w.capture("Patient")
	for _, n := range w.bus.batches {
		require.LessOrEqual(t, n, 4, "a Publish holds a result's worth of bodies")
	}
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient")
}

func TestRejectedEntryInASlice(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 1_300, start.Add(time.Second), 300)
	// Sorted last, so that it is on a slice's page.
	bad := w.store.Write("Patient", "zzz", start.Add(time.Second), 0, 300)
	accepts := end(4 * time.Minute)
	w.bus.reject = func(key string) bool { return key == bad.IdempotencyKey(datastore) && w.now().Before(accepts) }
	result := w.capture("Patient", "Observation")
	tries := w.bus.tried[bad.IdempotencyKey(datastore)]
	require.Equal(t, backoffs(end(10*time.Second), len(tries)), tries)
	require.Equal(t, []time.Time{end(10 * time.Second), end(60 * time.Second)}, w.store.FirstPages("Observation"))
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient", "Observation")
}

func TestBusThatIsMissingIsRetriedAndNothingIsLost(t *testing.T) {
	w := newWorld(t)
	w.store.Fill("Patient", 20, start.Add(time.Second), 300)
	back := end(90 * time.Second)
	w.bus.fail = func(at time.Time) error {
		if at.Before(back) {
			return &cdc.Error{Op: "PutEvents", Class: cdc.ClassBusMissing, Advice: "create the bus"}
		}
		return nil
	}
	result := w.capture("Patient")
	for _, p := range w.bus.accepted {
		require.False(t, p.at.Before(back))
	}
	w.requireExactlyOnce(all)
	w.requireLedger(result.Ledger, "Patient")
}

func TestPublishDelete(t *testing.T) {
	w := newWorld(t)
	in := cdc.PublishDeleteInput{
		Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{SourceTime: start, CapturedBy: cdc.ByCloudTrail}, CorrelationID: "delete/" + datastore + "/e1"},
		Delete: cdc.Delete{EventID: "e1", Type: "Patient", EventTime: start},
	}
	tries := backoffs(w.now(), 5)
	w.bus.reject = func(string) bool { return w.now().Before(tries[4]) }
	w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, in)
	require.NoError(t, w.env.GetWorkflowError())
	key := datastore + "/Patient/_delete/e1"
	require.Equal(t, []string{key}, w.bus.keys())
	require.Equal(t, tries, w.bus.tried[key])
	require.Equal(t, "deleted", w.bus.accepted[0].Meta.Change)
	require.Equal(t, "unresolved", w.bus.accepted[0].Meta.Resolution)
	var result cdc.PublishDeleteResult
	require.NoError(t, w.env.GetWorkflowResult(&result))
	require.Equal(t, cdc.PublishDeleteResult{Type: "Patient", EventTime: start}, result)
}

func TestPublishDeleteOfNoTypeAndBadInput(t *testing.T) {
	w := newWorld(t)
	in := cdc.PublishDeleteInput{
		Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail}},
		Delete: cdc.Delete{EventID: "e2", EventTime: start, Scope: cdc.ScopeBulk},
	}
	w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, in)
	require.NoError(t, w.env.GetWorkflowError())
	require.Equal(t, []string{datastore + "/Resource/_delete/e2"}, w.bus.keys())

	w.renew(start)
	in.Delete.EventID = "not an id"
	w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, in)
	require.ErrorContains(t, w.env.GetWorkflowError(), string(cdc.ClassInvalidInput))
}
