package temporal

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
)

// The same against a real server: devstack/internal/temporalserver.

func schedulesOf(t *testing.T, f *frontend) *AuditSchedules {
	t.Helper()
	return &AuditSchedules{
		Connection: connect(t, f), Owner: cdc.Owner{TaskQueue: "queue", Bus: "changes"}, Every: 15 * time.Minute,
		Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon },
	}
}

func auditOf(types ...string) cdc.AuditInput {
	return cdc.AuditInput{
		Datastore: "store", Types: types, Versions: cdc.VersionsLatest, Cause: cdc.Cause{CapturedBy: cdc.ByAudit},
		After: 20 * time.Minute, Horizon: 22 * time.Hour,
	}
}

// kept is the schedule as it stands.
func kept(t *testing.T, k *AuditSchedules) (*schedulepb.Schedule, cdc.AuditInput) {
	t.Helper()
	known, err := k.AuditSchedule(t.Context(), "store")
	require.NoError(t, err)
	require.NotNil(t, known)
	return known.schedule, known.Input
}

func (f *frontend) polledBy(identities ...string) {
	f.Lock()
	defer f.Unlock()
	f.pollers = nil
	for _, identity := range identities {
		f.pollers = append(f.pollers, &taskqueuepb.PollerInfo{Identity: identity, LastAccessTime: timestamppb.New(noon.Add(-time.Minute))})
	}
}

// A schedule is created once, follows the settings, and never forgets since when a type
// is in it. The command that publishes what was before a new type is logged.
func TestAScheduleFollowsTheSettings(t *testing.T) {
	f := startFrontend(t)
	k := schedulesOf(t, f)
	var log bytes.Buffer
	k.Logger = slog.New(slog.NewTextHandler(&log, nil))
	known, err := k.AuditSchedule(t.Context(), "store")
	require.NoError(t, err)
	require.Nil(t, known)
	require.NoError(t, k.Keep(t.Context(), auditOf("Patient", "Device")))
	schedule, in := kept(t, k)
	require.Equal(t, map[string]time.Time{"Device": noon, "Patient": noon}, in.Since)
	require.Equal(t, k.Owner, in.Owner)
	start := schedule.GetAction().GetStartWorkflow()
	require.Equal(t, cdc.AuditScheduleID("store"), start.GetWorkflowId())
	require.Equal(t, "queue", start.GetTaskQueue().GetName())
	require.Len(t, start.GetSearchAttributes().GetIndexedFields(), 2)
	require.Contains(t, log.String(), "starter backfill --name added-store-20260301T120000Z --datastore store\"")

	changes := f.changes
	require.NoError(t, k.Keep(t.Context(), auditOf("Device", "Patient")))
	require.Equal(t, changes, f.changes, "nothing has changed")

	later := noon.Add(time.Hour)
	k.Now, k.Every = func() time.Time { return later }, 5*time.Minute
	log.Reset()
	require.NoError(t, k.Keep(t.Context(), auditOf("Patient", "Claim")))
	schedule, in = kept(t, k)
	require.Equal(t, map[string]time.Time{"Claim": later, "Device": noon, "Patient": noon}, in.Since)
	require.Equal(t, []string{"Claim", "Patient"}, in.Types)
	require.Equal(t, 5*time.Minute, schedule.GetSpec().GetInterval()[0].GetInterval().AsDuration())
	require.Contains(t, log.String(), "level=WARN")
	require.Contains(t, log.String(), "--datastore store --type Claim\"")
}

// Audits that are off pause the schedule, and resume it; what an operator has paused
// stays so.
func TestAScheduleIsPaused(t *testing.T) {
	f := startFrontend(t)
	k := schedulesOf(t, f)
	off := func() {
		t.Helper()
		k.Off, k.Every = "CDC_AUDIT_EVERY=0", 0
		require.NoError(t, k.Keep(t.Context(), auditOf("Patient")))
		schedule, _ := kept(t, k)
		require.True(t, schedule.GetState().GetPaused())
		require.Equal(t, offNote+k.Off, schedule.GetState().GetNotes())
	}
	on := func() *schedulepb.ScheduleState {
		t.Helper()
		k.Off, k.Every = "", time.Minute
		require.NoError(t, k.Keep(t.Context(), auditOf("Patient")))
		schedule, _ := kept(t, k)
		return schedule.GetState()
	}
	off() // created so: it says which fleet captures the datastore
	require.False(t, on().GetPaused())
	off()
	require.False(t, on().GetPaused())

	schedule := proto.CloneOf(f.schedules[cdc.AuditScheduleID("store")])
	schedule.State = &schedulepb.ScheduleState{Paused: true, Notes: "let me see"}
	f.schedules[cdc.AuditScheduleID("store")] = schedule
	require.True(t, on().GetPaused())
	require.Equal(t, "let me see", on().GetNotes())
}

