package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// collidingIDs are two pairs whose versions 1 have the same first 8 bytes of the
// SHA-256 of "{id}\n{version}". They were found in some minutes.
var collidingIDs = []string{"e85c9ea764d3fc71", "a4426c176d196b81", "d6adad29864d0a6a", "813b284bbc50763f"}

// Everything at once, beside ordinary writes: resource ids that were chosen to collide,
// forged deletes of existing patients, times of 1990, inputs that no key encrypted, a type
// whose pages form a loop, one with unreadable entries, and an unavailable type. Ordinary
// versions are published by their window's first pass, as always; the statements are true;
// and each of the others is reported.
func TestHostile(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}},
		"CDC_RESOURCE_TYPES=Patient,Observation,Condition,Claim", manySearches)
	first := r.worker(t)
	r.subscribe(t, "Patient")
	for _, fault := range []simulator.Fault{
		{Kind: simulator.Forbid, Type: "Claim", Count: -1},
		{Kind: simulator.ByteOrderMark, Type: "Observation", Count: -1},
		{Kind: simulator.LinkItself, Type: "Condition", Further: true, Count: -1},
	} {
		require.NoError(t, r.Simulator.InjectFault(fault))
	}
	for _, entry := range unreadableEntries(time.Now()) {
		require.NoError(t, r.Simulator.PutUnreadable(r.datastore(), "Observation", time.Now(), entry))
	}

	r.forgeDeletes(t, collidingIDs[:3])
	r.forgeOldTimes(t, 40)
	forged := r.forgeWindow(t)
	const rounds, each = 12, 15
	for round := range rounds {
		for i := range each {
			for _, resourceType := range threeTypes {
				put(t, r.writer, resourceType, fmt.Sprintf("live-%d-%d", round, i))
			}
		}
		if round == rounds/2 {
			for _, id := range collidingIDs {
				put(t, r.writer, "Patient", id)
			}
		}
		<-time.After(time.Second) // the writes' pace: two windows and more
	}

	// Nothing hostile is over: what is ordinary comes beside it.
	eventually(t, "every live version has come", func(context.Context) error {
		keys := r.subscriber.Keys()
		for _, w := range r.Simulator.WriteLog(r.datastore()) {
			if n := keys[versionKey(w.Datastore, w.Type, w.ID, w.Version)]; n != 1 {
				return fmt.Errorf("%w: a version of %s came %d times", errNotYet, w.Type, n)
			}
		}
		return nil
	})
	r.publishedByFirstPasses(t)
	r.reported(t, first, forged)

	require.NoError(t, r.temporal.TerminateWorkflow(t.Context(), forged.ID(), "", "it was forged"))
	r.Simulator.ClearFaults()
	for _, id := range r.ids(t, "CdcState='waiting' AND ExecutionStatus='Running'") {
		require.NoError(t, r.temporal.SignalWorkflow(t.Context(), id, "", cdc.SignalRetry, nil))
	}
	written := r.Simulator.WriteLog(r.datastore())
	last := cdc.WindowAt(r.datastore(), written[len(written)-1].LastUpdated)
	require.NoError(t, first.Kill())
	r.worker(t, audits(auditAfter+5*time.Second)...) // the last pass is due 16 s after a window's start
	latest := r.auditedThrough(t, last.End())
	r.pauseAudits(t)
	sum := truth.SumStatements(latest)
	require.Equal(t, []int{len(written), len(written), 0, 0, 0}, []int{sum.InStore, sum.Published, sum.Missing, sum.Healed, sum.Open})
	require.Positive(t, sum.Unreadable)
	r.valid(t)
}

// forgeDeletes puts deletes of living patients on the bus of notifications.
func (r *rig) forgeDeletes(t *testing.T, ids []string) {
	t.Helper()
	for _, id := range ids {
		put(t, r.writer, "Patient", "alive-"+id)
		// History can be late no more.
		long := time.Now().Add(-10 * time.Minute).UTC().Truncate(time.Second)
		r.forge(t, told{ID: uuid.NewString(), Timestamp: long, Focus: "Patient/alive-" + id, Change: "delete"})
	}
}

