package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
)

// watchResults checks every result of a Hydrate or a page: 4 MiB of bodies, or a
// single larger one; and far under Temporal's payload limit as it travels.
func watchResults(w *world, bodies *[]int) {
	check := func(changes []cdc.Change, encoded int) {
		sum := 0
		for _, change := range changes {
			sum += change.Body.Len()
		}
		if len(changes) > 1 {
			require.LessOrEqual(w.t, sum, cdc.MaxResultBodies)
		}
		require.Less(w.t, encoded, 2<<20)
		*bodies = append(*bodies, sum)
	}
	w.env.SetOnActivityCompletedListener(func(info *activity.Info, result converter.EncodedValue, err error) {
		if err != nil || result == nil || !result.HasValue() {
			return
		}
		switch info.ActivityType.Name {
		case "Hydrate":
			var r cdc.HydrateResult
			require.NoError(w.t, result.Get(&r))
			var changes []cdc.Change
			for _, answer := range r.Pages {
				changes = append(changes, answer.Changes...)
			}
			check(changes, encodedSize(w, r))
		case "HydratePage":
			var r cdc.HydratePageResult
			require.NoError(w.t, result.Get(&r))
			check(r.Changes, encodedSize(w, r))
		}
	})
}

func encodedSize(w *world, value any) int {
	payload, err := payload.NewPlainConverter().ToPayload(value)
	require.NoError(w.t, err)
	return len(payload.GetData())
}

func TestResultsStayWithinTheByteBudget(t *testing.T) {
	for _, c := range []struct {
		name        string
		n, size     int
		types       int
		atLeast     int
		references  bool
		bodiesTotal bool
	}{
		{name: "many 300 KB bodies", n: 40, size: 300_000, types: 2, atLeast: 18},
		{name: "many small resources", n: 1_000, size: 150, types: 12, atLeast: 2},
		{name: "references", n: 1_000, size: 150, types: 12, references: true, atLeast: 2},
		{name: "one page of a slice", n: 1_300, size: 20_000, types: 1, atLeast: 15},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.real.Reader.References = c.references
			var bodies []int
			watchResults(w, &bodies)
			var types []string
			for i := range c.types {
				name := "Type" + string(rune('A'+i))
				types = append(types, name)
				w.store.Fill(name, c.n, start.Add(time.Second), c.size)
			}
			result := w.capture(types...)
			require.GreaterOrEqual(t, len(bodies), c.atLeast, "left goes on in another result")
			w.requireExactlyOnce(all)
			require.Equal(t, c.n*c.types, result.Ledger.Published())
		})
	}
}

func TestLargeBodies(t *testing.T) {
	w := newWorld(t)
	sizes := map[string]int{"a-full": 998_000, "b-full": 998_000, "c-over": 1_000_000, "d-over": 1_500_000}
	for id, size := range sizes {
		w.store.Write("DocumentReference", id, start.Add(time.Second), 0, size)
	}
	result := w.capture("DocumentReference")
	w.requireExactlyOnce(all)
	require.Equal(t, 2, result.Counts.References)
	for _, p := range w.bus.accepted {
		require.LessOrEqual(t, p.size, 1_000_000)
		over := false
		for id := range sizes {
			if p.Meta.Key == fmt.Sprintf("%s/DocumentReference/%s/_history/1", datastore, id) {
				over = sizes[id] >= 1_000_000
			}
		}
		if over {
			require.Equal(t, "reference", p.Meta.Payload)
			require.Equal(t, "oversize", p.Meta.Reason)
			require.Empty(t, p.Data)
		} else {
			require.Equal(t, "full", p.Meta.Payload)
			require.NotEmpty(t, p.Data)
		}
	}
}

func TestBodiesTravelByteForByte(t *testing.T) {
	w := newWorld(t)
	v := w.store.Write("Patient", "p1", start.Add(time.Second), 0, 0)
	body := []byte(`{"resourceType":"Patient","id":"p1",  "x":1.10,"y":"<b>&\u00e9</b>","z":[1e2, 0.500]}`)
	w.store.Log[0].Body = body
	w.capture("Patient")
	require.Len(t, w.bus.acceptedAt(v.Version), 1)
	require.Equal(t, string(body), string(w.bus.accepted[0].Data))
}

func TestReferencesModeNeverReadsABody(t *testing.T) {
	w := newWorld(t)
	w.real.Reader.References = true
	w.store.Fill("Patient", 1_300, start.Add(time.Second), 300)
	w.store.Write("Observation", "o1", start.Add(time.Second), 0, 300)
	w.store.Write("Observation", "o2", start.Add(time.Second), 40*time.Second, 300)
	w.capture("Patient", "Observation")
	for _, c := range w.store.Made("search", "") {
		require.True(t, c.IDsOnly)
	}
	require.Empty(t, w.store.Made("read", ""))
	require.Empty(t, w.store.Made("vread", ""))
	for _, p := range w.bus.accepted {
		require.Equal(t, "reference", p.Meta.Payload)
		require.Equal(t, "configured", p.Meta.Reason)
		require.Empty(t, p.Data)
	}
	w.requireExactlyOnce(all)
}