// Workers that start at once lose nothing of each other: a change that the server drops,
// because another came first, is made again.
func TestAConflictIsTriedAgain(t *testing.T) {
	f := startFrontend(t)
	k := schedulesOf(t, f)
	other := *k
	f.onRead = func() { // another worker creates it after the first look, and changes it after the next
		f.onRead = nil
		assert.NoError(t, other.Keep(t.Context(), auditOf("Claim")))
		f.onRead = func() {
			f.onRead = nil
			assert.NoError(t, other.Keep(t.Context(), auditOf("Claim", "Device")))
		}
	}
	f.polledBy("worker" + Mark([]string{"Claim", "Device"}, k.Owner))
	require.NoError(t, k.Keep(t.Context(), auditOf("Patient")))
	_, in := kept(t, k)
	require.Equal(t, []string{"Claim", "Device", "Patient"}, in.Types)
	require.Len(t, in.Since, 3)
}

func TestSchedulesThatMayNotBeMade(t *testing.T) {
	f := startFrontend(t)
	k := schedulesOf(t, f)
	f.scheduleErr = errDenied
	require.ErrorIs(t, k.Keep(t.Context(), auditOf("Patient")), ErrNotAllowed)
	f.scheduleErr = serviceerror.NewInvalidArgument("no such thing")
	require.ErrorContains(t, k.Keep(t.Context(), auditOf("Patient")), "keeping schedule audit/store: no such thing")
}

// A schedule that cannot be decoded is left alone: what it knows would be lost.
func TestAScheduleOfAnotherKey(t *testing.T) {
	f := startFrontend(t)
	require.NoError(t, schedulesOf(t, f).Keep(t.Context(), auditOf("Patient")))
	changes := f.changes
	err := schedulesOf(t, f).Keep(t.Context(), auditOf("Patient", "Device"))
	require.ErrorIs(t, err, ErrUndecodable)
	require.ErrorIs(t, err, payload.ErrUnknownKey)
	require.Equal(t, changes, f.changes)
}

// Types leave the audits when no worker that polls is configured with them.
func TestTypesLeaveTheAuditsWithTheirWorkers(t *testing.T) {
	f := startFrontend(t)
	k := schedulesOf(t, f)
	require.NoError(t, k.KeepTypes(t.Context(), "store", []string{"Patient"}))
	require.Empty(t, f.schedules, "a schedule that somebody has deleted stays deleted")
	require.NoError(t, k.Keep(t.Context(), auditOf("Patient", "Device")))

	few := []string{"Patient"}
	ours, others := "ours"+Mark(few, k.Owner), "theirs"+Mark([]string{"Device", "Patient"}, k.Owner)
	f.polledBy(ours, others)
	require.NoError(t, k.Keep(t.Context(), auditOf(few...)))
	require.NoError(t, k.KeepTypes(t.Context(), "store", few))
	_, in := kept(t, k)
	require.Equal(t, []string{"Device", "Patient"}, in.Types)

	f.polledBy(ours)
	k.Every = time.Hour
	require.NoError(t, k.KeepTypes(t.Context(), "store", few))
	schedule, in := kept(t, k)
	require.Equal(t, few, in.Types)
	require.Len(t, in.Since, 2)
	require.Equal(t, 15*time.Minute, schedule.GetSpec().GetInterval()[0].GetInterval().AsDuration(), "the rest stays")
}

// A datastore is taken over when its old fleet has stopped, and not before.
func TestADatastoreIsTakenOver(t *testing.T) {
	for name, owner := range map[string]cdc.Owner{
		"another queue": {TaskQueue: "other", Bus: "changes"}, "another bus": {TaskQueue: "queue", Bus: "warehouse"},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFrontend(t)
			before := schedulesOf(t, f)
			require.NoError(t, before.Keep(t.Context(), auditOf("Patient")))
			f.polledBy("old" + Mark([]string{"Patient"}, before.Owner))

			k := *before
			k.Owner = owner
			var other *OtherOwnerError
			require.ErrorAs(t, k.Keep(t.Context(), auditOf("Patient")), &other)
			require.Equal(t, before.Owner, other.Found)
			require.ErrorAs(t, k.KeepTypes(t.Context(), "store", []string{"Patient"}), &other)
			k.TakeOver = true
			require.ErrorAs(t, k.Keep(t.Context(), auditOf("Patient")), &other)
			require.Len(t, other.Polling, 1, "the old fleet still polls")

			k.Now = func() time.Time { return noon.Add(PollerAge) }
			require.NoError(t, k.Keep(t.Context(), auditOf("Patient")))
			schedule, in := kept(t, &k)
			require.Equal(t, owner, in.Owner)
			require.Equal(t, owner.TaskQueue, schedule.GetAction().GetStartWorkflow().GetTaskQueue().GetName())
			require.Equal(t, map[string]time.Time{"Patient": noon}, in.Since, "audits go on where they were")
			require.ErrorAs(t, before.KeepTypes(t.Context(), "store", []string{"Patient"}), &other)
		})
	}
}
