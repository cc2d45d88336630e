package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// told is an event of a forged notification.
type told struct {
	ID        string    `json:"id"`
	Timestamp time.Time `json:"timestamp"`
	Focus     string    `json:"focus"`
	Change    string    `json:"change,omitempty"`
}

// forge puts a notification on the bus of notifications, as anybody may who can put
// events there.
func (r *rig) forge(t *testing.T, events ...told) {
	t.Helper()
	detail, err := json.Marshal(map[string]any{
		"subscriptionUrl": "https://x/datastore/" + r.datastore() + "/r4/Subscription/1",
		"notificationBundlePayload": map[string]any{"resourceType": "Bundle", "entry": []any{map[string]any{
			"resource": map[string]any{"resourceType": "SubscriptionStatus", "type": "event-notification", "notificationEvent": events},
		}}},
	})
	require.NoError(t, err)
	_, err = r.AWS.PutAWSEvent(awslocal.AWSEvent{
		Bus: notificationBus, Source: "healthlake", DetailType: "FHIR Subscription Notification", Detail: detail,
	})
	require.NoError(t, err)
}

// A forged delete of a patient who lives is not published, but counted; the real
// deletes come. Nothing that a notification says is in what Temporal shows.
func TestForgedDeleteIsContradicted(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	w := r.worker(t)
	r.subscribe(t, "Patient")
	for _, id := range []string{"alive", "gone"} {
		put(t, r.writer, "Patient", id)
	}
	require.NoError(t, r.writer.Delete(t.Context(), "Patient", "gone"))
	// History can be late no more: what it does not show now was not deleted then.
	long := time.Now().Add(-10 * time.Minute).UTC().Truncate(time.Second)
	const id = "Patient/alive is deleted"
	r.forge(t, told{ID: id, Timestamp: long, Focus: "Patient/alive", Change: "delete"})
	r.forge(t, told{ID: id, Timestamp: long, Focus: "Patient/alive", Change: "delete"}) // told twice
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, "deleted", r.event(t, versionKey(r.datastore(), "Patient", "gone", 2)).Meta.Change)
	for key := range r.deletesOf("Patient") {
		require.NotContains(t, key, "alive")
	}
	var contradicted []string
	for _, execution := range r.ids(t, "WorkflowType='PublishDelete'") {
		var result cdc.PublishDeleteResult
		require.NoError(t, r.temporal.GetWorkflow(t.Context(), execution, "").Get(t.Context(), &result))
		if result.Contradicted {
			require.Equal(t, cdc.PublishDeleteResult{Type: "Patient", EventTime: long, Exact: true, Contradicted: true}, result)
			contradicted = append(contradicted, execution)
		}
	}
	require.Len(t, contradicted, 1)
	require.Regexp(t, `^delete/`+r.datastore()+`/n-[0-9a-f]{32}$`, contradicted[0])
	counted, _, err := metric(t.Context(), w.MetricsURL, cdc.MetricContradicted+"_total",
		fmt.Sprintf("datastore=%q", r.datastore()), `resource_type="Patient"`)
	require.NoError(t, err)
	require.InDelta(t, 1, counted, 0)
	shown := string(r.shownText(t))
	require.NotContains(t, shown, id)
	require.NotContains(t, shown, "Patient/")
	// Audits find a span's deletes by their own time.
	found := r.ids(t, fmt.Sprintf("WorkflowType='PublishDelete' AND CdcWindowStart >= '%s' AND CdcWindowStart < '%s'",
		long.Format(time.RFC3339), long.Add(time.Second).Format(time.RFC3339)))
	require.Equal(t, contradicted, found)
	r.valid(t)
}

// A notification of events of 1990 opens windows in the bulk lane only, and a message of
// more than a few none at all; what is written meanwhile is live.
func TestOldTimesOpenWindowsInBulk(t *testing.T) {
	t.Parallel()
	const old = 30
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, manySearches)
	r.worker(t)
	events := make([]told, old)
	for i := range events {
		at := time.Date(1990, 1, 1, 0, 0, 7, 0, time.UTC).Add(time.Duration(i) * time.Minute)
		events[i] = told{ID: uuid.NewString(), Timestamp: at, Focus: "Patient/p"}
	}
	r.forge(t, events...)
	put(t, r.writer, "Patient", "live")
	complete(t, r.drained(t))

	r.event(t, versionKey(r.datastore(), "Patient", "live", 1))
	bulk, live := 0, 0
	for _, id := range r.windows(t) {
		var in cdc.CaptureWindowInput
		started := r.events(t, id)[0].GetWorkflowExecutionStartedEventAttributes()
		require.NoError(t, r.data.FromPayloads(started.GetInput(), &in))
		require.Equal(t, in.Window.Start.Year() == 1990, in.Bulk, id)
		if in.Bulk {
			bulk++
		} else {
			live++
		}
	}
	require.Equal(t, old, bulk)
	require.LessOrEqual(t, live, 2)
}

// A restore makes another store, and starts nothing for this one; a job is followed by
// one audit, however often its record comes.
func TestJobIsFollowedAndRestoreStartsNothing(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, manySearches, "CDC_AUDIT_EVERY=0")
	require.NoError(t, r.Simulator.SetTrail(simulator.Trail{Sink: r.Sink(), Loss: 1}))
	w := r.worker(t)
	asked := windowAgo(r.datastore(), 70*time.Minute).Start.Add(alone)
	c.pin(asked.Add(-time.Second))
	put(t, r.writer, "Patient", "patched-1")
	c.release(0)
	restore, patch := stack.WriteRecord(r.datastore(), "", asked), stack.WriteRecord(r.datastore(), "", asked)
	restore.Detail.EventName, patch.Detail.EventName = "RestoreFHIRDatastore", "StartFHIRBulkPatchJob"
	for _, record := range []simulator.Record{restore, restore, patch, patch} {
		r.Sink()(record)
	}
	job := cdc.JobAuditID(r.datastore(), strings.ToLower(patch.Detail.EventID))
	r.isThere(t, job)
	complete(t, r.drained(t))
	require.Len(t, r.came("patched"), 1)
	require.Equal(t, []string{job}, r.ids(t, "WorkflowType='Audit'"))
	eventually(t, "both restores are counted", func(ctx context.Context) error {
		n, _, err := metric(ctx, w.MetricsURL, "healthlake_cdc_triggers_total", `outcome="restore"`)
		if err == nil && n < 2 {
			return errNotYet
		}
		return err
	})
}
