package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
)

func TestPlanIsRepeatedByItsSeed(t *testing.T) {
	l := workload{writes: 1000, length: 10 * time.Second, updates: 0.3, seed: 7}
	plan := l.plan()
	require.Equal(t, plan, l.plan())
	require.Len(t, plan, 1000)
	updates, created := 0, 0
	for i, w := range plan {
		require.Equal(t, time.Duration(i)*10*time.Millisecond, w.at)
		require.Len(t, w.resources, 1)
		if n := w.resources[0]; n.change > 0 {
			require.Less(t, n.resource, created, "an update is of what was created before")
			updates++
		} else {
			require.Equal(t, created, n.resource)
			created++
		}
	}
	require.InDelta(t, 300, updates, 60)
	l.seed = 8
	require.NotEqual(t, plan, l.plan())
}

func TestPlanHasBundlesBetweenWrites(t *testing.T) {
	l := workload{writes: 40, length: 40 * time.Second, bundleEvery: 10 * time.Second, bundleEntries: 10}
	var bundles []time.Duration
	last := time.Duration(0)
	for _, w := range l.plan() {
		require.GreaterOrEqual(t, w.at, last)
		last = w.at
		if w.bundle {
			bundles = append(bundles, w.at)
			require.Len(t, w.resources, 10)
		}
	}
	require.Equal(t, []time.Duration{5 * time.Second, 15 * time.Second, 25 * time.Second, 35 * time.Second}, bundles)
}

func TestBodiesAreOfTheirResource(t *testing.T) {
	samples, _, err := samplesOf(25)
	require.NoError(t, err)
	l := workload{samples: samples}
	created, err := l.body(numbered{resource: 3})
	require.NoError(t, err)
	updated, err := l.body(numbered{resource: 3, change: 9})
	require.NoError(t, err)
	require.Equal(t, "bench-3", updated.ID)
	require.Equal(t, samples[3].Type, updated.Type)
	require.NotEqual(t, string(created.Body), string(updated.Body))
}

func TestFatesOfVersions(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(1_790_000_000+int64(seconds), 0) }
	write := func(id string, version, written, searchable, replaced int) simulator.Write {
		w := simulator.Write{Datastore: "d", Type: "Patient", ID: id, Version: version, LastUpdated: at(written), Searchable: at(searchable)}
		if replaced > 0 {
			w.Replaced = at(replaced)
		}
		return w
	}
	writes := []simulator.Write{
		write("published", 1, 0, 1, 0),
		write("lost", 1, 0, 1, 0),
		write("updated", 1, 0, 1, 5),
		write("updated", 2, 5, 6, 0),
		write("hidden", 1, 0, 3, 2), // replaced before it was searchable
		write("hidden", 2, 2, 3, 0),
		{Datastore: "d", Type: "Patient", ID: "gone", Version: 2, Deleted: true},
	}
	got := fatesOf(writes, map[string]int{
		"d/Patient/published/_history/1": 2, "d/Patient/updated/_history/2": 1, "d/Patient/hidden/_history/2": 1,
	})
	require.Equal(t, fates{versions: 6, searchable: 5, lost: 1, passedOver: 1}, got)
}
