package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/temporalserver"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/ops/explain"
)

// explained is what starter explain --json says of one resource or version. What
// it prints on the side names no resource.
func (r *rig) explained(t *testing.T, resource string, more ...string) explain.Result {
	t.Helper()
	got := r.operate(t, append([]string{"explain", resource, "--json", "--ui-url", "http://ui.example"}, more...)...)
	id := strings.Split(resource, "/")[1]
	require.NotContains(t, got.stderr, id)
	answer := onlyOne[explain.Result](t, got.stdout)
	require.Equal(t, id, answer.ID)
	if answer.Window != nil {
		require.NotContains(t, answer.Window.WorkflowID, id)
	}
	return answer
}

// verdict explains and requires the verdict.
func (r *rig) verdict(t *testing.T, want explain.Verdict, resource string, more ...string) explain.Result {
	t.Helper()
	answer := r.explained(t, resource, more...)
	require.Equal(t, want, answer.Verdict, "%s: %s", resource, answer.Reason)
	return answer
}

const explainTypes = "CDC_RESOURCE_TYPES=Patient,Observation,DocumentReference"

// newExplainRig is a rig whose windows the test opens, in a namespace that keeps
// closed executions for an hour.
func newExplainRig(t *testing.T) (*rig, *clock) {
	t.Helper()
	r, c := newClockedRig(t, stack.Options{
		Simulator: simulator.Config{Limits: noLimits},
		Temporal:  temporalserver.Options{Retention: time.Hour},
	}, explainTypes)
	r.silenced(t)
	return r, c
}

