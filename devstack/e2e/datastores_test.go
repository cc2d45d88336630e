package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/fhirclient"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

// One store forbids a type, the other one hangs, with more windows than a worker
// asks it for at once: the first store's other types are published all the same,
// and when it is over, everything is.
func TestTwoDatastores(t *testing.T) {
	t.Parallel()
	const forbidding, hanging = "aaaaaaaa11111111aaaaaaaa11111111", "bbbbbbbb22222222bbbbbbbb22222222"
	const windows = 24
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{
		Datastores: []string{forbidding, hanging}, Limits: noLimits,
	}}, fewTypes)
	r.worker(t)
	for _, fault := range []simulator.Fault{
		{Kind: simulator.Forbid, Datastore: forbidding, Type: "Patient", Count: -1},
		{Kind: simulator.Hang, Datastore: hanging, Count: -1},
	} {
		require.NoError(t, r.Simulator.InjectFault(fault))
	}
	writers := map[string]*fhirclient.Client{hanging: writerOf(r.Stack, hanging), forbidding: writerOf(r.Stack, forbidding)}
	for _, writer := range writers {
		writer.Now = c.Now
	}
	begin := windowAgo(forbidding, 10*time.Minute).Start
	write := func(window int, datastore string) {
		c.pin(begin.Add(time.Duration(window)*10*time.Second + alone))
		for _, resourceType := range []string{"Patient", "Observation"} {
			put(t, writers[datastore], resourceType, fmt.Sprintf("window-%d", window))
		}
	}
	// The store that hangs is asked first, by all of its windows.
	for window := range windows {
		write(window, hanging)
	}
	eventually(t, "all windows of the store that hangs are open", func(ctx context.Context) error {
		open, err := stack.Count(ctx, r.temporal, "WorkflowType='CaptureWindow' AND ExecutionStatus='Running'")
		if err != nil || open < windows {
			return errNotYet
		}
		return nil
	})
	for window := range windows {
		write(window, forbidding)
	}
	c.release(0)

	came := func(datastore, resourceType string) (n int) {
		for _, event := range r.subscriber.Events() {
			if event.Meta.DatastoreID == datastore && event.Meta.ResourceType == resourceType {
				n++
			}
		}
		return n
	}
	eventually(t, "the other store's other type has come", func(context.Context) error {
		if came(forbidding, "Observation") < windows {
			return errNotYet
		}
		return nil
	})
	require.Zero(t, came(forbidding, "Patient"), "that type is forbidden")
	require.Zero(t, came(hanging, "Patient")+came(hanging, "Observation"), "that store hangs")
	stats := r.Simulator.Stats().Datastores
	require.Positive(t, stats[forbidding].Types["Patient"].Failed)

	r.Simulator.ClearFaults()
	report := r.drained(t)
	complete(t, report)
	require.Equal(t, 2*2*windows, report.Total.Published)
	require.Len(t, r.windows(t), 2*windows)
	r.valid(t)
}
