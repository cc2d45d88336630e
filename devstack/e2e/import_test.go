package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// manySearches is a rate at which an audit's listings do not make a test long.
const manySearches = "CDC_SEARCH_RATE=1000"

// imported writes n resources of two types like an import, evenly over a span of
// the store's time, and returns the job's id.
func (r *rig) imported(t *testing.T, c *clock, n int, span cdc.Span, fails bool) string {
	t.Helper()
	c.pin(span.From) // when the job is submitted
	job, err := r.Simulator.Import(simulator.ImportJob{
		Datastore: r.datastore(), Resources: n, Fails: fails,
		Resource: func(i int) (string, []byte) {
			resourceType := []string{"Patient", "Observation"}[i%2]
			return resourceType, smallBody(resourceType, fmt.Sprintf("imported-%05d", i))
		},
		Before: func(i int) {
			c.pin(span.From.Add(time.Duration(i) * span.To.Sub(span.From) / time.Duration(n)))
		},
	})
	require.NoError(t, err)
	return job
}

// audited waits until the audit of an import has closed, and returns its result.
func (r *rig) audited(t *testing.T, id string) cdc.AuditState {
	t.Helper()
	workflow := cdc.ImportAuditID(r.datastore(), id)
	r.isThere(t, workflow)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var result cdc.AuditState
	require.NoError(t, r.temporal.GetWorkflow(ctx, workflow, "").Get(ctx, &result))
	return result
}

// isThere waits until an execution is there, open or closed.
func (r *rig) isThere(t *testing.T, id string) {
	t.Helper()
	until(t, id+" was started", func(ctx context.Context) bool {
		_, err := r.described(ctx, id)
		return err == nil
	})
}

// An import of 20,000 resources without records is published, each once, by the audit of
// its time range; a repeated event starts no second audit, and a window of these minutes is
// not affected.
func TestImportWithoutRecords(t *testing.T) {
	t.Parallel()
	const resources = 20_000
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, manySearches, "CDC_AUDIT_EVERY=0")
	r.worker(t)
	r.worker(t)
	start := windowAgo(r.datastore(), 10*time.Minute).Start.Add(3 * time.Second)
	job := r.imported(t, c, resources, cdc.Span{From: start, To: start.Add(4 * time.Minute)}, false)
	c.release(0)
	put(t, r.writer, "Condition", "live")
	again := fmt.Appendf(nil, `{"jobId":%q,"submitTime":%q,"datastoreId":%q}`, job, start.Format(time.RFC3339Nano), r.datastore())
	r.EventSink()(simulator.Event{Source: "aws.healthlake", DetailType: "Import Job Completed", Time: start.Add(5 * time.Minute), Detail: again})
	result := r.audited(t, job)
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, resources+1, report.Total.Published)
	require.Len(t, r.Deliveries.All(), 1, "the record of what was written live")
	for _, event := range r.subscriber.Events() {
		if event.Meta.ResourceType == "Condition" {
			require.Equal(t, cdc.ByCloudTrail, event.Meta.CapturedBy)
		} else if event.Meta.ResourceType != "" {
			require.Equal(t, cdc.ByImport, event.Meta.CapturedBy)
		}
	}
	require.Empty(t, result.Unresolved)
	statements := r.subscriber.Statements()
	require.NotEmpty(t, statements)
	require.Empty(t, truth.CheckStatements(r.Simulator.WriteLog(r.datastore()), statements))
	sum := truth.SumStatements(statements)
	require.Equal(t, resources, sum.InStore)
	require.Equal(t, resources, sum.Healed)
	require.Zero(t, sum.Missing+sum.Skipped)
	require.Len(t, r.ids(t, "WorkflowType='Audit'"), 1)
	r.valid(t)
}