// explain distinguishes every state of a version.
func TestExplain(t *testing.T) {
	t.Parallel()
	r, c := newExplainRig(t)
	r.worker(t)
	window := windowAgo(r.datastore(), 3*time.Minute)
	at := window.Start.Add(alone)
	c.pin(at)
	for _, id := range []string{"kept", "twice", "replaced-later", "deleted-later"} {
		put(t, r.writer, "Patient", id)
	}
	put(t, r.writer, "Device", "other-type")
	_, err := r.writer.Update(t.Context(), "DocumentReference", "large", documentOf("large", 1_100_000))
	require.NoError(t, err)
	c.pin(at.Add(time.Second))
	put(t, r.writer, "Patient", "twice")
	c.release(0)
	r.Sink()(stack.WriteRecord(r.datastore(), "Patient", at))
	r.closed(t, window.ID())
	put(t, r.writer, "Patient", "replaced-later")
	require.NoError(t, r.writer.Delete(t.Context(), "Patient", "deleted-later"))

	t.Run("published", func(t *testing.T) {
		answer := r.verdict(t, explain.Published, "Patient/kept")
		event := r.event(t, versionKey(r.datastore(), "Patient", "kept", 1))
		require.Equal(t, "1", answer.Version)
		require.Equal(t, event.ID, answer.Publication.EventID)
		require.Equal(t, cdc.PayloadFull, answer.Publication.Payload)
		require.Equal(t, cdc.ByCloudTrail, answer.Publication.CapturedBy)
		require.Equal(t, event.Meta.SourceTime.UTC(), answer.Publication.SourceTime.UTC())
		require.Equal(t, event.Meta.CorrelationID, answer.Publication.WorkflowID)
		require.Equal(t, 1, answer.Publication.Attempt)
		require.Contains(t, answer.Publication.Step, "pass 2", "both passes were due and ran as one")
		require.False(t, answer.Publication.At.Before(event.Meta.PublishedAt))
		require.Len(t, answer.Window.Runs, 1)
		require.Equal(t, "closed", answer.Window.Runs[0].Status)
		require.Contains(t, answer.Publication.URL, "http://ui.example/namespaces/default/workflows/window%2F"+r.datastore()+"%2F")
		require.Equal(t, answer.Publication.EventID, r.verdict(t, explain.Published, "Patient/kept/_history/1").Publication.EventID)

		text := r.operate(t, "explain", "Patient/kept").stdout
		require.Contains(t, text, event.ID)
		require.Contains(t, text, "http://localhost:8233/")
	})
	t.Run("published, and replaced or deleted since", func(t *testing.T) {
		answer := r.verdict(t, explain.Published, "Patient/replaced-later/_history/1")
		require.Equal(t, explain.Replaced, answer.Store.Standing)
		require.Equal(t, "2", answer.Store.ReplacedBy)
		require.Contains(t, answer.Reason, "version 2")
		answer = r.verdict(t, explain.Published, "Patient/deleted-later/_history/1")
		require.True(t, answer.Store.ByDelete)
	})
	t.Run("reference", func(t *testing.T) {
		answer := r.verdict(t, explain.Published, "DocumentReference/large")
		require.Equal(t, cdc.PayloadReference, answer.Publication.Payload)
		require.Equal(t, cdc.ReasonOversize, answer.Publication.PayloadReason)
		require.Contains(t, answer.Reason, "CDC_MAX_EVENT_BYTES")
	})
	t.Run("superseded", func(t *testing.T) {
		answer := r.verdict(t, explain.Superseded, "Patient/twice/_history/1")
		require.Equal(t, "2", answer.Store.ReplacedBy)
		require.Equal(t, at.Add(time.Second).UTC(), answer.Store.ReplacedAt.UTC())
		require.Nil(t, answer.Publication)
		require.False(t, answer.Window.Runs[0].Has)
		require.Equal(t, "2", r.verdict(t, explain.Published, "Patient/twice").Version)
	})
	t.Run("deleted", func(t *testing.T) {
		answer := r.verdict(t, explain.Deleted, "Patient/deleted-later")
		require.Equal(t, "1", answer.Version, "the last one before")
		require.NotNil(t, answer.Publication)
		r.verdict(t, explain.Deleted, "Patient/deleted-later/_history/2")
		r.verdict(t, explain.NeverExisted, "Patient/deleted-later/_history/3")
	})
	t.Run("type outside the configured ones", func(t *testing.T) {
		answer := r.verdict(t, explain.UnconfiguredType, "Device/other-type")
		require.Contains(t, answer.Advice, "CDC_RESOURCE_TYPES")
	})
	t.Run("never existed", func(t *testing.T) {
		require.Equal(t, explain.Absent, r.verdict(t, explain.NeverExisted, "Patient/nobody").Store.Standing)
		answer := r.verdict(t, explain.NeverExisted, "Patient/twice/_history/3")
		require.Equal(t, explain.NotWritten, answer.Store.Standing)
		require.Equal(t, "2", answer.Store.CurrentVersion)
		r.verdict(t, explain.NeverExisted, "Device/nobody")
	})
	t.Run("replayed", func(t *testing.T) {
		r.operate(t, "replay", "--name", "again", "--since", window.Start.Format(time.RFC3339),
			"--until", window.End().Format(time.RFC3339), "--type", "Patient", "--wait")
		answer := r.verdict(t, explain.Published, "Patient/kept")
		require.Equal(t, window.ID(), answer.Publication.WorkflowID, "the window published it first")
		require.Len(t, answer.Replays, 1)
		require.Equal(t, "again", answer.Replays[0].Name)
		require.Empty(t, r.explained(t, "DocumentReference/large").Replays, "another type")
	})
	t.Run("rerun", func(t *testing.T) {
		r.capture(t, at, "--wait")
		answer := r.verdict(t, explain.Published, "Patient/kept")
		require.Equal(t, window.ID(), answer.Publication.WorkflowID)
		require.Len(t, answer.Window.Runs, 2)
		require.Equal(t, cdc.ByOperator, answer.Window.Runs[1].CapturedBy)
		require.True(t, answer.Window.Runs[1].Has)
	})
}

// What no window has: too young, too old for a trigger, too old for Temporal; and
// what search never showed.
func TestExplainWithoutWindow(t *testing.T) {
	t.Parallel()
	r, c := newExplainRig(t)
	r.worker(t)
	put(t, r.writer, "Patient", "young")
	for id, age := range map[string]time.Duration{"late": 30 * time.Minute, "old": 3 * time.Hour} {
		c.pin(time.Now().Add(-age))
		put(t, r.writer, "Patient", id)
		c.release(0)
	}
	answer := r.verdict(t, explain.WaitingForTrigger, "Patient/young")
	require.Contains(t, answer.Advice, "starter capture --at "+answer.LastUpdated)
	answer = r.verdict(t, explain.NoTrigger, "Patient/late")
	require.Empty(t, answer.Window.Runs)
	require.Contains(t, answer.Advice, "starter capture")
	answer = r.verdict(t, explain.OlderThanRetention, "Patient/old")
	require.Contains(t, answer.Advice, "starter replay")

	// What a replay published is found.
	r.operate(t, "replay", "--name", "old-ones", "--since", "4h", "--until", "2h", "--wait")
	answer = r.verdict(t, explain.Published, "Patient/old")
	require.Equal(t, "old-ones", answer.Publication.Replay)
	require.Equal(t, r.event(t, versionKey(r.datastore(), "Patient", "old", 1)).ID, answer.Publication.EventID)

	// A window that closed before search showed the version. What is ahead of the
	// store's clock afterwards is less than a signature may differ.
	window := windowAgo(r.datastore(), 5*time.Minute)
	r.Simulator.SetSearchLag(simulator.FixedLag(8 * time.Minute))
	c.pin(window.Start.Add(alone))
	put(t, r.writer, "Patient", "hidden")
	c.release(0)
	r.capture(t, window.Start, "--wait")
	answer = r.verdict(t, explain.Missed, "Patient/hidden")
	require.Contains(t, answer.Advice, "starter capture")
	c.release(4 * time.Minute)
	r.capture(t, window.Start, "--wait")
	answer = r.verdict(t, explain.Published, "Patient/hidden")
	require.Equal(t, window.RerunID(1), answer.Publication.WorkflowID, "the rerun published it")
}

