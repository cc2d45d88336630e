package temporalserver

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/temporal"
)

// schedulesOf keeps schedules in a namespace, with a payload key of its own.
func schedulesOf(t *testing.T, ns TestNamespace) *temporal.AuditSchedules {
	t.Helper()
	ring, err := payload.ParseKeys(payload.GenerateKey())
	require.NoError(t, err)
	codec, err := payload.NewCodec(ring, ns.Name, payload.Migration{})
	require.NoError(t, err)
	return &temporal.AuditSchedules{
		Connection: &temporal.Connection{
			Client: ns.Client, Executions: temporal.Executions{Client: ns.Client, Data: payload.NewDataConverter(codec)},
			Namespace: ns.Name, Identity: "test",
		},
		Owner: cdc.Owner{TaskQueue: "queue", Bus: "changes"}, Every: 15 * time.Minute,
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

// scheduled reads the input of a datastore's schedule.
func scheduled(t *testing.T, k *temporal.AuditSchedules) (*workflowservice.DescribeScheduleResponse, cdc.AuditInput) {
	t.Helper()
	found, err := k.Client.WorkflowService().DescribeSchedule(t.Context(), &workflowservice.DescribeScheduleRequest{
		Namespace: k.Namespace, ScheduleId: cdc.AuditScheduleID("store"),
	})
	require.NoError(t, err)
	known, err := k.AuditSchedule(t.Context(), "store")
	require.NoError(t, err)
	return found, known.Input
}

func auditOf(types ...string) cdc.AuditInput {
	return cdc.AuditInput{
		Datastore: "store", Types: types, Versions: cdc.VersionsLatest, Cause: cdc.Cause{CapturedBy: cdc.ByAudit},
		After: 20 * time.Minute, Horizon: 22 * time.Hour,
	}
}

// A schedule is made once, follows the settings, and never forgets since when a
// type is in it.
func TestAuditScheduleFollowsTheSettings(t *testing.T) {
	ns := ForTest(t)
	k := schedulesOf(t, ns)
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	k.Now = func() time.Time { return began }
	require.NoError(t, k.Keep(t.Context(), auditOf("Patient", "Device")))
	first, in := scheduled(t, k)
	require.Equal(t, map[string]time.Time{"Patient": began, "Device": began}, in.Since)

	require.NoError(t, k.Keep(t.Context(), auditOf("Patient", "Device")))
	same, _ := scheduled(t, k)
	require.Equal(t, first.GetConflictToken(), same.GetConflictToken(), "nothing has changed")

	later := began.Add(time.Hour)
	k.Now = func() time.Time { return later }
	k.Every = 5 * time.Minute
	changed := auditOf("Patient", "Claim")
	changed.Versions = cdc.VersionsAll
	require.NoError(t, k.Keep(t.Context(), changed))
	found, in := scheduled(t, k)
	require.Equal(t, map[string]time.Time{"Patient": began, "Device": began, "Claim": later}, in.Since)
	require.Equal(t, []string{"Claim", "Patient"}, in.Types)
	require.Equal(t, cdc.VersionsAll, in.Versions)
	require.Equal(t, 5*time.Minute, found.GetSchedule().GetSpec().GetInterval()[0].GetInterval().AsDuration())
}

// Workers that start at once, each with another type, lose none of them.
func TestAuditScheduleKeptByManyAtOnce(t *testing.T) {
	ns := ForTest(t)
	k := schedulesOf(t, ns)
	types := []string{"Patient", "Device", "Claim", "Group"}
	errs := make([]error, len(types))
	var group sync.WaitGroup
	for i, name := range types {
		group.Go(func() { errs[i] = k.Keep(t.Context(), auditOf(name)) })
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	_, in := scheduled(t, k)
	require.Len(t, in.Since, len(types))
}

// Audits that are off pause the schedule, and on they go on; what an operator has
// paused stays so.
func TestAuditScheduleIsPaused(t *testing.T) {
	ns := ForTest(t)
	k := schedulesOf(t, ns)
	var found *workflowservice.DescribeScheduleResponse
	paused := func() {
		k.Off, k.Every = "CDC_AUDIT_EVERY=0", 0
		require.NoError(t, k.Keep(t.Context(), auditOf("Patient")))
		found, in := scheduled(t, k)
		require.True(t, found.GetSchedule().GetState().GetPaused())
		require.Contains(t, found.GetSchedule().GetState().GetNotes(), "CDC_AUDIT_EVERY=0")
		require.Equal(t, k.Owner, in.Owner)
	}
	paused() // created paused: it names the datastore's owner
	k.Off, k.Every = "", time.Minute
	require.NoError(t, k.Keep(t.Context(), auditOf("Patient")))
	found, _ = scheduled(t, k)
	require.False(t, found.GetSchedule().GetState().GetPaused())
	paused()

	k.Off, k.Every = "", time.Minute
	require.NoError(t, k.Keep(t.Context(), auditOf("Patient")))
	found, _ = scheduled(t, k)
	require.False(t, found.GetSchedule().GetState().GetPaused())

	handle := ns.Client.ScheduleClient().GetHandle(t.Context(), cdc.AuditScheduleID("store"))
	require.NoError(t, handle.Pause(t.Context(), client.SchedulePauseOptions{Note: "let me see"}))
	require.NoError(t, k.Keep(t.Context(), auditOf("Patient", "Device")))
	found, in := scheduled(t, k)
	require.True(t, found.GetSchedule().GetState().GetPaused())
	require.Equal(t, "let me see", found.GetSchedule().GetState().GetNotes())
	require.Len(t, in.Since, 2)
}

// A schedule that cannot be decoded is not changed, so that nothing in it is lost; the
// error names the missing key.
func TestAuditScheduleOfAnotherKey(t *testing.T) {
	ns := ForTest(t)
	require.NoError(t, schedulesOf(t, ns).Keep(t.Context(), auditOf("Patient")))
	err := schedulesOf(t, ns).Keep(t.Context(), auditOf("Patient", "Device"))
	require.ErrorIs(t, err, temporal.ErrUndecodable)
	require.ErrorIs(t, err, payload.ErrUnknownKey)
	require.ErrorContains(t, err, "CDC_PAYLOAD_KEYS")
}