// With CDC_IMPORTS=summary nothing of an import is published, not even of one that failed
// half-way: its statements show how much there is, and no audit publishes it later. With off
// there are no statements either.
func TestImportsThatAreNotPublished(t *testing.T) {
	t.Parallel()
	const resources = 300
	for _, mode := range []string{"summary", "off"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, manySearches, "CDC_AUDIT_EVERY=0",
				"CDC_IMPORTS="+mode)
			r.worker(t)
			start := windowAgo(r.datastore(), 20*time.Minute).Start // records of then would have come by now
			job := r.imported(t, c, resources, cdc.Span{From: start, To: start.Add(time.Minute)}, true)
			c.release(0)
			require.Equal(t, resources, r.audited(t, job).Totals.Skipped)
			r.drained(t)
			require.Empty(t, r.came("imported"), "nothing is published")
			sum := truth.SumStatements(r.subscriber.Statements())
			if mode == "summary" {
				require.Equal(t, resources, sum.InStore)
				require.Equal(t, resources, sum.Skipped)
			} else {
				require.Empty(t, r.subscriber.Statements())
			}

			// An audit on request finds nothing missing.
			r.operate(t, "audit", "--since", start.Add(-time.Minute).Format(time.RFC3339), "--until", start.Add(2*time.Minute).Format(time.RFC3339), "--wait")
			r.drained(t)
			require.Empty(t, r.came("imported"))
			sum = truth.SumStatements(r.subscriber.Statements())
			require.GreaterOrEqual(t, sum.Skipped, resources)
			require.Zero(t, sum.Missing)
		})
	}
}

// Subscriptions are planned, written once, and notify of changes from then on.
func TestSubscriptionsPlanAndApply(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	type plan struct {
		Bus     string `json:"bus"`
		Allowed bool   `json:"allowed"`
		Items   []struct {
			Action, ResourceType, ID, Status string
		} `json:"items"`
		Written *int `json:"written"`
	}
	run := func(args ...string) (p plan) {
		got := r.operate(t, append([]string{"subscriptions", "--json"}, args...)...)
		require.NoError(t, json.Unmarshal([]byte(got.stdout), &p), got.stdout)
		return p
	}
	planned := run("plan")
	require.Equal(t, notificationBus, planned.Bus)
	require.True(t, planned.Allowed, "by the template")
	require.Len(t, planned.Items, 6, "a topic and a subscription for each type")
	_, _, writes := r.Simulator.Subscriptions(r.datastore())
	require.Zero(t, writes, "a plan writes nothing")
	text := r.operate(t, "subscriptions", "plan").stdout
	require.Contains(t, text, "6 to create")
	require.NotContains(t, text, "forge")

	// Another bus needs a statement in its policy, which apply adds.
	elsewhere := r.operate(t, "subscriptions", "plan", "--bus", "default").stdout
	require.Contains(t, elsewhere, `"aws:SourceAccount"`, "the statement that the bus's policy needs")
	require.Contains(t, elsewhere, "events:PutEvents")
	require.False(t, run("plan", "--bus", "default").Allowed)
	require.True(t, run("apply", "--bus", "default").Allowed)
	require.True(t, run("plan", "--bus", "default").Allowed)
	missing := runProgram(t, t.Context(), "starter", r.environment(), nil, "subscriptions", "plan", "--bus", "nowhere")
	require.NotZero(t, missing.code)
	require.Contains(t, missing.all(), "SubscriptionNotifications=true")

	applied := run("apply")
	require.Equal(t, 3, *applied.Written, "the subscriptions, to the other bus")
	require.True(t, applied.Allowed)
	topics, subscriptions, writes := r.Simulator.Subscriptions(r.datastore())
	require.Equal(t, []int{3, 3, 9}, []int{topics, subscriptions, writes})
	again := run("apply")
	require.Zero(t, *again.Written)
	for _, item := range again.Items {
		require.Equal(t, "none", item.Action)
		require.Equal(t, "active", item.Status)
	}
	_, _, writes = r.Simulator.Subscriptions(r.datastore())
	require.Equal(t, 9, writes, "what is as wanted is not written again")
	more := run("apply", "--separate-deletes", "--type", "Patient")
	require.Equal(t, 3, *more.Written, "the topic of its writes changes, and a topic and a subscription for its deletes")

	// No record comes, and nothing marks a delete but its subscription.
	require.NoError(t, r.Simulator.SetTrail(simulator.Trail{Sink: r.Sink(), Loss: 1}))
	require.NoError(t, r.Simulator.SetNotices(simulator.Notices{PlainDeletes: true}))
	r.worker(t)
	put(t, r.writer, "Patient", "told")
	put(t, r.writer, "Condition", "told")
	complete(t, r.drained(t))
	require.NoError(t, r.writer.Delete(t.Context(), "Patient", "told"))
	r.drained(t)
	require.Equal(t, "deleted", r.event(t, versionKey(r.datastore(), "Patient", "told", 2)).Meta.Change)

	// More types than a store allows are an error before anything is written.
	got := runProgram(t, t.Context(), "starter", r.environment("CDC_RESOURCE_TYPES"), nil, "subscriptions", "plan", "--separate-deletes")
	require.NotZero(t, got.code)
	require.Contains(t, got.all(), "72")
}
