package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"healthlake-cdc/devstack/internal/proc"
	"healthlake-cdc/internal/cdc"
)

// backlog is 40 windows of 2,500 versions each, of 25 types: first for the pump, then for
// a worker whose queue has a trigger for each.
func (r *runner) backlog(ctx context.Context) (_ []Table, err error) {
	windows, each := 40, 2_500
	if r.Short {
		windows, each = 8, 1_000
	}
	samples, types, err := samplesOf(25)
	if err != nil {
		return nil, err
	}
	s, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	past := windowsBefore(s.datastore(), windows, 5*time.Minute)
	r.progress("writing %d versions", windows*each)
	if err := s.load(ctx, past, each, samples); err != nil {
		return nil, err
	}
	env := settings(types, "CDC_SEARCH_RATE=100000")
	total := windows * each

	table := Table{
		Title: "Backlog: how fast what has waited is published",
		Settings: fmt.Sprintf("%d versions of %d types in %d windows, %.1f KB a resource",
			total, len(types), windows, meanSize(samples)/1000),
		Columns: []Column{
			{Name: "changes", Unit: "/s"}, {Name: "share of the pump", Digits: 2},
			{Name: "CPU a change", Unit: "µs"}, {Name: "Temporal's", Unit: "µs"}, {Name: "stand-ins'", Unit: "µs"},
			{Name: "peak memory", Unit: "MB"}, {Name: "repeats"}, {Name: "lost"},
		},
	}
	r.progress("the pump publishes them")
	pump, err := s.timed(ctx, total, func() (*proc.Process, error) { return s.pump(ctx, past, env) })
	if err != nil {
		return nil, err
	}
	r.progress("a worker publishes them")
	for _, window := range past {
		s.trigger(window, types[0])
	}
	profiled := r.profile(ctx, s, "backlog", 20*time.Second)
	worker, err := s.timed(ctx, total, func() (*proc.Process, error) {
		w, err := s.StartWorker(ctx, env...)
		if err != nil {
			return nil, err
		}
		return w.Process, nil
	})
	if err != nil {
		return nil, err
	}
	if err := profiled(); err != nil {
		return nil, err
	}
	table.Rows = append(table.Rows, pump.row("pump", pump), worker.row("worker", pump))
	return []Table{table}, nil
}

// windowsBefore are n windows that follow one another and end some time ago.
func windowsBefore(datastore string, n int, ago time.Duration) []cdc.Window {
	last := cdc.WindowAt(datastore, time.Now().Add(-ago))
	windows := make([]cdc.Window, n)
	for i := range windows {
		windows[i] = cdc.WindowAt(datastore, last.Start.Add(-time.Duration(n-1-i)*cdc.WindowWidth))
	}
	return windows
}

// timing is how one program published what was there.
type timing struct {
	bus                     busTotals
	wanted                  int
	took                    time.Duration // from the first event to the last new one
	own, temporal, standIns time.Duration // CPU
	memory                  uint64
}

// timed starts a program and waits until all versions are on the bus. The CPU is that
// since the start, the rate that since the first event.
func (s *stage) timed(ctx context.Context, versions int, start func() (*proc.Process, error)) (timing, error) {
	s.bus.clear()
	temporal, err := measure(s.Temporal.Pid())
	if err != nil {
		return timing{}, err
	}
	standIns, err := measure(os.Getpid())
	if err != nil {
		return timing{}, err
	}
	p, err := start()
	if err != nil {
		return timing{}, err
	}
	own, err := measure(p.Pid())
	if err != nil {
		return timing{}, err
	}
	own.before = 0 // since its start
	peak := own.peak()
	bus, err := s.bus.await(ctx, versions)
	if err != nil {
		return timing{}, err
	}
	t := timing{bus: bus, wanted: versions, took: bus.lastNew.Sub(bus.first), memory: peak()}
	for to, m := range map[*time.Duration]*meter{&t.own: own, &t.temporal: temporal, &t.standIns: standIns} {
		if *to, err = m.cpu(); err != nil {
			return timing{}, err
		}
	}
	_, err = p.Stop(ctx)
	return t, err
}

func (t timing) rate() float64 { return float64(t.bus.versions) / t.took.Seconds() }

func (t timing) row(name string, pump timing) Row {
	each := func(d time.Duration) *float64 {
		return some(float64(d.Microseconds()) / float64(t.bus.versions))
	}
	return figures(name, some(t.rate()), some(t.rate()/pump.rate()), each(t.own), each(t.temporal), each(t.standIns),
		megabytes(t.memory), some(t.bus.events-t.bus.versions), some(t.wanted-t.bus.versions))
}
