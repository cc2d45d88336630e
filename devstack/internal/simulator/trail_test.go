package simulator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
)

// sink keeps records; tests can wait for a number of them.
type sink struct {
	mu      sync.Mutex
	changed *sync.Cond
	records []simulator.Record
}

func newSink() *sink {
	s := &sink{}
	s.changed = sync.NewCond(&s.mu)
	return s
}

func (s *sink) add(r simulator.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(s.records, r)
	s.changed.Broadcast()
}

func (s *sink) wait(n int) []simulator.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.records) < n {
		s.changed.Wait()
	}
	return slices.Clone(s.records)
}

// keys are the paths of an object's members, in order of first sight.
func keys(t *testing.T, prefix string, text []byte) []string {
	t.Helper()
	var object map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &object))
	var out []string
	for name, value := range object {
		out = append(out, prefix+name)
		if value[0] == '{' {
			out = append(out, keys(t, prefix+name+".", value)...)
		}
	}
	slices.Sort(out)
	return out
}

func TestRecordsHaveTheFormOfTheSamples(t *testing.T) {
	ctx := context.Background()
	clk := newClock()
	got := newSink()
	s, c := start(t, simulator.Config{Now: clk.now, Trail: simulator.Trail{Sink: got.add}})
	made, err := c.Create(ctx, "Patient", []byte(`{"resourceType":"Patient"}`))
	require.NoError(t, err)
	_, err = c.Update(ctx, "Patient", made.ID, []byte(`{"resourceType":"Patient"}`))
	requireStatus(t, err, http.StatusBadRequest, "")
	require.NoError(t, c.Delete(ctx, "Patient", made.ID))
	_, err = c.Transaction(ctx, []byte(`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","id":"p"},"request":{"method":"PUT","url":"Patient/p"}}]}`))
	require.NoError(t, err)
	_, err = get(c, "Patient", "") // leaves none
	require.NoError(t, err)

	records := got.wait(4)
	for i, want := range []struct {
		sample, event, typ, code string
		status                   int
	}{
		{"cloudtrail-create-patient", "CreateResource", "Patient", "", 201},
		{"cloudtrail-failed-update", "UpdateResource", "Patient", "ValidationException", 400},
		{"cloudtrail-delete-observation", "DeleteResource", "Patient", "", 204},
		{"cloudtrail-bundle-no-type", "ProcessBundle", "", "", 200},
	} {
		text, err := json.Marshal(records[i])
		require.NoError(t, err)
		sample, err := os.ReadFile("testdata/" + want.sample + ".json")
		require.NoError(t, err)
		require.Equal(t, keys(t, "", sample), keys(t, "", text))
		require.NotContains(t, string(text), made.ID)

		d := records[i].Detail
		require.Equal(t, want.event, d.EventName)
		require.Equal(t, want.typ, d.RequestParameters.ResourceType)
		require.Equal(t, want.status, d.ResponseElements.StatusCode)
		require.Equal(t, want.code, d.ErrorCode)
		require.Equal(t, store, d.RequestParameters.DatastoreID)
		require.Equal(t, epoch.Truncate(time.Second), d.EventTime)
		if want.typ != "" {
			require.Equal(t, simulator.HiddenID, d.RequestParameters.ResourceID)
		}
	}
	log := s.WriteLog(store)
	require.Equal(t, records[0].Detail.EventID, log[0].EventID)
	require.Equal(t, records[3].Detail.EventID, log[2].EventID)
}

func TestRecordsMayShowIDsAndReads(t *testing.T) {
	got := newSink()
	_, c := start(t, simulator.Config{Trail: simulator.Trail{Sink: got.add, ShowIDs: true, Reads: true}})
	made, err := c.Create(context.Background(), "Patient", []byte(`{"resourceType":"Patient"}`))
	require.NoError(t, err)
	_, err = c.Read(context.Background(), "Patient", made.ID)
	require.NoError(t, err)
	_, err = get(c, "Patient", "")
	require.NoError(t, err)
	records := got.wait(3)
	require.Equal(t, made.ID, records[0].Detail.RequestParameters.ResourceID)
	require.Equal(t, "ReadResource", records[1].Detail.EventName)
	require.True(t, records[1].Detail.ReadOnly)
	require.Equal(t, "SearchWithGet", records[2].Detail.EventName)
}

// Loss and repetition are counted here by the records that come, not by the
// simulator's own counters.
func TestRecordsAreLostRepeatedAndShuffled(t *testing.T) {
	const calls = 2000
	run := func(seed uint64) []string {
		got := newSink()
		clk := newClock()
		s, c := start(t, simulator.Config{Now: clk.now, Seed: seed, Limits: simulator.Limits{Write: -1}, Trail: simulator.Trail{
			Sink: got.add, Loss: 0.2, Repeat: 0.1, Delay: simulator.Between(0, time.Minute),
		}})
		order := map[string]int{}
		for i := range calls {
			put(t, c, fmt.Sprintf("p%d", i), 0)
		}
		for i, w := range s.WriteLog(store) {
			order[w.EventID] = i
		}
		clk.add(time.Minute)
		s.DeliverDue()
		n := s.Stats().Trail
		records := got.wait(int(n.Recorded - n.Lost + n.Repeated))
		seen, inversions := map[string]int{}, 0
		var ids []string
		for i, r := range records {
			id := r.Detail.EventID
			require.Contains(t, order, id)
			seen[id]++
			ids = append(ids, id)
			if i > 0 && order[id] < order[ids[i-1]] {
				inversions++
			}
		}
		twice := 0
		for _, times := range seen {
			require.LessOrEqual(t, times, 2)
			if times == 2 {
				twice++
			}
		}
		// Five standard deviations of a binomial count.
		require.InDelta(t, 0.8*calls, len(seen), 90)
		require.InDelta(t, 0.1*float64(len(seen)), twice, 60)
		require.Greater(t, inversions, calls/4)
		return ids
	}
	first := run(1)
	require.Equal(t, first, run(1), "the seed decides everything")
	require.NotEqual(t, first, run(2))
}

func TestRecordsWaitForTheirDelay(t *testing.T) {
	clk := newClock()
	got := newSink()
	delays := []time.Duration{10 * time.Minute, time.Second, 0}
	s, c := start(t, simulator.Config{Now: clk.now, Trail: simulator.Trail{Sink: got.add, Delay: func(*rand.Rand) time.Duration {
		d := delays[0]
		delays = delays[1:]
		return d
	}}})
	for i := range 3 {
		put(t, c, "p", i)
	}
	log := s.WriteLog(store)
	require.Equal(t, log[2].EventID, got.wait(1)[0].Detail.EventID)
	clk.add(time.Second)
	s.DeliverDue()
	require.Equal(t, log[1].EventID, got.wait(2)[1].Detail.EventID)
	require.EqualValues(t, 1, s.Stats().Trail.Pending)
	clk.add(10 * time.Minute)
	s.DeliverDue()
	last := got.wait(3)[2]
	require.Equal(t, log[0].EventID, last.Detail.EventID)
	require.Equal(t, epoch.Add(10*time.Minute+time.Second).Truncate(time.Second), last.Time)
}
