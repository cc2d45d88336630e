package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"golang.org/x/time/rate"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// A worker that gets SIGTERM under load finishes what is in flight and exits with 0;
// another continues, and nothing is lost or repeated.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	workers := []*stack.Worker{r.worker(t), r.worker(t), r.worker(t)}
	writing, stop := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() { written <- r.writeUntil(writing) }()

	for i, worker := range workers[:2] {
		r.received(t, 100*(i+1))
		exit, err := worker.Stop(t.Context())
		require.NoError(t, err)
		require.True(t, exit.OK(), "%s ended with %s, its log is %s", worker.Name, exit, worker.Log)
	}
	got, _ := r.subscriber.Len()
	r.received(t, got+100) // the third goes on
	stop()
	require.NoError(t, <-written)
	complete(t, r.drained(t))
}

// writesASecond is a load under which two cores keep up with three workers.
const writesASecond = 40

// writeUntil writes a resource at a time until ctx ends. Each fifth write is an
// update of the one before.
func (r *rig) writeUntil(ctx context.Context) error {
	pace := rate.NewLimiter(writesASecond, 1)
	for i := 0; pace.Wait(ctx) == nil; i++ {
		id := fmt.Sprintf("load-%d", i-i%5/4)
		body := fmt.Sprintf(`{"resourceType":"Patient","id":%q,"multipleBirthInteger":%d}`, id, i)
		if _, err := r.writer.Update(ctx, "Patient", id, []byte(body)); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// The search attributes are created by the first program that starts, and lists
// can be filtered by them.
func TestListsAreFilteredBySearchAttributes(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	_, err := r.executions(t.Context(), "CdcDatastore = 'none'")
	require.Error(t, err, "nothing has created the attributes yet")
	r.worker(t)
	window := r.earlyInWindow(t)
	r.writeMany(t, window, "Patient", "listed", 12)
	r.writeMany(t, window, "Condition", "listed", 3)
	complete(t, r.drained(t))

	store := "CdcDatastore = '" + r.datastore() + "'"
	start, end := window.Start.Format("2006-01-02T15:04:05Z"), window.End().Format("2006-01-02T15:04:05Z")
	for query, found := range map[string]bool{
		store: true, "CdcDatastore = 'another'": false,
		store + " AND CdcState = 'closed'": true,
		"CdcTypes = 'Patient'":             true,
		"CdcTypes = 'Observation'":         false,
		"CdcWindowStart >= '" + start + "' AND CdcWindowStart < '" + end + "'": true,
		"CdcWindowStart >= '" + end + "'":                                      false,
		"CdcPublished = 15 AND CdcTypes = 'Condition'":                         true,
		"CdcPublished > 15":                                                    false,
	} {
		executions, err := r.executions(t.Context(), query)
		require.NoError(t, err, query)
		var ids []string
		for _, execution := range executions {
			ids = append(ids, execution.GetExecution().GetWorkflowId())
		}
		if found {
			require.Contains(t, ids, window.ID(), query)
		} else {
			require.NotContains(t, ids, window.ID(), query)
		}
	}
	attributes := r.attributes(t, window.ID())
	require.Equal(t, cdc.StateClosed, attributes[cdc.AttrState.GetName()])
	require.EqualValues(t, 15, attributes[cdc.AttrPublished.GetName()])
}

// attributes are an execution's search attributes: plain text, by design.
func (r *rig) attributes(t *testing.T, id string) map[string]any {
	t.Helper()
	described, err := r.described(t.Context(), id)
	require.NoError(t, err)
	plain := make(map[string]any)
	for name, value := range described.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields() {
		var decoded any
		require.NoError(t, converter.GetDefaultDataConverter().FromPayload(value, &decoded))
		plain[name] = decoded
	}
	return plain
}