// A trigger that sits in one of our own queues is not CloudTrail's loss.
func TestExplainLooksIntoTheQueues(t *testing.T) {
	t.Parallel()
	r, _ := newExplainRig(t)
	put(t, r.writer, "Patient", "queued")
	written := r.Simulator.WriteLog(r.datastore())[0].LastUpdated
	require.NotContains(t, r.verdict(t, explain.WaitingForTrigger, "Patient/queued").Reason, "messages")

	r.buryMessages(t, 3)
	answer := r.verdict(t, explain.WaitingForTrigger, "Patient/queued")
	require.Contains(t, answer.Reason, "3 messages")
	require.Contains(t, answer.Advice, "starter redrive")

	r.trigger(cdc.WindowAt(r.datastore(), written))
	eventually(t, "explain sees the message", func(context.Context) error {
		answer = r.verdict(t, explain.WaitingForTrigger, "Patient/queued")
		if !strings.Contains(answer.Reason, "1 message") {
			return errNotYet
		}
		return nil
	})
	require.Contains(t, answer.Reason, cdc.DefaultTaskQueue)

	// Versions can also be named on standard input, where no other user can see them.
	got := r.fed(t, "Patient/queued\nPatient/is-not-there\n", "explain", "-", "--json")
	var answers []explain.Result
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &answers))
	require.Len(t, answers, 2)
	require.Equal(t, explain.NeverExisted, answers[1].Verdict)
}

// A window that is open: before its pass, with a type that cannot be read, with an event
// that EventBridge rejects, and without a worker.
func TestExplainOpenWindow(t *testing.T) {
	t.Parallel()
	r, c := newExplainRig(t)
	worker := r.worker(t)
	window := windowIn(r.datastore(), 0)
	put(t, r.writer, "Patient", "waits")
	written := r.Simulator.WriteLog(r.datastore())[0].LastUpdated
	window = cdc.WindowAt(window.Datastore, written)
	r.operate(t, "capture", "--at", written.Format(time.RFC3339Nano), "--passes", "15m,18m")
	answer := r.verdict(t, explain.WaitingForPass, "Patient/waits")
	require.Equal(t, window.End().Add(15*time.Minute), answer.Window.NextStep.UTC())
	require.Equal(t, "open", answer.Window.Runs[0].Status)
	require.Equal(t, cdc.ByOperator, answer.Window.Runs[0].CapturedBy)

	refusing := windowAgo(r.datastore(), 3*time.Minute)
	c.pin(refusing.Start.Add(alone))
	put(t, r.writer, "Patient", "refused")
	c.release(0)
	r.AWS.SetFaults(awslocal.Faults{FailEntries: 1 << 20, FailEntryCode: "InvalidArgument"})
	r.capture(t, refusing.Start)
	r.becomes(t, explain.WaitingForOperator, "Patient/refused")
	answer = r.explained(t, "Patient/refused")
	require.Equal(t, "InvalidArgument", answer.Publication.Rejected)
	require.Empty(t, answer.Publication.EventID)

	forbidden := windowAgo(r.datastore(), 4*time.Minute)
	c.pin(forbidden.Start.Add(alone))
	put(t, r.writer, "Observation", "forbidden")
	c.release(0)
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.Forbid, Type: "Observation", Count: -1}))
	r.capture(t, forbidden.Start)
	r.becomes(t, explain.WaitingForOperator, "Observation/forbidden")
	answer = r.explained(t, "Observation/forbidden")
	require.Equal(t, string(cdc.ClassForbidden), answer.Window.Blocked)
	require.False(t, answer.Window.NextStep.IsZero())

	status := r.starterStatus(t)
	waiting := make(map[string]bool)
	for _, one := range status.Waiting {
		require.True(t, one.Operator)
		waiting[one.WorkflowID+" "+one.Type] = true
	}
	require.True(t, waiting[refusing.ID()+" Patient"], "%v", waiting)
	require.True(t, waiting[forbidden.ID()+" Observation"], "%v", waiting)
	require.Equal(t, 3, status.Stores[0].OpenWindows)
	require.Equal(t, forbidden.Start, status.Stores[0].OldestOpen.UTC())

	// Once nothing is in its way it is published; a window without a worker is
	// still explained.
	r.AWS.SetFaults(awslocal.Faults{})
	r.becomes(t, explain.Published, "Patient/refused")
	_, err := worker.Stop(t.Context())
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, r.status(t.Context(), window.ID()))
	r.verdict(t, explain.WaitingForPass, "Patient/waits")
}

