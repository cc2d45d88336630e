package temporalserver

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// polls runs a worker of the owner's fleet with the given types on the datastore's task
// queue, until the server has seen it. stop ends it.
func polls(t *testing.T, ns TestNamespace, owner cdc.Owner, types ...string) (stop func()) {
	t.Helper()
	queue := cdc.LiveTaskQueue(owner.TaskQueue, "store")
	identity := "worker@" + t.Name() + temporal.Mark(types, owner)
	w := worker.New(ns.Client, queue, worker.Options{DisableWorkflowWorker: true, Identity: identity})
	w.RegisterActivityWithOptions(func(context.Context) error { return nil }, activity.RegisterOptions{Name: "any"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	require.Eventually(t, func() bool {
		described, err := ns.Client.DescribeTaskQueue(t.Context(), queue, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
		require.NoError(t, err)
		for _, poller := range described.GetPollers() {
			if poller.GetIdentity() == identity {
				return true
			}
		}
		return false
	}, time.Minute, 50*time.Millisecond)
	return w.Stop
}

// later advances the time by more than the age at which a worker that does not poll any
// more does not count.
func later(k *temporal.AuditSchedules) {
	at := time.Now().Add(2 * temporal.PollerAge)
	k.Now = func() time.Time { return at }
}

// with are the schedules of the same namespace and keys for another fleet.
func with(k *temporal.AuditSchedules, owner cdc.Owner) *temporal.AuditSchedules {
	other := *k
	other.Owner = owner
	return &other
}

// Two fleets in one namespace would each get some of the windows: the second one does not
// start; the error names both owners and what to do.
func TestADatastoreHasOneOwner(t *testing.T) {
	ns := ForTest(t)
	k := schedulesOf(t, ns)
	require.NoError(t, k.Keep(t.Context(), auditOf("Patient")))
	for _, second := range []cdc.Owner{{TaskQueue: "other", Bus: "changes"}, {TaskQueue: "queue", Bus: "other"}} {
		for name, err := range map[string]error{
			"at start":       with(k, second).Keep(t.Context(), auditOf("Patient")),
			"while it works": with(k, second).KeepTypes(t.Context(), "store", []string{"Patient"}),
		} {
			var other *temporal.OtherOwnerError
			require.ErrorAs(t, err, &other, name)
			require.Equal(t, k.Owner, other.Found)
			require.Equal(t, second, other.Ours)
			require.ErrorContains(t, err, second.String())
			require.ErrorContains(t, err, "--take-over")
		}
	}
	_, in := scheduled(t, k)
	require.Equal(t, k.Owner, in.Owner)
}

// A datastore can be taken over when its old fleet has stopped, and not before; then the
// old fleet does not start any more.
func TestADatastoreIsTakenOver(t *testing.T) {
	ns := ForTest(t)
	k := schedulesOf(t, ns)
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	k.Now = func() time.Time { return began }
	require.NoError(t, k.Keep(t.Context(), auditOf("Patient")))
	k.Now = time.Now
	for _, owner := range []cdc.Owner{{TaskQueue: "other", Bus: "changes"}, {TaskQueue: "other", Bus: "warehouse"}} {
		before := with(k, k.Owner)
		stop := polls(t, ns, before.Owner, "Patient")
		k = with(k, owner)
		k.TakeOver = true
		err := k.Keep(t.Context(), auditOf("Patient"))
		require.ErrorContains(t, err, "it still polls (worker@")

		stop()
		later(k)
		require.NoError(t, k.Keep(t.Context(), auditOf("Patient")))
		found, in := scheduled(t, k)
		require.Equal(t, owner, in.Owner)
		require.Equal(t, owner.TaskQueue, found.GetSchedule().GetAction().GetStartWorkflow().GetTaskQueue().GetName())
		require.Equal(t, map[string]time.Time{"Patient": began}, in.Since, "audits go on where they were")
		require.ErrorContains(t, before.KeepTypes(t.Context(), "store", []string{"Patient"}), "is captured into this namespace by another fleet")
		k.TakeOver = false
		require.NoError(t, k.Keep(t.Context(), auditOf("Patient")), "a further worker of the new fleet")
		k.Now = time.Now
	}
}

// Workers with fewer types than the others remove none from the audits while those still
// poll; a worker with more types adds them.
func TestTypesLeaveTheAuditsWithTheirWorkers(t *testing.T) {
	ns := ForTest(t)
	k := schedulesOf(t, ns)
	require.NoError(t, k.Keep(t.Context(), auditOf("Patient", "Device", "Claim")))
	stop := polls(t, ns, k.Owner, "Claim", "Device", "Patient")
	polls(t, ns, k.Owner, "Group", "Patient")

	few := with(k, k.Owner)
	require.NoError(t, few.Keep(t.Context(), auditOf("Patient", "Group")))
	_, in := scheduled(t, k)
	require.Equal(t, []string{"Claim", "Device", "Group", "Patient"}, in.Types)
	require.NoError(t, few.KeepTypes(t.Context(), "store", []string{"Patient", "Group"}))
	_, in = scheduled(t, k)
	require.Equal(t, []string{"Claim", "Device", "Group", "Patient"}, in.Types)

	stop()
	later(few)
	require.NoError(t, few.KeepTypes(t.Context(), "store", []string{"Patient", "Group"}))
	_, in = scheduled(t, k)
	require.Equal(t, []string{"Group", "Patient"}, in.Types)
	require.Len(t, in.Since, 4, "since when a type was audited is not forgotten")

	require.NoError(t, k.KeepTypes(t.Context(), "store", []string{"Patient", "Claim"}))
	_, in = scheduled(t, k)
	require.Equal(t, []string{"Claim", "Group", "Patient"}, in.Types, "the other worker still polls")
}

// A look at the types while a worker runs leaves what the last worker to start has made
// of the schedule.
func TestFollowingLeavesTheOtherSettings(t *testing.T) {
	ns := ForTest(t)
	k := schedulesOf(t, ns)
	require.NoError(t, k.KeepTypes(t.Context(), "store", []string{"Patient"}))
	known, err := k.AuditSchedule(t.Context(), "store")
	require.NoError(t, err)
	require.Nil(t, known, "a schedule that somebody has deleted stays deleted")

	last := with(k, k.Owner)
	last.Every = time.Hour
	all := auditOf("Patient")
	all.Versions = cdc.VersionsAll
	require.NoError(t, last.Keep(t.Context(), all))
	require.NoError(t, k.KeepTypes(t.Context(), "store", []string{"Patient", "Device"}))
	found, in := scheduled(t, k)
	require.Equal(t, []string{"Device", "Patient"}, in.Types)
	require.Equal(t, cdc.VersionsAll, in.Versions)
	require.Equal(t, time.Hour, found.GetSchedule().GetSpec().GetInterval()[0].GetInterval().AsDuration())
}

// Workers of one fleet that start at once all succeed, and so does each that takes over.
func TestManyWorkersTakeOverAtOnce(t *testing.T) {
	ns := ForTest(t)
	k := schedulesOf(t, ns)
	require.NoError(t, k.Keep(t.Context(), auditOf("Patient")))
	owner := cdc.Owner{TaskQueue: "other", Bus: "changes"}
	errs := make(chan error, 4)
	for range cap(errs) {
		next := with(k, owner)
		next.TakeOver = true
		go func() { errs <- next.Keep(t.Context(), auditOf("Patient")) }()
	}
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	_, in := scheduled(t, k)
	require.Equal(t, owner, in.Owner)
}