func (r *rig) forgeOldTimes(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		at := time.Date(1990, 1, 1, 0, 0, 7, 0, time.UTC).Add(time.Duration(i) * time.Minute)
		r.forge(t, told{ID: uuid.NewString(), Timestamp: at, Focus: "Patient/p"})
	}
}

// forgeWindow starts the window of the next minute with an input that no key encrypted,
// and that has everything skipped.
func (r *rig) forgeWindow(t *testing.T) cdc.Window {
	t.Helper()
	window := cdc.WindowAt(r.datastore(), time.Now().Add(-time.Hour))
	input, err := converter.GetDefaultDataConverter().ToPayloads(cdc.CaptureWindowInput{
		Window: window, Types: threeTypes, Passes: r.settings.Passes, Skip: true, Cause: cdc.Cause{CapturedBy: cdc.ByOperator},
	})
	require.NoError(t, err)
	r.startRaw(t, window.ID(), input)
	return window
}

// publishedByFirstPasses requires that every ordinary version was in the first Hydrate of
// its window, in the live lane.
func (r *rig) publishedByFirstPasses(t *testing.T) {
	t.Helper()
	passes := make(map[string]map[cdc.Key]bool)
	for _, w := range r.Simulator.WriteLog(r.datastore()) {
		id := cdc.WindowAt(w.Datastore, w.LastUpdated).ID()
		if passes[id] == nil {
			passes[id] = make(map[cdc.Key]bool)
			first := r.hydrates(t, id)[0]
			for _, answer := range first.Pages {
				for _, change := range answer.Changes {
					passes[id][cdc.Key{ID: change.Type + "/" + change.ID, VersionID: change.VersionID}] = true
				}
			}
		}
		require.True(t, passes[id][cdc.Key{ID: w.Type + "/" + w.ID, VersionID: fmt.Sprint(w.Version)}],
			"a version of %s was not found by the first pass of %s", w.Type, id)
	}
}

// reported requires that each hostile thing can be seen.
func (r *rig) reported(t *testing.T, w *stack.Worker, forged cdc.Window) {
	t.Helper()
	atLeast := func(least float64, name string, labels ...string) {
		eventually(t, name, func(ctx context.Context) error {
			n, _, err := metric(ctx, w.MetricsURL, name, append(labels, fmt.Sprintf("datastore=%q", r.datastore()))...)
			if err != nil || n < least {
				return errors.Join(errNotYet, err)
			}
			return nil
		})
	}
	atLeast(3, cdc.MetricContradicted+"_total", `resource_type="Patient"`)
	atLeast(1, "healthlake_cdc_invalid_entries_total", `resource_type="Observation"`)
	atLeast(1, "healthlake_cdc_executions_waiting")
	r.failsTasks(t, forged.ID())

	bulk := 0
	for _, id := range r.ids(t, "WorkflowType='CaptureWindow'") {
		window, _, err := cdc.ParseWindowID(id)
		require.NoError(t, err)
		if window.Start.Year() != 1990 {
			continue
		}
		var in cdc.CaptureWindowInput
		started := r.events(t, id)[0].GetWorkflowExecutionStartedEventAttributes()
		require.NoError(t, r.data.FromPayloads(started.GetInput(), &in))
		require.True(t, in.Bulk)
		bulk++
	}
	require.Equal(t, 40, bulk)

	var status struct {
		Waiting []struct {
			Type  string    `json:"type"`
			Class cdc.Class `json:"class"`
		} `json:"waiting"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.operate(t, "status", "--json").stdout), &status))
	waits := make(map[string]cdc.Class)
	for _, one := range status.Waiting {
		waits[one.Type] = one.Class
	}
	require.Equal(t, cdc.ClassForbidden, waits["Claim"])
}
