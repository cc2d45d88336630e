package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
)

// The latencies of the real services, as measurements set them: a search, a read of one
// resource, a call of EventBridge or SQS.
const (
	searchLatency = 80 * time.Millisecond
	readLatency   = 20 * time.Millisecond
	awsLatency    = 25 * time.Millisecond
)

// slow gives the stand-ins the latencies of the real services.
func (s *stage) slow() {
	s.Simulator.SetLatency(simulator.Latency{Search: searchLatency, Read: readLatency})
	s.AWS.SetFaults(awslocal.Faults{Latency: awslocal.Latency(awsLatency)})
}

// latencySettings say what the real-latency measurements were made with.
func latencySettings(what string, rate int) string {
	return fmt.Sprintf("%s; a search takes %s, a call of AWS %s; CDC_SEARCH_RATE=%d", what, searchLatency, awsLatency, rate)
}

// heavy is one window of 10,000 versions, of one type and of twenty, with the latencies
// of the real services.
func (r *runner) heavy(ctx context.Context) (_ []Table, err error) {
	versions := 10_000
	if r.Short {
		versions = 2_000
	}
	const rate = 50
	table := Table{
		Title:    "A heavy window: from its trigger to its last event",
		Settings: latencySettings(fmt.Sprintf("%d versions in one window", versions), rate),
		Columns: []Column{
			{Name: "first event", Unit: "s", Digits: 1}, {Name: "last event", Unit: "s", Digits: 1},
			{Name: "searches"}, {Name: "repeats"},
		},
	}
	samples, types, err := samplesOf(20)
	if err != nil {
		return nil, err
	}
	s, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	windows := windowsBefore(s.datastore(), 2, 5*time.Minute)
	ofOne := make([]fhirdata.Resource, 0, len(samples))
	for _, sample := range samples {
		one, err := withType(sample, types[0])
		if err != nil {
			return nil, err
		}
		ofOne = append(ofOne, one)
	}
	if err := s.load(ctx, windows[:1], versions, ofOne); err != nil {
		return nil, err
	}
	if err := s.load(ctx, windows[1:], versions, samples); err != nil {
		return nil, err
	}
	s.slow()
	if _, err := s.StartWorker(ctx, settings(types, fmt.Sprintf("CDC_SEARCH_RATE=%d", rate))...); err != nil {
		return nil, err
	}
	for i, name := range []string{"one type", "twenty types"} {
		r.progress("publishing a window of %s", name)
		s.bus.clear()
		searches := s.searches()
		began := time.Now()
		s.trigger(windows[i], types[0])
		t, err := s.bus.await(ctx, versions)
		if err != nil {
			return nil, err
		}
		table.Rows = append(table.Rows, figures(name, seconds(t.first.Sub(began)), seconds(t.lastNew.Sub(began)),
			some(s.searches()-searches), some(t.events-t.versions)))
	}
	return []Table{table}, nil
}

// searches is how many searches the store has had.
func (s *stage) searches() int64 { return s.Simulator.Stats().Datastores[s.datastore()].Total.Searches }
