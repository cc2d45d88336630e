package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
)

// streaming is a steady stream of writes, in bundles.
type streaming struct {
	perSecond int
	length    time.Duration
	bundle    int
	// slow gives the services their latencies.
	slow bool
	// passes is CDC_PASSES.
	passes string
	rate   int // CDC_SEARCH_RATE
}

// live is 3,000 writes a second for a minute, with the latencies of the real services.
func (r *runner) live(ctx context.Context) ([]Table, error) {
	s := streaming{perSecond: 3_000, length: time.Minute, bundle: 100, slow: true, passes: "10s,60s", rate: 50}
	if r.Short {
		s.length = 10 * time.Second
	}
	row, err := r.stream(ctx, "3,000 a second", s)
	if err != nil {
		return nil, err
	}
	return []Table{streamTable("Live: what a store takes at most", s, row)}, nil
}

// latency is 500 changes a second for two minutes.
func (r *runner) latency(ctx context.Context) ([]Table, error) {
	s := streaming{perSecond: 500, length: 2 * time.Minute, bundle: 10, passes: "10s,60s", rate: 50}
	if r.Short {
		s.length = 20 * time.Second
	}
	row, err := r.stream(ctx, "500 a second", s)
	if err != nil {
		return nil, err
	}
	return []Table{streamTable("Latency: from a version's lastUpdated to its acceptance", s, row)}, nil
}

func streamTable(title string, s streaming, row Row) Table {
	return Table{
		Title: title,
		Settings: fmt.Sprintf("%d versions a second for %s, of 25 types, in bundles of %d; windows of 10 s, CDC_PASSES=%s, CDC_SEARCH_RATE=%d",
			s.perSecond, s.length, s.bundle, s.passes, s.rate),
		Columns: []Column{
			{Name: "p50", Unit: "s", Digits: 1}, {Name: "p99", Unit: "s", Digits: 1}, {Name: "p99.9", Unit: "s", Digits: 1},
			{Name: "last event after the last write", Unit: "s", Digits: 1},
			{Name: "searches"}, {Name: "repeats"}, {Name: "lost"},
		},
		Rows: []Row{row},
	}
}

// stream writes, and measures how long each version took to be accepted.
func (r *runner) stream(ctx context.Context, name string, o streaming) (_ Row, err error) {
	samples, types, err := samplesOf(25)
	if err != nil {
		return Row{}, err
	}
	s, err := r.open(ctx)
	if err != nil {
		return Row{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	err = s.Simulator.SetTrail(simulator.Trail{Sink: s.Sink(), Delay: simulator.Between(0, 4*time.Second)})
	if err != nil {
		return Row{}, err
	}
	if o.slow {
		s.slow()
	}
	env := settings(types, "CDC_PASSES="+o.passes, fmt.Sprintf("CDC_SEARCH_RATE=%d", o.rate))
	if _, err := s.StartWorker(ctx, env...); err != nil {
		return Row{}, err
	}
	r.progress("writing %d versions a second for %s", o.perSecond, o.length)
	written, err := s.write(ctx, o, samples)
	if err != nil {
		return Row{}, err
	}
	last := time.Now()
	t, err := s.bus.await(ctx, written)
	if err != nil {
		return Row{}, err
	}
	lags := s.bus.sortedLags()
	at := func(share float64) *float64 { return seconds(lags[int(share*float64(len(lags)-1))]) }
	return figures(name, at(0.5), at(0.99), at(0.999), seconds(t.lastNew.Sub(last)),
		some(s.searches()), some(t.events-t.versions), some(written-t.versions)), nil
}

// writersAtOnce is how many bundles are written side by side.
const writersAtOnce = 8

// write writes the stream, and returns how many versions it wrote.
func (s *stage) write(ctx context.Context, o streaming, samples []fhirdata.Resource) (int, error) {
	client := s.client()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(writersAtOnce)
	pace := rate.NewLimiter(rate.Limit(float64(o.perSecond)/float64(o.bundle)), 1)
	written := 0
	for end := time.Now().Add(o.length); time.Now().Before(end); {
		if err := pace.Wait(groupCtx); err != nil {
			break // the group's error says why
		}
		resources := make([]fhirdata.Resource, o.bundle)
		for i := range resources {
			var err error
			if resources[i], err = fhirdata.WithID(samples[written%len(samples)], fmt.Sprintf("live-%d", written)); err != nil {
				return 0, err
			}
			written++
		}
		group.Go(func() error {
			_, err := client.Transaction(groupCtx, fhirdata.Transactions(resources, o.bundle)[0])
			return err
		})
	}
	return written, group.Wait()
}

// sortedLags are how long after their lastUpdated versions were first accepted.
func (b *busLog) sortedLags() []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(slices.Values(b.lags))
}