// becomes waits until explain says so.
func (r *rig) becomes(t *testing.T, want explain.Verdict, resource string) {
	t.Helper()
	until(t, fmt.Sprintf("it is %s", want), func(context.Context) bool {
		return r.explained(t, resource).Verdict == want
	})
}

// A version that a slice published, and one of a window that was terminated.
func TestExplainSlice(t *testing.T) {
	t.Parallel()
	r, c := newExplainRig(t)
	r.worker(t, "CDC_SEARCH_RATE=1000")
	window := windowAgo(r.datastore(), 3*time.Minute)
	c.pin(window.Start.Add(alone))
	for _, transaction := range transactions("many", 1_400) {
		_, err := r.writer.Transaction(t.Context(), transaction)
		require.NoError(t, err)
	}
	c.release(0)
	r.capture(t, window.Start, "--wait")
	slice := cdc.SliceID(window.ID(), "Patient", window.Start, 1)
	var result cdc.CaptureSliceResult
	require.NoError(t, r.temporal.GetWorkflow(t.Context(), slice, "").Get(t.Context(), &result))
	seen := false
	for i := 0; i < 1_400 && !seen; i++ {
		version := cdc.Version{Type: "Patient", ID: fmt.Sprintf("many-%d", i), VersionID: "1"}
		if seen = result.Published.Has(result.Salt.Hash(version)); seen {
			answer := r.verdict(t, explain.Published, "Patient/"+version.ID)
			require.Equal(t, slice, answer.Publication.WorkflowID)
			require.Equal(t, r.event(t, versionKey(r.datastore(), "Patient", version.ID, 1)).ID, answer.Publication.EventID)
			require.Contains(t, answer.Publication.Step, "of Patient")
		}
	}
	require.True(t, seen, "the slice published something")

	terminated := windowAgo(r.datastore(), 5*time.Minute)
	c.pin(terminated.Start.Add(alone))
	put(t, r.writer, "Patient", "given-up")
	c.release(0)
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.ServerError, Count: -1}))
	r.capture(t, terminated.Start)
	require.NoError(t, r.temporal.TerminateWorkflow(t.Context(), terminated.ID(), "", "a test"))
	r.Simulator.ClearFaults()
	answer := r.verdict(t, explain.Missed, "Patient/given-up")
	require.Equal(t, "terminated", answer.Window.Runs[0].Status)
}

// A service that cannot be reached is an error that does not name the resource.
func TestExplainUnreachable(t *testing.T) {
	t.Parallel()
	r, _ := newExplainRig(t)
	put(t, r.writer, "Patient", "secret-id")
	explainWith := func(env []string, args ...string) printed {
		return runProgram(t, t.Context(), "starter", env, nil, append([]string{"explain", "Patient/secret-id"}, args...)...)
	}
	got := explainWith(append(r.environment("TEMPORAL_ADDRESS"), "TEMPORAL_ADDRESS=127.0.0.1:9"))
	require.NotZero(t, got.code)
	require.NotContains(t, got.all(), "secret-id")
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.Forbid, Of: simulator.KindRead, Count: 1}))
	got = explainWith(r.environment())
	require.NotZero(t, got.code)
	require.Contains(t, got.stderr, "Forbidden")
	require.NotContains(t, got.all(), "secret-id")
	got = explainWith(r.environment(), "--datastore", "unknown")
	require.NotZero(t, got.code)
	require.Contains(t, got.stderr, "CDC_DATASTORES")
	require.NotZero(t, runProgram(t, t.Context(), "starter", r.environment(), nil, "explain", "secret-id").code)
	// explain works without a worker.
	var answers []explain.Result
	got = explainWith(r.environment(), "--json")
	require.Zero(t, got.code, got.all())
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &answers))
	require.Equal(t, explain.WaitingForTrigger, answers[0].Verdict)
}
